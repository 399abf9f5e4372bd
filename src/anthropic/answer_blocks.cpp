#include "anthropic/answer_blocks.h"

#include "anthropic/json_reader.h"

#include <utility>

namespace anyclaude::anthropic {
namespace {

/// The last block, if it is of this kind.
template <class Block>
Block* open_block(std::vector<ContentBlock>& blocks) {
  return blocks.empty() ? nullptr : std::get_if<Block>(&blocks.back());
}

} // namespace

void AnswerBlocks::add(const Event& event) {
  if (const auto* text = std::get_if<TextDelta>(&event)) {
    if (auto* open = open_block<TextBlock>(blocks_)) {
      open->text += text->text;
      return;
    }
    close_input();
    blocks_.emplace_back(TextBlock{text->text});
  } else if (const auto* thinking = std::get_if<ThinkingDelta>(&event)) {
    auto* open = open_block<ThinkingBlock>(blocks_);
    if (open != nullptr && open->signature.empty()) {
      open->thinking += thinking->thinking;
      return;
    }
    close_input();
    blocks_.emplace_back(ThinkingBlock{thinking->thinking, {}});
  } else if (const auto* signature = std::get_if<ThinkingSignature>(&event)) {
    if (auto* open = open_block<ThinkingBlock>(blocks_))
      open->signature = signature->signature;
  } else if (const auto* call = std::get_if<ToolUseStart>(&event)) {
    close_input();
    blocks_.emplace_back(ToolUseBlock{call->id, call->name, Json::object()});
  } else if (const auto* input = std::get_if<ToolInputDelta>(&event)) {
    input_ += input->partial_json;
  }
}

void AnswerBlocks::close_input() {
  const std::string text = std::exchange(input_, {});
  auto* call = blocks_.empty() ? nullptr : std::get_if<ToolUseBlock>(&blocks_.back());
  if (call == nullptr || text.empty())
    return;
  if (auto input = read_json(text); input && input->is_object())
    call->input = *std::move(input);
}

std::vector<ContentBlock> AnswerBlocks::take() {
  close_input();
  return std::exchange(blocks_, {});
}

} // namespace anyclaude::anthropic
