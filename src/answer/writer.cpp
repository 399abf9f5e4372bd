#include "answer/writer.h"

#include "answer/identifier.h"
#include "answer/thinking_seal.h"

#include <algorithm>
#include <utility>

namespace anyclaude::answer {

namespace {

constexpr std::string_view kSpace = " \t\r\n";

/// Bytes up to the end of the last character that is not white space.
std::size_t solid_length(std::string_view text) {
  const auto last = text.find_last_not_of(kSpace);
  return last == std::string_view::npos ? 0 : last + 1;
}

} // namespace

Writer::Writer(const Format& format)
    : tools_(format.tools ? format.tools : std::make_shared<const ToolSet>()),
      show_thinking_(format.show_thinking), seal_(format.seal) {}

void Writer::text(std::string_view text) {
  if (!said_)
    text.remove_prefix(std::min(text.find_first_not_of(kSpace), text.size()));
  const auto solid = solid_length(text);
  if (solid > 0) {
    std::string piece = std::exchange(space_, {});
    piece += text.substr(0, solid);
    if (auto* last = events_.empty() ? nullptr : std::get_if<anthropic::TextDelta>(&events_.back()))
      last->text += piece;
    else
      events_.push_back(anthropic::TextDelta{std::move(piece)});
    said_ = true;
  }
  if (said_)
    space_ += text.substr(solid);
}

void Writer::paragraph() {
  if (said_)
    space_ = "\n\n";
}

void Writer::think(std::string_view text) {
  if (thinking_.empty())
    text.remove_prefix(std::min(text.find_first_not_of(kSpace), text.size()));
  const auto solid = solid_length(text);
  if (solid > 0) {
    std::string piece = std::exchange(space_, {});
    piece += text.substr(0, solid);
    thinking_ += piece;
    if (show_thinking_)
      events_.push_back(anthropic::ThinkingDelta{std::move(piece)});
  }
  if (!thinking_.empty())
    space_ += text.substr(solid);
}

void Writer::end_thinking() {
  space_.clear();
  said_ = false;
  if (!thinking_.empty() && show_thinking_)
    events_.push_back(anthropic::ThinkingSignature{seal_ ? seal_->sign(thinking_) : ""});
  thinking_.clear();
}

const ToolSpec* Writer::begin_call(std::string_view name) {
  space_.clear();
  said_ = false;
  called_tool_ = true;
  in_call_ = true;
  const ToolSpec* tool = tools_->find(name);
  input_ = {tool, {}};
  events_.push_back(
      anthropic::ToolUseStart{new_tool_use_id(), tool ? tool->name : std::string(name)});
  return tool;
}

void Writer::input(std::string_view piece) {
  if (piece.empty())
    return;
  input_.json += piece;
  if (auto* last =
          events_.empty() ? nullptr : std::get_if<anthropic::ToolInputDelta>(&events_.back()))
    last->partial_json += piece;
  else
    events_.push_back(anthropic::ToolInputDelta{std::string(piece)});
}

void Writer::end_call(bool cut) {
  if (input_.json.empty())
    input("{}");
  in_call_ = false;
  cut_ = cut_ || cut;
  inputs_.push_back(std::exchange(input_, {}));
}

void Writer::finish(bool turn_ended) {
  if (!thinking_.empty())
    end_thinking();
  else if (!turn_ended && said_ && !space_.empty())
    events_.push_back(anthropic::TextDelta{std::exchange(space_, {})});
}

} // namespace anyclaude::answer
