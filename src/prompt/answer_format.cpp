#include "prompt/answer_format.h"

namespace anyclaude::prompt {

namespace {

using ThinkingKind = anthropic::Thinking::Kind;

constexpr int kLowBudget = 4096; // tokens
constexpr int kMediumBudget = 16384;

} // namespace

answer::Format answer_format(const anthropic::Request& request, const answer::Dialect& dialect) {
  answer::Format format;
  format.dialect = dialect;
  format.show_thinking = request.thinking.kind == ThinkingKind::enabled ||
                         request.thinking.kind == ThinkingKind::adaptive;
  if (request.tool_choice.kind == anthropic::ToolChoice::Kind::none)
    return format;
  std::vector<answer::ToolSpec> tools;
  for (const anthropic::Tool& tool : request.tools)
    if (tool.server_type.empty())
      tools.push_back({tool.name, tool.input_schema});
  if (!tools.empty())
    format.tools = std::make_shared<const answer::ToolSet>(std::move(tools));
  return format;
}

answer::Demand answer_demand(const anthropic::Request& request, const answer::Format& format) {
  using Kind = anthropic::ToolChoice::Kind;
  answer::Demand demand;
  demand.single_call = request.tool_choice.disable_parallel;
  demand.output_schema = request.output_schema;
  if (!format.tools)
    return demand;
  if (request.tool_choice.kind == Kind::any)
    demand.one_of = format.tools->all();
  else if (request.tool_choice.kind == Kind::tool)
    if (const auto* tool = format.tools->find(request.tool_choice.name))
      demand.one_of = {*tool};
  if (!demand.one_of.empty())
    demand.output_schema = Json(); // a call is what was asked for
  return demand;
}

std::string reasoning_effort(const anthropic::Request& request) {
  if (request.thinking.kind == ThinkingKind::disabled)
    return "low";
  if (request.effort == "low" || request.effort == "medium" || request.effort == "high")
    return request.effort;
  if (!request.effort.empty()) // "max" and what may come
    return "high";
  const int budget = request.thinking.budget_tokens;
  if (request.thinking.kind != ThinkingKind::enabled || budget == 0)
    return {};
  return budget <= kLowBudget ? "low" : budget <= kMediumBudget ? "medium" : "high";
}

} // namespace anyclaude::prompt
