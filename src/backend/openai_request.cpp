#include "backend/openai_request.h"

#include "prompt/answer_format.h"
#include "prompt/control_text.h"

#include <spdlog/spdlog.h>

#include <algorithm>

namespace anyclaude::backend {
namespace {

using Choice = anthropic::ToolChoice::Kind;

/// From the shape that chat templates get to the one that the API has.
void fit_turn(Json& turn, const OpenAiDialect& dialect) {
  if (turn.contains("tool_calls")) {
    for (Json& call : turn["tool_calls"]) {
      Json& arguments = call["function"]["arguments"];
      arguments = arguments.dump(); // the API has them as text
    }
    if (turn["content"] == "")
      turn["content"] = nullptr;
  }
  if (turn.contains("reasoning_content")) {
    if (dialect.thinking_field.empty()) {
      turn.erase("reasoning_content");
    } else if (dialect.thinking_field != "reasoning_content") {
      turn[std::string(dialect.thinking_field)] = turn["reasoning_content"];
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

void add_tools(Json& body, const ChatPrompt& prompt, const anthropic::Request& request,
               const OpenAiDialect& dialect) {
  if (prompt.tools.empty())
    return;
  Json tools = prompt.tools;
  if (offers_one_tool(request, dialect)) {
    tools = Json::array();
    for (const Json& tool : prompt.tools)
      if (tool["function"]["name"] == request.tool_choice.name)
        tools.push_back(tool);
  }
  if (request.tool_choice.kind == Choice::none && !dialect.tool_choice)
    return; // the only way to say it
  body["tools"] = std::move(tools);
  if (request.tool_choice.disable_parallel && dialect.parallel_tool_calls)
    body["parallel_tool_calls"] = false;
  if (!dialect.tool_choice) {
    if (request.tool_choice.kind == Choice::any)
      spdlog::debug("{} cannot be told to call a tool; it is only asked to", dialect.title);
    return;
  }
  switch (request.tool_choice.kind) {
  case Choice::automatic:
    break; // what every server does by itself
  case Choice::none:
    body["tool_choice"] = "none";
    break;
  case Choice::any:
    body["tool_choice"] = "required";
    break;
  case Choice::tool:
    if (dialect.named_tool_choice)
      body["tool_choice"] = {{"type", "function"},
                             {"function", {{"name", request.tool_choice.name}}}};
    else
      body["tool_choice"] = "required";
    break;
  }
}

void add_sampling(Json& body, const anthropic::Request& request, const OpenAiDialect& dialect) {
  if (request.temperature)
    body["temperature"] = *request.temperature;
  if (request.top_p)
    body["top_p"] = *request.top_p;
  if (request.seed)
    body["seed"] = *request.seed;
  if (request.top_k && dialect.more_sampling)
    body["top_k"] = *request.top_k;
  if (request.min_p && dialect.more_sampling)
    body["min_p"] = *request.min_p;
}

void add_thinking(Json& body, const ChatPrompt& prompt, const anthropic::Request& request,
                  const OpenAiDialect& dialect) {
  using Kind = anthropic::Thinking::Kind;
  if (dialect.thinking_switch) {
    // An answer that is begun already cannot begin with thinking.
    const bool thinks = !prompt.continues_answer && (request.thinking.kind == Kind::enabled ||
                                                     request.thinking.kind == Kind::adaptive);
    body["chat_template_kwargs"] = {{"enable_thinking", thinks}};
  }
  if (const std::string effort = prompt::reasoning_effort(request);
      dialect.reasoning_effort && !effort.empty())
    body["reasoning_effort"] = effort;
}

} // namespace

std::size_t ChatPrompt::bytes() const {
  return messages.dump().size() + (tools.empty() ? 0 : tools.dump().size());
}

ChatPrompt make_chat_prompt(const anthropic::Request& request, const OpenAiDialect& dialect,
                            const prompt::Arrangement& arrangement) {
  // The server's template and tokenizer decide what control tokens are: nothing to protect here.
  static const prompt::ControlText kNoControl{{}};
  prompt::Canonical canonical = prompt::canonicalize(request, kNoControl, arrangement);
  ChatPrompt out;
  out.messages = std::move(canonical.input.messages);
  out.tools = std::move(canonical.input.tools);
  out.warnings = std::move(canonical.warnings);
  for (Json& turn : out.messages)
    fit_turn(turn, dialect);
  if (!canonical.answer_prefix.empty()) {
    out.continues_answer = true;
    out.messages.push_back({{"role", "assistant"}, {"content", canonical.answer_prefix}});
  }
  return out;
}

std::string chat_body(const ChatPrompt& prompt, const anthropic::Request& request,
                      const OpenAiDialect& dialect, const std::string& model,
                      const BodyForm& form) {
  Json body;
  body["model"] = model;
  body["messages"] = prompt.messages;
  add_tools(body, prompt, request, dialect);
  if (form.calls_as_text && body.contains("tools"))
    body["tool_choice"] = "none";
  // Always said: some servers' own is a few hundred.
  body[form.max_completion_tokens ? "max_completion_tokens" : "max_tokens"] = form.max_tokens;
  body["stream"] = true;
  body["stream_options"]["include_usage"] = true;
  if (dialect.early_usage == OpenAiDialect::EarlyUsage::in_every_chunk)
    body["stream_options"]["continuous_usage_stats"] = true;
  if (dialect.early_usage == OpenAiDialect::EarlyUsage::llama_progress) {
    body["return_progress"] = true;
    body["timings_per_token"] = true;
  }
  add_sampling(body, request, dialect);
  add_thinking(body, prompt, request, dialect);
  if (prompt.continues_answer &&
      dialect.prefill == OpenAiDialect::Prefill::continue_final_message) {
    body["add_generation_prompt"] = false;
    body["continue_final_message"] = true;
  }
  if (!request.output_schema.is_null() && dialect.json_schema)
    body["response_format"] = {
        {"type", "json_schema"},
        {"json_schema", {{"name", "answer"}, {"strict", true}, {"schema", request.output_schema}}}};
  return body.dump(-1, ' ', false, Json::error_handler_t::replace);
}

} // namespace anyclaude::backend
