#pragma once

#include "answer/answer_reader.h"
#include "answer/format.h"
#include "answer/writer.h"

#include <memory>
#include <string>
#include <string_view>

namespace anyclaude::answer {

/// Reads a model's answer as it streams and tells its parts from each other: thinking, text, and
/// tool calls in the way of the model's family. The input of a call streams as it comes. Whatever
/// the model writes, every call's input is one JSON object, and what is no call is text: nothing
/// that the model said is lost. Repairs are those that can be meant in one way only (LenientJson,
/// TaggedArguments). Not thread-safe.
class AnswerParser {
 public:
  using Events = Writer::Events;

  explicit AnswerParser(const Format& format);

  /// Events for what is certain by now. The text is UTF-8 in pieces of whole characters.
  Events push(std::string_view text);

  /// Ends the answer: what was held back. White space at its end belongs to the format when the
  /// model has ended its turn, and to the answer when it was cut off.
  Events finish(bool turn_ended);

  /// Whether a tool call was recognised.
  bool called_tool() const { return writer_.called_tool(); }
  /// Whether a call ended in the middle of a value: it is complete JSON, and says less than was
  /// meant.
  bool was_cut() const { return writer_.was_cut(); }

  bool thinks() const { return reader_->thinks(); }
  /// The call that has begun since this was asked last.
  std::optional<Writer::Call> take_opened() { return writer_.take_opened(); }
  /// Input of the calls that have ended since this was asked last.
  std::vector<Writer::Input> take_inputs() { return writer_.take_inputs(); }
  /// What was not certain yet.
  std::string_view pending() const { return buffer_; }

 private:
  void advance(bool at_end);

  Writer writer_;
  std::unique_ptr<AnswerReader> reader_;
  std::string buffer_; // not yet certain
};

} // namespace anyclaude::answer
