#pragma once

#include "answer/answer_parser.h"

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace anyclaude::backend {

/// Reads the text of an answer whose server may have left in it what it should have told apart:
/// thinking between tags at its beginning, and tool calls in the way of the model's family. The
/// family is told from what stands at a call's beginning; only ways that cannot be mistaken are
/// looked for. Not thread-safe.
class ContentReader {
 public:
  using Events = answer::AnswerParser::Events;

  explicit ContentReader(answer::Format format);

  Events push(std::string_view text);
  Events finish(bool turn_ended);

  bool called_tool() const { return parser_->called_tool(); }
  bool was_cut() const { return parser_->was_cut(); }

 private:
  struct Opening {
    std::size_t at;
    std::size_t size;                       // of the marker
    std::optional<answer::Dialect> dialect; // nothing: it is text
    bool unknown;                           // more text is needed
  };
  Opening find_opening(bool at_end) const;
  void look(bool at_end, Events& events);

  answer::Format format_;
  std::optional<answer::AnswerParser> parser_;
  std::string held_; // what may become a call
  bool decided_ = false;
};

} // namespace anyclaude::backend
