#pragma once

#include "answer/writer.h"

#include <memory>
#include <string_view>

namespace anyclaude::answer {

/// Reads the whole of an answer in the way of one family.
class AnswerReader {
 public:
  virtual ~AnswerReader() = default;

  /// Takes one thing from the front of `text`; false when more text is needed for that. The rest
  /// has to be offered again. With `at_end` nothing follows.
  virtual bool advance(std::string_view& text, bool at_end, Writer& writer) = 0;

  /// Whether what comes now is thinking.
  virtual bool thinks() const = 0;
};

/// Thinking between tags, then text with calls in it: every family but harmony.
std::unique_ptr<AnswerReader> make_text_reader(const Format& format);
/// Messages in channels: gpt-oss.
std::unique_ptr<AnswerReader> make_harmony_reader(const Format& format);

} // namespace anyclaude::answer
