#include "engine/recent_prompts.h"

#include <algorithm>
#include <span>
#include <utility>

namespace anyclaude::engine {

namespace {

constexpr std::size_t kMost = 64;
constexpr std::size_t kMostTokens = 1'000'000;

} // namespace

void RecentPrompts::add(Prompt prompt) {
  const auto goes_on = [&prompt](const Prompt& before) {
    if (before.tenant != prompt.tenant || before.conversation != prompt.conversation)
      return false;
    const auto common =
        std::ranges::mismatch(before.tokens, prompt.tokens).in1 - before.tokens.begin();
    return std::cmp_greater(common, std::max(prompt.stable, before.stable)) ||
           std::cmp_equal(common, before.tokens.size());
  };
  const auto replaced = std::ranges::find_if(prompts_, goes_on);
  if (replaced != prompts_.end()) {
    tokens_ -= replaced->tokens.size();
    prompts_.erase(replaced);
  }
  tokens_ += prompt.tokens.size();
  prompts_.push_back(std::move(prompt));
  while (prompts_.size() > kMost || (tokens_ > kMostTokens && prompts_.size() > 1)) {
    tokens_ -= prompts_.front().tokens.size();
    prompts_.pop_front();
  }
}

void RecentPrompts::show(kv::PrefixOutlineBuilder& outline) const {
  for (const Prompt& prompt : prompts_) {
    auto* const root = outline.root(prompt.tenant);
    outline.note(
        root, prompt.tokens,
        {.conversation = outline.conversation(prompt.conversation), .last_used = prompt.asked});
    outline.note(root, std::span(prompt.tokens).first(static_cast<std::size_t>(prompt.stable)),
                 {.is_stable = true});
  }
}

} // namespace anyclaude::engine
