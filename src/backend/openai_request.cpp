#include "backend/openai_request.h"

#include "anthropic/json_text.h"
#include "prompt/answer_format.h"
#include "prompt/control_text.h"

#include <spdlog/spdlog.h>

#include <algorithm>

namespace anyclaude::backend {
namespace {

using Choice = anthropic::ToolChoice::Kind;
using anthropic::json_text;

/// From the shape that chat templates get to the one that the API has.
void fit_turn(Json& turn, const OpenAiDialect& dialect) {
  if (turn.contains("tool_calls")) {
    for (Json& call : turn["tool_calls"]) {
      Json& arguments = call["function"]["arguments"];
      arguments = json_text(arguments); // the API has them as text
    }
    if (turn["content"] == "")
      turn["content"] = nullptr;
  }
  if (turn.contains("reasoning_content")) {
    if (dialect.thinking_field.empty()) {
      turn.erase("reasoning_content");
    } else if (dialect.thinking_field != "reasoning_content") {
      turn[std::string(dialect.thinking_field)] = std::move(turn["reasoning_content"]);
      turn.erase("reasoning_content");
    }
  }
  if (turn["role"] == "tool")
    turn.erase("name"); // OpenAI's schema has none there, and strict servers refuse it
}

/// Where one tool cannot be demanded by its name, it is the only one that is offered.
bool offers_one_tool(const anthropic::Request& request, const OpenAiDialect& dialect) {
  return request.tool_choice.kind == Choice::tool && !dialect.named_tool_choice;
}

} // namespace

void ChatRequest::add_tools(Json tools, const anthropic::Request& request,
                            const OpenAiDialect& dialect) {
  if (tools.empty() || (request.tool_choice.kind == Choice::none && !dialect.tool_choice))
    return; // where no choice can be said, this is the only way to say "none"
  if (offers_one_tool(request, dialect)) {
    Json one = Json::array();
    for (Json& tool : tools)
      if (tool["function"]["name"] == request.tool_choice.name)
        one.push_back(std::move(tool));
    tools = std::move(one);
  }
  tools_ = json_text(tools);
  if (request.tool_choice.disable_parallel && dialect.parallel_tool_calls)
    settings_["parallel_tool_calls"] = false;
  if (!dialect.tool_choice) {
    if (request.tool_choice.kind == Choice::any)
      spdlog::debug("{} cannot be told to call a tool; it is only asked to", dialect.title);
    return;
  }
  switch (request.tool_choice.kind) {
  case Choice::automatic:
    break; // what every server does by itself
  case Choice::none:
    settings_["tool_choice"] = "none";
    break;
  case Choice::any:
    settings_["tool_choice"] = "required";
    break;
  case Choice::tool:
    if (dialect.named_tool_choice)
      settings_["tool_choice"] = {{"type", "function"},
                                  {"function", {{"name", request.tool_choice.name}}}};
    else
      settings_["tool_choice"] = "required";
    break;
  }
}

void ChatRequest::add_sampling(const anthropic::Request& request, const OpenAiDialect& dialect) {
  if (request.temperature)
    settings_["temperature"] = *request.temperature;
  if (request.top_p)
    settings_["top_p"] = *request.top_p;
  if (request.seed)
    settings_["seed"] = *request.seed;
  if (request.top_k && dialect.more_sampling)
    settings_["top_k"] = *request.top_k;
  if (request.min_p && dialect.more_sampling)
    settings_["min_p"] = *request.min_p;
}

void ChatRequest::add_thinking(const anthropic::Request& request, const OpenAiDialect& dialect) {
  using Kind = anthropic::Thinking::Kind;
  if (dialect.thinking_switch) {
    // An answer that is begun already cannot begin with thinking.
    const bool thinks = !continues_answer_ && (request.thinking.kind == Kind::enabled ||
                                               request.thinking.kind == Kind::adaptive);
    settings_["chat_template_kwargs"] = {{"enable_thinking", thinks}};
  }
  if (const std::string effort = prompt::reasoning_effort(request);
      dialect.reasoning_effort && !effort.empty())
    settings_["reasoning_effort"] = effort;
}

ChatRequest::ChatRequest(const anthropic::Request& request, const OpenAiDialect& dialect,
                         const std::string& model, const prompt::Arrangement& arrangement) {
  // The server's template and tokenizer decide what control tokens are: nothing to protect here.
  static const prompt::ControlText kNoControl{{}};
  prompt::Canonical canonical = prompt::canonicalize(request, kNoControl, arrangement);
  warnings_ = std::move(canonical.warnings);
  Json& messages = canonical.input.messages;
  for (Json& turn : messages)
    fit_turn(turn, dialect);
  if (!canonical.answer_prefix.empty()) {
    continues_answer_ = true;
    messages.push_back({{"role", "assistant"}, {"content", canonical.answer_prefix}});
  }
  messages_ = json_text(messages);
  settings_["model"] = model;
  add_tools(std::move(canonical.input.tools), request, dialect);
  settings_["stream"] = true;
  settings_["stream_options"]["include_usage"] = true;
  if (dialect.early_usage == OpenAiDialect::EarlyUsage::in_every_chunk)
    settings_["stream_options"]["continuous_usage_stats"] = true;
  if (dialect.early_usage == OpenAiDialect::EarlyUsage::llama_progress) {
    settings_["return_progress"] = true;
    settings_["timings_per_token"] = true;
  }
  add_sampling(request, dialect);
  add_thinking(request, dialect);
  if (continues_answer_ && dialect.prefill == OpenAiDialect::Prefill::continue_final_message) {
    settings_["add_generation_prompt"] = false;
    settings_["continue_final_message"] = true;
  }
  if (!request.output_schema.is_null() && dialect.json_schema)
    settings_["response_format"] = {
        {"type", "json_schema"},
        {"json_schema", {{"name", "answer"}, {"strict", true}, {"schema", request.output_schema}}}};
}

std::string ChatRequest::body(const BodyForm& form) const {
  Json settings = settings_;
  if (form.calls_as_text && !tools_.empty())
    settings["tool_choice"] = "none";
  // Always said: some servers' own is a few hundred.
  settings[form.max_completion_tokens ? "max_completion_tokens" : "max_tokens"] = form.max_tokens;
  std::string body = json_text(settings);
  body.reserve(body.size() + messages_.size() + tools_.size() + 32);
  body.pop_back(); // its bracket
  body.append(R"(,"messages":)").append(messages_);
  if (!tools_.empty())
    body.append(R"(,"tools":)").append(tools_);
  return body += '}';
}

} // namespace anyclaude::backend
