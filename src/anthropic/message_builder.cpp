#include "anthropic/events.h"
#include "anthropic/json_reader.h"
#include "anthropic/json_text.h"

#include <nlohmann/json.hpp>

#include <utility>

namespace anyclaude::anthropic {
namespace {

Json tool_input(const std::string& text) {
  auto input = read_json(text);
  return input && input->is_object() ? *std::move(input) : Json::object();
}

} // namespace

const char* to_string(StopReason reason) {
  switch (reason) {
  case StopReason::end_turn:
    return "end_turn";
  case StopReason::max_tokens:
    return "max_tokens";
  case StopReason::stop_sequence:
    return "stop_sequence";
  case StopReason::tool_use:
    return "tool_use";
  case StopReason::model_context_window_exceeded:
    return "model_context_window_exceeded";
  }
  return "end_turn";
}

MessageBuilder::MessageBuilder(std::string message_id, std::string model)
    : message_id_(std::move(message_id)), model_(std::move(model)) {}

void MessageBuilder::add(const Event& event) {
  std::visit([this](const auto& known) { on(known); }, event);
}

MessageBuilder::Block& MessageBuilder::current(const char* type) {
  if (blocks_.empty() || blocks_.back().closed || blocks_.back().type != type) {
    Block block;
    block.type = type;
    blocks_.push_back(std::move(block));
  }
  return blocks_.back();
}

void MessageBuilder::on(const PrefillProgress&) {}

void MessageBuilder::on(const Started& event) {
  end_.usage = event.usage;
}

void MessageBuilder::on(const TextDelta& event) {
  if (!event.text.empty()) {
    current("text").text += event.text;
  }
}

void MessageBuilder::on(const ThinkingDelta& event) {
  if (!event.thinking.empty()) {
    current("thinking").text += event.thinking;
  }
}

void MessageBuilder::on(const ThinkingSignature& event) {
  Block& block = current("thinking");
  block.signature = event.signature;
  block.closed = true;
}

void MessageBuilder::on(const ToolUseStart& event) {
  Block block;
  block.type = "tool_use";
  block.id = event.id;
  block.name = event.name;
  blocks_.push_back(std::move(block));
}

void MessageBuilder::on(const ToolInputDelta& event) {
  if (!blocks_.empty() && blocks_.back().type == "tool_use") {
    blocks_.back().text += event.partial_json;
  }
}

void MessageBuilder::on(const ServerToolUnavailable& event) {
  Block call;
  call.type = "server_tool_use";
  call.id = event.id;
  call.name = event.name;
  call.text = event.input_json;
  blocks_.push_back(std::move(call));
  Block result;
  result.type = "server_tool_result";
  result.text = unavailable_result(event);
  blocks_.push_back(std::move(result));
}

std::string unavailable_result(const ServerToolUnavailable& event) {
  const std::string type = event.name + "_tool_result";
  return json_text({{"type", type},
                    {"tool_use_id", event.id},
                    {"content", {{"type", type + "_error"}, {"error_code", "unavailable"}}}});
}

void MessageBuilder::on(const Finished& event) {
  end_ = event;
}

void MessageBuilder::on(const Failed&) {} // the caller answers with the error instead

std::string MessageBuilder::body() const {
  Json content = Json::array();
  for (const Block& block : blocks_) {
    if (block.type == "text") {
      content.push_back({{"type", "text"}, {"text", block.text}});
    } else if (block.type == "thinking") {
      content.push_back(
          {{"type", "thinking"}, {"thinking", block.text}, {"signature", block.signature}});
    } else if (block.type == "server_tool_result") {
      content.push_back(Json::parse(block.text));
    } else {
      content.push_back({{"type", block.type},
                         {"id", block.id},
                         {"name", block.name},
                         {"input", tool_input(block.text)}});
    }
  }
  Json sequence; // null
  if (end_.reason == StopReason::stop_sequence) {
    sequence = end_.stop_sequence;
  }
  const Usage& usage = end_.usage;
  const Json message = {{"id", message_id_},
                        {"type", "message"},
                        {"role", "assistant"},
                        {"content", std::move(content)},
                        {"model", model_},
                        {"stop_reason", to_string(end_.reason)},
                        {"stop_sequence", std::move(sequence)},
                        {"usage",
                         {{"input_tokens", usage.input_tokens},
                          {"cache_creation_input_tokens", usage.cache_creation_input_tokens},
                          {"cache_read_input_tokens", usage.cache_read_input_tokens},
                          {"output_tokens", usage.output_tokens}}}};
  return json_text(message);
}

} // namespace anyclaude::anthropic
