#include "kv/cell_model.h"
#include "kv/prefix_tree.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <algorithm>

namespace anyclaude::kv {
namespace {

struct Running {
  SequenceId sequence;
  std::vector<Token> prompt;
  std::size_t done;
};

/// Prompts over a tiny alphabet in a few shapes, so that prefixes are shared, split and repeated
/// all the time.
std::vector<Token> any_prompt() {
  const auto stem = *rc::gen::inRange(0, 4);
  std::vector<Token> tokens(static_cast<std::size_t>(*rc::gen::inRange(0, 30)), stem);
  const auto tail = *rc::gen::resize(
      12, rc::gen::nonEmpty(rc::gen::container<std::vector<Token>>(rc::gen::inRange(0, 3))));
  tokens.insert(tokens.end(), tail.begin(), tail.end());
  return tokens;
}

RC_GTEST_PROP(PrefixTreeProperty, AnyScheduleKeepsEverySequenceExact, ()) {
  CellModel memory;
  const std::size_t capacity = *rc::gen::inRange<std::size_t>(60, 300);
  PrefixTree tree(memory, capacity, *rc::gen::inRange(2, 7));
  std::vector<Running> running;

  const int steps = *rc::gen::inRange(1, 80);
  for (int step = 0; step < steps; ++step) {
    const int action = *rc::gen::inRange(0, 10);
    if (action < 3) {
      const auto prompt = any_prompt();
      const std::string tenant = *rc::gen::element("a", "b");
      const int expected =
          std::min(tree.match(tenant, prompt), static_cast<int>(prompt.size()) - 1);
      const int before = tree.running();
      if (const auto lease = tree.begin(tenant, prompt, static_cast<int>(prompt.size()) - 1)) {
        RC_ASSERT(lease->reused <= expected); // giving up a leaf for its sequence may shorten it
        RC_ASSERT(memory.holds(lease->sequence, std::span(prompt).first(lease->reused)));
        RC_ASSERT(tree.running() == before + 1);
        running.push_back({lease->sequence, prompt, static_cast<std::size_t>(lease->reused)});
      }
    } else if (action < 8 && !running.empty()) {
      auto& job = running[*rc::gen::inRange<std::size_t>(0, running.size())];
      const auto rest = std::span<const Token>(job.prompt).subspan(job.done);
      const auto chunk = rest.first(*rc::gen::inRange<std::size_t>(0, rest.size() + 1));
      if (tree.reserve(chunk.size())) {
        memory.compute(job.sequence, chunk);
        tree.extend(job.sequence, chunk);
        job.done += chunk.size();
      } else {
        RC_ASSERT(tree.held() + chunk.size() > capacity);
      }
    } else if (!running.empty()) {
      const auto index = *rc::gen::inRange<std::size_t>(0, running.size());
      tree.finish(running[index].sequence);
      running.erase(running.begin() + static_cast<long>(index));
    }
    tree.check();
    RC_ASSERT(tree.used() == memory.used());
    RC_ASSERT(tree.used() <= capacity);
    for (const auto& job : running)
      RC_ASSERT(memory.holds(job.sequence, std::span<const Token>(job.prompt).first(job.done)));
  }

  for (const auto& job : running)
    tree.finish(job.sequence);
  tree.clear_idle();
  tree.check();
  RC_ASSERT(memory.used() == 0u);
}

RC_GTEST_PROP(PrefixTreeProperty, WithRoomEnoughEveryComputedPrefixIsFound, ()) {
  CellModel memory;
  PrefixTree tree(memory, 100000, 200);
  std::vector<std::vector<Token>> seen;
  const int count = *rc::gen::inRange(1, 40);
  for (int i = 0; i < count; ++i) {
    const auto prompt = any_prompt();
    std::size_t longest = 0; // what a list of all earlier prompts would find
    for (const auto& other : seen) {
      const auto stop = std::ranges::mismatch(other, prompt).in2;
      longest = std::max(longest, static_cast<std::size_t>(stop - prompt.begin()));
    }
    RC_ASSERT(tree.match("a", prompt) == static_cast<int>(longest));
    const auto lease = tree.begin("a", prompt, static_cast<int>(prompt.size()) - 1);
    const auto rest = std::span(prompt).subspan(static_cast<std::size_t>(lease->reused));
    memory.compute(lease->sequence, rest);
    tree.extend(lease->sequence, rest);
    tree.finish(lease->sequence);
    tree.check();
    seen.push_back(prompt);
  }
}

} // namespace
} // namespace anyclaude::kv
