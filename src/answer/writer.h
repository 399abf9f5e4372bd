#pragma once

#include "answer/format.h"
#include "anthropic/events.h"

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace anyclaude::answer {

/// Puts the parts of an answer together as events. What it is told as a call's input must be pieces
/// of one JSON object. Not thread-safe.
class Writer {
 public:
  using Events = std::vector<anthropic::Event>;

  explicit Writer(const Format& format);

  /// White space around blocks belongs to the format, not to the answer.
  void text(std::string_view text);
  /// Text that goes on after a part of another kind, as a paragraph of its own.
  void paragraph();
  void think(std::string_view text);
  void end_thinking();

  /// Begins a call of this tool. Gives the tool, null for one that was not offered.
  const ToolSpec* begin_call(std::string_view name);
  /// Says what the model has said by now of the call's input, in the form that the family has for
  /// it: what follows can be held to that form.
  void input_begins(std::string_view said) { opened_ = Call{input_.tool, std::string(said)}; }
  void input(std::string_view piece);
  /// Ends the call. `cut`: the model stopped in the middle of a value, so that the input says less
  /// than was meant.
  void end_call(bool cut = false);

  /// Ends the answer. White space at its end belongs to the format when the model has ended its
  /// turn, and to the answer when it was cut off.
  void finish(bool turn_ended);

  Events take() { return std::exchange(events_, {}); }

  bool said_something() const { return said_; }
  bool called_tool() const { return called_tool_; }
  bool was_cut() const { return cut_; }
  bool in_call() const { return in_call_; }

  struct Call {
    const ToolSpec* tool; // null: not offered
    std::string input;    // said of it by now, as the model writes it
  };
  /// The call whose input has begun since this was asked last.
  std::optional<Call> take_opened() { return std::exchange(opened_, std::nullopt); }

  struct Input {
    const ToolSpec* tool;
    std::string json;
  };
  /// Input of the calls that have ended since this was asked last.
  std::vector<Input> take_inputs() { return std::exchange(inputs_, {}); }

  const std::shared_ptr<const ToolSet>& tools() const { return tools_; }

 private:
  std::shared_ptr<const ToolSet> tools_;
  bool show_thinking_;
  std::shared_ptr<const ThinkingSeal> seal_;
  Events events_;
  std::string space_;    // white space that is only said when more text follows
  std::string thinking_; // all of the block's, for the signature
  bool said_ = false;    // some text since the last block began
  bool called_tool_ = false;
  bool cut_ = false;
  bool in_call_ = false;
  std::optional<Call> opened_;
  Input input_{}; // of the call that is open
  std::vector<Input> inputs_;
};

} // namespace anyclaude::answer
