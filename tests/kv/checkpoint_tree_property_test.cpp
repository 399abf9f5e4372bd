// Any schedule of requests, checkpoints and evictions against a memory that notices a wrong cell or
// a wrong state at once.
#include "kv/checkpoint_tree.h"
#include "kv/state_model.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <algorithm>

namespace anyclaude::kv {
namespace {

struct Running {
  SequenceId sequence;
  std::string tenant;
  std::vector<Token> prompt;
  std::size_t done;
};

/// Prompts over a tiny alphabet in a few shapes, so that prefixes are shared and repeated all the
/// time.
std::vector<Token> any_prompt() {
  const auto stem = *rc::gen::inRange(0, 4);
  std::vector<Token> tokens(static_cast<std::size_t>(*rc::gen::inRange(0, 30)), stem);
  const auto tail = *rc::gen::resize(
      12, rc::gen::nonEmpty(rc::gen::container<std::vector<Token>>(rc::gen::inRange(0, 3))));
  tokens.insert(tokens.end(), tail.begin(), tail.end());
  return tokens;
}

/// Also goes on behind what another request has computed.
std::vector<Token> any_prompt(const std::vector<std::vector<Token>>& ended) {
  if (ended.empty() || *rc::gen::inRange(0, 2) == 0)
    return any_prompt();
  auto tokens = ended[*rc::gen::inRange<std::size_t>(0, ended.size())];
  if (tokens.size() > 60)
    tokens.resize(60);
  const auto more = any_prompt();
  tokens.insert(tokens.end(), more.begin(), more.end());
  return tokens;
}

RC_GTEST_PROP(CheckpointTreeProperty, AnyScheduleKeepsEverySequenceExact, ()) {
  StateModel memory;
  const std::size_t capacity = *rc::gen::inRange<std::size_t>(80, 500);
  const int sequences = *rc::gen::inRange(2, 8);
  const std::size_t budget = StateModel::kStateBytes * *rc::gen::inRange<std::size_t>(0, 12);
  CheckpointTree tree(memory, capacity, sequences, budget);
  std::vector<Running> running;
  std::vector<std::vector<Token>> ended;

  const int steps = *rc::gen::inRange(1, 100);
  for (int step = 0; step < steps; ++step) {
    const int action = *rc::gen::inRange(0, 12);
    if (action < 3) {
      const auto prompt = any_prompt(ended);
      const std::string tenant = *rc::gen::element("a", "b");
      const int limit = static_cast<int>(prompt.size()) - 1;
      const int before = tree.running();
      if (const auto lease = tree.begin(tenant, prompt, limit)) {
        RC_ASSERT(lease->reused <= limit);
        RC_ASSERT(lease->known >= lease->reused);
        RC_ASSERT(memory.holds(lease->sequence, std::span(prompt).first(lease->reused)));
        RC_ASSERT(tree.running() == before + 1);
        running.push_back(
            {lease->sequence, tenant, prompt, static_cast<std::size_t>(lease->reused)});
      } else {
        RC_ASSERT(before == sequences);
      }
    } else if (action < 7 && !running.empty()) {
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
    } else if (action < 10 && !running.empty()) {
      tree.checkpoint(running[*rc::gen::inRange<std::size_t>(0, running.size())].sequence);
    } else if (!running.empty()) {
      const auto index = *rc::gen::inRange<std::size_t>(0, running.size());
      const Running job = running[index];
      running.erase(running.begin() + static_cast<long>(index));
      if (*rc::gen::inRange(0, 4) == 0) { // a batch failed and left something behind
        if (memory.used() + 2 <= capacity)
          memory.compute(job.sequence, std::vector<Token>{77, 78});
        tree.drop(job.sequence);
      } else {
        tree.finish(job.sequence);
        ended.emplace_back(job.prompt.begin(), job.prompt.begin() + static_cast<long>(job.done));
      }
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
  RC_ASSERT(tree.checkpoints() == 0u);
}

/// With room enough, a request starts from the longest of: a checkpoint on its way, a sequence that
/// ended on its way and that nobody has taken over.
RC_GTEST_PROP(CheckpointTreeProperty, WithRoomEnoughEveryCheckpointIsFound, ()) {
  StateModel memory;
  CheckpointTree tree(memory, 100000, 200, 1U << 30);
  std::vector<std::vector<Token>> places; // prefixes that have a checkpoint
  std::vector<std::vector<Token>> ends;
  const int count = *rc::gen::inRange(1, 30);
  for (int i = 0; i < count; ++i) {
    const auto prompt = any_prompt(ends);
    const std::size_t limit = prompt.size() - 1;
    const auto longest = [&](const auto& prefixes) {
      std::size_t most = 0;
      for (const auto& prefix : prefixes)
        if (prefix.size() <= limit && std::ranges::starts_with(prompt, prefix))
          most = std::max(most, prefix.size());
      return most;
    };
    const std::size_t expected = std::max(longest(places), longest(ends));
    RC_ASSERT(tree.match("a", std::span(prompt).first(limit)) == static_cast<int>(expected));
    const auto lease = tree.begin("a", prompt, static_cast<int>(limit));
    RC_ASSERT(lease->reused == static_cast<int>(expected));
    const auto taken =
        std::vector(prompt.begin(), prompt.begin() + static_cast<long>(lease->reused));
    if (const auto end = std::ranges::find(ends, taken); end != ends.end())
      ends.erase(end);

    for (auto done = static_cast<std::size_t>(lease->reused); done < prompt.size();) {
      const std::size_t chunk = *rc::gen::inRange<std::size_t>(1, prompt.size() - done + 1);
      const auto tokens = std::span(prompt).subspan(done, chunk);
      memory.compute(lease->sequence, tokens);
      tree.extend(lease->sequence, tokens);
      done += chunk;
      if (*rc::gen::arbitrary<bool>()) {
        tree.checkpoint(lease->sequence);
        places.emplace_back(prompt.begin(), prompt.begin() + static_cast<long>(done));
      }
    }
    RC_ASSERT(memory.holds(lease->sequence, prompt));
    tree.finish(lease->sequence);
    tree.check();
    ends.push_back(prompt);
  }
}

} // namespace
} // namespace anyclaude::kv
