#include "prompt/answer_parser.h"

#include "prompt/identifier.h"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <utility>

namespace anyclaude::prompt {

namespace {

using Json = nlohmann::ordered_json;

constexpr std::string_view kThink = "<think>";
constexpr std::string_view kThinkEnd = "</think>";
constexpr std::string_view kCall = "<tool_call>";
constexpr std::string_view kCallEnd = "</tool_call>";
constexpr std::string_view kSpace = " \t\r\n";

std::string_view trim(std::string_view text) {
  const auto begin = text.find_first_not_of(kSpace);
  if (begin == std::string_view::npos)
    return {};
  return text.substr(begin, text.find_last_not_of(kSpace) - begin + 1);
}

/// Length of the longest end of `text` that begins `tag`: it may still become the tag.
std::size_t partial_tag(std::string_view text, std::string_view tag) {
  for (std::size_t length = std::min(text.size(), tag.size() - 1); length > 0; --length)
    if (text.ends_with(tag.substr(0, length)))
      return length;
  return 0;
}

/// The arguments of a call as JSON text of an object, empty when they are not one. Some models
/// write them as a string that holds JSON.
std::string arguments_text(const Json& call) {
  const auto found = call.find("arguments");
  if (found == call.end())
    return "{}";
  Json arguments = *found;
  if (arguments.is_string())
    arguments = Json::parse(arguments.get<std::string>(), nullptr, false);
  return arguments.is_object() ? arguments.dump() : "";
}

} // namespace

AnswerParser::AnswerParser(AnswerFormat format)
    : format_(format), state_(format.opens_thinking ? State::thinking : State::start) {}

AnswerParser::Events AnswerParser::push(std::string_view text) {
  buffer_ += text;
  Events events;
  while (advance(events, false)) {
  }
  return events;
}

AnswerParser::Events AnswerParser::finish(bool turn_ended) {
  Events events;
  while (advance(events, true)) {
  }
  if (state_ == State::thinking)
    close_thinking(events);
  else if (!turn_ended && said_ && !space_.empty())
    events.push_back(anthropic::TextDelta{std::exchange(space_, {})});
  return events;
}

/// Takes what it can from the buffer; true when there may be more to take.
bool AnswerParser::advance(Events& events, bool at_end) {
  switch (state_) {
  case State::start: { // only here may thinking begin
    const auto first = buffer_.find_first_not_of(kSpace);
    const auto rest =
        first == std::string::npos ? std::string_view{} : std::string_view(buffer_).substr(first);
    if (rest.starts_with(kThink)) {
      buffer_.erase(0, first + kThink.size());
      state_ = State::thinking;
      return true;
    }
    if (kThink.starts_with(rest) && !at_end)
      return false;
    state_ = State::text;
    return true;
  }
  case State::thinking: {
    if (const auto end = buffer_.find(kThinkEnd); end != std::string::npos) {
      think(std::string_view(buffer_).substr(0, end), events);
      buffer_.erase(0, end + kThinkEnd.size());
      close_thinking(events);
      state_ = State::text;
      return true;
    }
    const auto size = buffer_.size() - (at_end ? 0 : partial_tag(buffer_, kThinkEnd));
    think(std::string_view(buffer_).substr(0, size), events);
    buffer_.erase(0, size);
    return false;
  }
  case State::text: {
    if (format_.tools) {
      if (const auto begin = buffer_.find(kCall); begin != std::string::npos) {
        say(std::string_view(buffer_).substr(0, begin), events);
        buffer_.erase(0, begin + kCall.size());
        state_ = State::tool_call;
        return true;
      }
    }
    const auto size = buffer_.size() - (at_end || !format_.tools ? 0 : partial_tag(buffer_, kCall));
    say(std::string_view(buffer_).substr(0, size), events);
    buffer_.erase(0, size);
    return false;
  }
  case State::tool_call: {
    const auto end = buffer_.find(kCallEnd);
    if (end == std::string::npos && !at_end)
      return false;
    const auto size = std::min(end, buffer_.size());
    const auto taken = end == std::string::npos ? size : size + kCallEnd.size();
    if (!call(trim(std::string_view(buffer_).substr(0, size)), events))
      say(std::string(kCall) + buffer_.substr(0, taken), events);
    buffer_.erase(0, taken);
    state_ = State::text;
    return true;
  }
  }
  return false;
}

/// White space around blocks belongs to the format, not to the answer.
void AnswerParser::say(std::string_view text, Events& events) {
  const auto begin = said_ ? 0 : std::min(text.find_first_not_of(kSpace), text.size());
  const auto last = text.find_last_not_of(kSpace);
  const auto end = last == std::string_view::npos ? begin : last + 1;
  if (end > begin) {
    events.push_back(anthropic::TextDelta{space_ + std::string(text.substr(begin, end - begin))});
    space_.clear();
    said_ = true;
  }
  if (said_)
    space_ += text.substr(end);
}

void AnswerParser::think(std::string_view text, Events& events) {
  if (thinking_.empty())
    text.remove_prefix(std::min(text.find_first_not_of(kSpace), text.size()));
  const auto last = text.find_last_not_of(kSpace);
  const auto end = last == std::string_view::npos ? 0 : last + 1;
  if (end > 0) {
    const auto delta = space_ + std::string(text.substr(0, end));
    space_.clear();
    thinking_ += delta;
    events.push_back(anthropic::ThinkingDelta{delta});
  }
  if (!thinking_.empty())
    space_ += text.substr(end);
}

void AnswerParser::close_thinking(Events& events) {
  space_.clear();
  if (!thinking_.empty())
    events.push_back(anthropic::ThinkingSignature{sign_thinking(thinking_)});
}

bool AnswerParser::call(std::string_view body, Events& events) {
  const Json call = Json::parse(body, nullptr, false);
  const bool named = call.is_object() && call.contains("name") && call["name"].is_string() &&
                     !call["name"].get_ref<const std::string&>().empty();
  const std::string arguments = named ? arguments_text(call) : "";
  if (arguments.empty())
    return false;
  space_.clear();
  said_ = false;
  called_tool_ = true;
  events.push_back(anthropic::ToolUseStart{new_tool_use_id(), call["name"].get<std::string>()});
  events.push_back(anthropic::ToolInputDelta{arguments});
  return true;
}

} // namespace anyclaude::prompt
