#pragma once

#include "anthropic/events.h"

#include <string>
#include <string_view>
#include <vector>

namespace anyclaude::prompt {

struct AnswerFormat {
  bool tools = false;          // the request offers tools, so calls are looked for
  bool opens_thinking = false; // the prompt ended with an opened think block
};

/// Reads a model's answer as it streams and tells its parts from each other: thinking between
/// <think> and </think>, tool calls as JSON between <tool_call> and </tool_call> (the form of Qwen
/// and Hermes models), and text. A call that is not valid JSON is given back as text: nothing that
/// the model said is lost. Not thread-safe.
class AnswerParser {
 public:
  using Events = std::vector<anthropic::Event>;

  explicit AnswerParser(AnswerFormat format);

  /// Events for what is certain by now.
  Events push(std::string_view text);

  /// Ends the answer: what was held back. White space at its end belongs to the format when the
  /// model has ended its turn, and to the answer when it was cut off.
  Events finish(bool turn_ended);

  /// Whether a tool call was recognised.
  bool called_tool() const { return called_tool_; }

 private:
  enum class State { start, thinking, text, tool_call };

  bool advance(Events& events, bool at_end);
  void say(std::string_view text, Events& events);
  void think(std::string_view text, Events& events);
  void close_thinking(Events& events);
  bool call(std::string_view body, Events& events);

  AnswerFormat format_;
  State state_;
  std::string buffer_;   // not yet certain
  std::string space_;    // white space that is only said when more text follows
  std::string thinking_; // all of it, for the signature
  bool said_ = false;    // some text since the last block began
  bool called_tool_ = false;
};

} // namespace anyclaude::prompt
