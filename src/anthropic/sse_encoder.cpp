#include "anthropic/events.h"
#include "anthropic/json_text.h"

#include <nlohmann/json.hpp>

#include <utility>

namespace anyclaude::anthropic {
namespace {

void replace_all(std::string& text, std::string_view from, std::string_view to) {
  for (auto at = text.find(from); at != std::string::npos; at = text.find(from, at + to.size())) {
    text.replace(at, from.size(), to);
  }
}

/// `text` as a JSON string. Line separators beyond CR and LF end no line in server-sent events, but
/// clients that split with their language's own idea of a line would cut there.
std::string json_string(std::string_view text) {
  std::string out = json_text(Json(text));
  replace_all(out, "\xC2\x85", "\\u0085");
  replace_all(out, "\xE2\x80\xA8", "\\u2028");
  replace_all(out, "\xE2\x80\xA9", "\\u2029");
  return out;
}

std::string frame(std::string_view event, std::string_view data) {
  std::string out;
  out.reserve(event.size() + data.size() + 18);
  out.append("event: ").append(event).append("\ndata: ").append(data).append("\n\n");
  return out;
}

std::string usage_json(const Usage& usage) {
  return R"({"input_tokens":)" + std::to_string(usage.input_tokens) +
         R"(,"cache_creation_input_tokens":)" + std::to_string(usage.cache_creation_input_tokens) +
         R"(,"cache_read_input_tokens":)" + std::to_string(usage.cache_read_input_tokens) +
         R"(,"output_tokens":)" + std::to_string(usage.output_tokens) + "}";
}

} // namespace

SseEncoder::SseEncoder(std::string message_id, std::string model, std::string request_id)
    : message_id_(std::move(message_id)), model_(std::move(model)),
      request_id_(std::move(request_id)) {}

std::string SseEncoder::ping() {
  return frame("ping", R"({"type":"ping"})");
}

std::string SseEncoder::encode(const Event& event) {
  if (ended_) {
    return {};
  }
  return std::visit([this](const auto& known) { return on(known); }, event);
}

std::string SseEncoder::begin(const Usage& usage) {
  if (std::exchange(started_, true)) {
    return {};
  }
  return frame("message_start",
               R"({"type":"message_start","message":{"id":)" + json_string(message_id_) +
                   R"(,"type":"message","role":"assistant","content":[],"model":)" +
                   json_string(model_) + R"(,"stop_reason":null,"stop_sequence":null,"usage":)" +
                   usage_json(usage) + "}}");
}

std::string SseEncoder::open(Block block, const std::string& content_block_json) {
  std::string out = begin({}) + close();
  block_ = block;
  ++index_;
  out += frame("content_block_start", R"({"type":"content_block_start","index":)" +
                                          std::to_string(index_) + R"(,"content_block":)" +
                                          content_block_json + "}");
  return out;
}

std::string SseEncoder::delta(const char* type, const char* key, std::string_view value) const {
  return frame("content_block_delta", R"({"type":"content_block_delta","index":)" +
                                          std::to_string(index_) + R"(,"delta":{"type":")" + type +
                                          R"(",")" + key + R"(":)" + json_string(value) + "}}");
}

std::string SseEncoder::close() {
  if (std::exchange(block_, Block::none) == Block::none) {
    return {};
  }
  return frame("content_block_stop",
               R"({"type":"content_block_stop","index":)" + std::to_string(index_) + "}");
}

std::string SseEncoder::on(const PrefillProgress&) {
  return {};
}

std::string SseEncoder::on(const Started& event) {
  return begin(event.usage);
}

std::string SseEncoder::on(const TextDelta& event) {
  if (event.text.empty()) {
    return {};
  }
  std::string out;
  if (block_ != Block::text) {
    out = open(Block::text, R"({"type":"text","text":""})");
  }
  return out + delta("text_delta", "text", event.text);
}

std::string SseEncoder::on(const ThinkingDelta& event) {
  if (event.thinking.empty()) {
    return {};
  }
  std::string out;
  if (block_ != Block::thinking) {
    out = open(Block::thinking, R"({"type":"thinking","thinking":"","signature":""})");
  }
  return out + delta("thinking_delta", "thinking", event.thinking);
}

std::string SseEncoder::on(const ThinkingSignature& event) {
  std::string out;
  if (block_ != Block::thinking) {
    out = open(Block::thinking, R"({"type":"thinking","thinking":"","signature":""})");
  }
  out += delta("signature_delta", "signature", event.signature);
  return out + close();
}

std::string SseEncoder::on(const ToolUseStart& event) {
  return open(Block::tool_use, R"({"type":"tool_use","id":)" + json_string(event.id) +
                                   R"(,"name":)" + json_string(event.name) + R"(,"input":{}})");
}

std::string SseEncoder::on(const ToolInputDelta& event) {
  if (event.partial_json.empty() || block_ != Block::tool_use) {
    return {}; // input that belongs to no call has no place in the stream
  }
  return delta("input_json_delta", "partial_json", event.partial_json);
}

std::string SseEncoder::on(const ServerToolUnavailable& event) {
  std::string out =
      open(Block::tool_use, R"({"type":"server_tool_use","id":)" + json_string(event.id) +
                                R"(,"name":)" + json_string(event.name) + R"(,"input":{}})");
  out += delta("input_json_delta", "partial_json", event.input_json);
  out += open(Block::server_tool_result, unavailable_result(event));
  return out + close();
}

std::string SseEncoder::on(const Finished& event) {
  ended_ = true;
  const std::string sequence =
      event.reason == StopReason::stop_sequence ? json_string(event.stop_sequence) : "null";
  return begin(event.usage) + close() +
         frame("message_delta", std::string(R"({"type":"message_delta","delta":{"stop_reason":")") +
                                    to_string(event.reason) + R"(","stop_sequence":)" + sequence +
                                    R"(},"usage":)" + usage_json(event.usage) + "}") +
         frame("message_stop", R"({"type":"message_stop"})");
}

std::string SseEncoder::on(const Failed& event) {
  ended_ = true;
  return frame("error", R"({"type":"error","error":{"type":")" +
                            std::string(type_name(event.error.kind)) + R"(","message":)" +
                            json_string(event.error.message) + R"(},"request_id":)" +
                            json_string(request_id_) + "}");
}

} // namespace anyclaude::anthropic
