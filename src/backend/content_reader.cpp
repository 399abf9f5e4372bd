#include "backend/content_reader.h"

#include <algorithm>
#include <array>
#include <utility>

namespace anyclaude::backend {
namespace {

using answer::Dialect;
using answer::Family;

constexpr std::string_view kToolCall = "<tool_call>";
constexpr std::string_view kMistral = "[TOOL_CALLS]";
constexpr std::string_view kMiniMax = "<minimax:tool_call>";
constexpr std::array kMarkers{kToolCall, kMistral, kMiniMax};
constexpr std::string_view kFunction = "<function=";
constexpr std::size_t kLongestName = 64; // of a tool, by Anthropic's API

void append(ContentReader::Events& events, ContentReader::Events more) {
  events.insert(events.end(), std::make_move_iterator(more.begin()),
                std::make_move_iterator(more.end()));
}

/// Bytes at the end of the text that may be the beginning of a marker.
std::size_t unfinished_marker(std::string_view text) {
  for (std::size_t size = std::min(text.size(), kMiniMax.size() - 1); size > 0; --size)
    for (const std::string_view marker : kMarkers)
      if (marker.starts_with(text.substr(text.size() - size)))
        return size;
  return 0;
}

} // namespace

ContentReader::ContentReader(answer::Format format) : format_(std::move(format)) {
  decided_ = !format_.tools;
  answer::Format plain = format_;
  plain.tools = nullptr; // until it is known how this model writes calls
  parser_.emplace(plain);
}

/// The first marker in held_, and what it opens by what stands behind it.
ContentReader::Opening ContentReader::find_opening(bool at_end) const {
  Opening first{std::string::npos, 0, std::nullopt, false};
  std::string_view marker;
  for (const std::string_view candidate : kMarkers)
    if (const auto at = held_.find(candidate); at < first.at) {
      first.at = at;
      first.size = candidate.size();
      marker = candidate;
    }
  if (first.at == std::string::npos)
    return first;
  std::string_view behind = std::string_view(held_).substr(first.at + first.size);
  behind.remove_prefix(std::min(behind.find_first_not_of(" \r\n\t"), behind.size()));
  Dialect dialect;
  if (behind.empty() || (kFunction.starts_with(behind) && !at_end)) {
    first.unknown = !at_end;
  } else if (marker == kMistral) {
    dialect.family = Family::mistral;
    dialect.older = behind.starts_with('[');
    first.dialect = dialect;
  } else if (marker == kMiniMax) {
    dialect.family = Family::invoke;
    dialect.wrapper = "minimax:tool_call";
    first.dialect = dialect;
  } else if (behind.starts_with('{')) {
    dialect.family = Family::hermes;
    first.dialect = dialect;
  } else if (behind.starts_with(kFunction)) {
    dialect.family = Family::qwen_xml;
    first.dialect = dialect;
  } else { // GLM's begins with the tool's name
    const auto end = behind.find_first_of("\n<");
    const std::string_view name = behind.substr(0, end);
    dialect.family = Family::glm;
    if (end != std::string_view::npos && format_.tools->find(name) != nullptr)
      first.dialect = dialect;
    else
      first.unknown = end == std::string_view::npos && name.size() < kLongestName && !at_end;
  }
  return first;
}

void ContentReader::look(bool at_end, Events& events) {
  while (!decided_ && !held_.empty()) {
    const Opening opening = find_opening(at_end);
    if (opening.at == std::string::npos) {
      const std::size_t keep = at_end ? 0 : unfinished_marker(held_);
      append(events, parser_->push(std::string_view(held_).substr(0, held_.size() - keep)));
      held_.erase(0, held_.size() - keep);
      return;
    }
    append(events, parser_->push(std::string_view(held_).substr(0, opening.at)));
    held_.erase(0, opening.at);
    if (opening.unknown)
      return;
    if (opening.dialect && !parser_->thinks()) {
      append(events, parser_->finish(true));
      format_.dialect = *opening.dialect;
      parser_.emplace(format_);
      decided_ = true;
    } else { // it is text
      append(events, parser_->push(std::string_view(held_).substr(0, opening.size)));
      held_.erase(0, opening.size);
    }
  }
  append(events, parser_->push(std::exchange(held_, {})));
}

ContentReader::Events ContentReader::push(std::string_view text) {
  Events events;
  held_ += text;
  look(false, events);
  return events;
}

ContentReader::Events ContentReader::finish(bool turn_ended) {
  Events events;
  look(true, events);
  append(events, parser_->finish(turn_ended));
  return events;
}

} // namespace anyclaude::backend
