#include "text/stop_sequences.h"

#include <algorithm>
#include <utility>

namespace anyclaude::text {
namespace {

std::vector<std::size_t> failure_function(const std::string& sequence) {
  std::vector<std::size_t> fallback(sequence.size(), 0);
  std::size_t length = 0;
  for (std::size_t i = 1; i < sequence.size(); ++i) {
    while (length > 0 && sequence[i] != sequence[length]) {
      length = fallback[length - 1];
    }
    if (sequence[i] == sequence[length]) {
      ++length;
    }
    fallback[i] = length;
  }
  return fallback;
}

} // namespace

bool StopSequences::Matcher::advance(char c) {
  while (matched > 0 && sequence[matched] != c) {
    matched = fallback[matched - 1];
  }
  if (sequence[matched] == c) {
    ++matched;
  }
  return matched == sequence.size();
}

StopSequences::StopSequences(std::vector<std::string> sequences) {
  for (std::string& sequence : sequences) {
    if (!sequence.empty()) {
      std::vector<std::size_t> fallback = failure_function(sequence);
      matchers_.push_back({std::move(sequence), std::move(fallback), 0});
    }
  }
}

StopSequences::Result StopSequences::push(std::string_view text) {
  if (found_) {
    return {{}, found_};
  }
  if (matchers_.empty()) {
    return {std::string(text), std::nullopt};
  }
  std::string buffer = std::exchange(held_, {});
  const std::size_t old = buffer.size();
  buffer += text;
  for (std::size_t i = old; i < buffer.size(); ++i) {
    const Matcher* complete = nullptr;
    for (Matcher& matcher : matchers_) {
      if (matcher.advance(buffer[i]) &&
          (complete == nullptr || matcher.sequence.size() > complete->sequence.size())) {
        complete = &matcher;
      }
    }
    if (complete != nullptr) {
      found_ = complete->sequence;
      buffer.resize(i + 1 - complete->sequence.size());
      return {std::move(buffer), found_};
    }
  }
  std::size_t hold = 0;
  for (const Matcher& matcher : matchers_) {
    hold = std::max(hold, matcher.matched);
  }
  held_ = buffer.substr(buffer.size() - hold);
  buffer.resize(buffer.size() - hold);
  return {std::move(buffer), std::nullopt};
}

std::string StopSequences::finish() {
  for (Matcher& matcher : matchers_) {
    matcher.matched = 0;
  }
  return std::exchange(held_, {});
}

} // namespace anyclaude::text
