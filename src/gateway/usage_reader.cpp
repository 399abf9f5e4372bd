#include "gateway/usage_reader.h"

#include "anthropic/json.h"
#include "gateway/http_text.h"

#include <nlohmann/json.hpp>

namespace anyclaude::gateway {
namespace {

constexpr std::size_t kLongestMessage = 4 * 1024 * 1024; // bytes

std::string_view value_of(const Headers& headers, std::string_view name) {
  for (const auto& [key, value] : headers)
    if (equal_ignoring_case(key, name))
      return value;
  return {};
}

void read_count(const Json& usage, const char* name, std::int64_t& count) {
  if (const auto found = usage.find(name); found != usage.end() && found->is_number_integer())
    count = found->get<std::int64_t>();
}

} // namespace

UsageReader::UsageReader(const Headers& headers)
    : events_({.on_event = [this](const upstream::SseEvent& event) { on_event(event); },
               .on_comment = {}}) {
  const std::string_view coding = value_of(headers, "content-encoding");
  const std::string_view type = value_of(headers, "content-type");
  if (!coding.empty() && !equal_ignoring_case(coding, "identity"))
    return;
  if (type.starts_with("text/event-stream"))
    kind_ = Kind::stream;
  else if (type.starts_with("application/json"))
    kind_ = Kind::message;
}

void UsageReader::push(std::string_view bytes) {
  if (kind_ == Kind::stream && !events_.push(bytes))
    kind_ = Kind::none;
  if (kind_ != Kind::message)
    return;
  if (body_.size() + bytes.size() <= kLongestMessage) {
    body_ += bytes;
  } else {
    kind_ = Kind::none;
    body_ = {};
  }
}

void UsageReader::finish() {
  if (kind_ == Kind::message)
    read_message(body_, {});
}

/// Most events are deltas, of which the name says enough.
void UsageReader::on_event(const upstream::SseEvent& event) {
  if (event.name == "content_block_delta")
    has_content_ = true;
  else if (event.name == "message_start")
    read_message(event.data, "message");
  else if (event.name == "message_delta")
    read_message(event.data, {});
}

/// The object under `key`, or all of it.
void UsageReader::read_message(std::string_view text, std::string_view key) {
  const Json json = Json::parse(text, nullptr, false);
  if (!json.is_object())
    return;
  const auto inner = key.empty() ? json.end() : json.find(key);
  const Json& message = inner == json.end() ? json : *inner;
  if (!message.is_object())
    return;
  if (const auto model = message.find("model"); model != message.end() && model->is_string())
    model_ = model->get<std::string>();
  const auto usage = message.find("usage");
  if (usage == message.end() || !usage->is_object())
    return;
  read_count(*usage, "input_tokens", usage_.input_tokens);
  read_count(*usage, "cache_read_input_tokens", usage_.cache_read_input_tokens);
  read_count(*usage, "cache_creation_input_tokens", usage_.cache_creation_input_tokens);
  read_count(*usage, "output_tokens", usage_.output_tokens);
}

} // namespace anyclaude::gateway
