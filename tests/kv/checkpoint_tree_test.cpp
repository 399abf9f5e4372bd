#include "kv/checkpoint_tree.h"
#include "kv/state_model.h"
#include "kv/token_lists.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <utility>

namespace anyclaude::kv {
namespace {

/// A memory that refuses what it is told to.
class Refusing : public StateModel {
 public:
  bool restore(SequenceId sequence, std::span<const std::byte> state, int length) override {
    ++restores;
    return !refuses && StateModel::restore(sequence, state, length);
  }
  bool refuses = false;
  int restores = 0;
};

class CheckpointTreeTest : public testing::Test {
 protected:
  explicit CheckpointTreeTest(std::size_t capacity = 1000, int sequences = 6,
                              std::size_t checkpoints = 100)
      : tree(memory, capacity, sequences, checkpoints * StateModel::kStateBytes) {}

  /// Computes a prompt with checkpoints behind some of its tokens; what it started from.
  int run(const std::vector<Token>& prompt, const std::vector<int>& checkpoints = {}) {
    const auto lease = start(prompt);
    for (int done = lease.reused; std::cmp_less(done, prompt.size());) {
      int next = static_cast<int>(prompt.size());
      for (const int place : checkpoints)
        if (place > done)
          next = std::min(next, place);
      compute(lease.sequence, prompt, done, next);
      done = next;
      if (std::ranges::find(checkpoints, done) != checkpoints.end())
        tree.checkpoint(lease.sequence);
      tree.check();
    }
    EXPECT_TRUE(memory.holds(lease.sequence, prompt));
    tree.finish(lease.sequence);
    tree.check();
    return lease.reused;
  }
  PrefixCache::Lease start(const std::vector<Token>& prompt) {
    const auto lease = tree.begin("a", prompt, static_cast<int>(prompt.size()) - 1);
    EXPECT_TRUE(lease);
    EXPECT_TRUE(memory.holds(lease->sequence, std::span(prompt).first(lease->reused)));
    return *lease;
  }
  void compute(SequenceId sequence, const std::vector<Token>& prompt, int begin, int end) {
    const auto tokens = std::span(prompt).subspan(begin, end - begin);
    ASSERT_TRUE(tree.reserve(tokens.size()));
    memory.compute(sequence, tokens);
    tree.extend(sequence, tokens);
  }

  Refusing memory;
  CheckpointTree tree;
};

TEST_F(CheckpointTreeTest, StartsFromCheckpointsOnly) {
  const auto system = range(1000, 100);
  EXPECT_EQ(run(system + range(2000, 20), {100}), 0);
  EXPECT_EQ(run(system + range(3000, 20)), 100);
  EXPECT_EQ(run(range(1000, 70) + range(4000, 20)), 0); // in the middle there is no state
  EXPECT_EQ(tree.checkpoints(), 1U);
}

TEST_F(CheckpointTreeTest, TheNextQuestionTakesTheSequenceOver) {
  const auto first = range(1000, 50);
  EXPECT_EQ(run(first), 0);
  EXPECT_EQ(run(first + range(2000, 10)), 50);
  EXPECT_EQ(memory.restores, 0);
  EXPECT_EQ(memory.used(), 60U);
  // The sequence has moved on, and nothing else ends behind the first 50.
  EXPECT_EQ(run(first + range(3000, 10)), 0);
}

TEST_F(CheckpointTreeTest, ASequenceThatEndsAtACheckpointIsTakenOverAllTheSame) {
  const auto first = range(1000, 50);
  EXPECT_EQ(run(first, {50}), 0);
  EXPECT_EQ(run(first + range(2000, 10)), 50);
  EXPECT_EQ(memory.restores, 0);
  EXPECT_EQ(run(first + range(3000, 10)), 50);
  EXPECT_EQ(memory.restores, 1);
}

TEST_F(CheckpointTreeTest, TakesTheDeepestOfSiblingsWithEqualTokens) {
  const auto system = range(1000, 60);
  const auto one = start(system + range(2000, 10)); // side by side, so both compute it
  const auto two = start(system + range(3000, 10));
  compute(one.sequence, system, 0, 60);
  tree.checkpoint(one.sequence);
  compute(two.sequence, system + range(3000, 10), 0, 65);
  tree.checkpoint(two.sequence);
  EXPECT_EQ(tree.match("a", system + range(2000, 10)), 60);
  EXPECT_EQ(tree.match("a", system + range(3000, 10)), 65);
  tree.check();
}

TEST_F(CheckpointTreeTest, SaysHowMuchWasComputedBefore) {
  EXPECT_EQ(run(range(1000, 100) + range(2000, 20), {40}), 0);
  const auto lease = start(range(1000, 90) + range(3000, 20));
  EXPECT_EQ(lease.reused, 40);
  EXPECT_EQ(lease.known, 90);
}

TEST_F(CheckpointTreeTest, AnotherTenantFindsNothing) {
  EXPECT_EQ(run(range(1000, 50), {30}), 0);
  EXPECT_EQ(tree.match("b", range(1000, 50)), 0);
}

TEST_F(CheckpointTreeTest, ACheckpointOutlivesTheTailBehindIt) {
  const auto system = range(1000, 400);
  EXPECT_EQ(run(system + range(2000, 300), {400}), 0);
  EXPECT_TRUE(tree.reserve(500)); // the tail goes, and the cells of the system prompt move
  tree.check();
  EXPECT_EQ(memory.used(), 400U);
  EXPECT_EQ(run(system + range(3000, 20)), 400);
  EXPECT_TRUE(tree.reserve(1000));
  EXPECT_EQ(memory.used(), 0U);
  EXPECT_EQ(tree.checkpoint_bytes(), 0U);
}

TEST_F(CheckpointTreeTest, ARefusedStateIsForgotten) {
  EXPECT_EQ(run(range(1000, 100), {40, 80}), 0);
  memory.refuses = true;
  EXPECT_EQ(run(range(1000, 90) + range(2000, 5)), 0);
  EXPECT_EQ(memory.restores, 2);
  EXPECT_EQ(tree.checkpoints(), 0U);
  memory.refuses = false;
  EXPECT_EQ(run(range(1000, 100) + range(3000, 5)), 100); // as it is
}

TEST_F(CheckpointTreeTest, ADroppedRequestLeavesItsCheckpoints) {
  const auto prompt = range(1000, 100);
  const auto lease = start(prompt);
  compute(lease.sequence, prompt, 0, 40);
  tree.checkpoint(lease.sequence);
  compute(lease.sequence, prompt, 40, 60);
  memory.compute(lease.sequence, range(9000, 7)); // of a batch that failed
  tree.drop(lease.sequence);
  tree.check();
  EXPECT_EQ(memory.used(), 40U);
  EXPECT_EQ(run(prompt), 40);
}

class SmallBudgetTest : public CheckpointTreeTest {
 protected:
  SmallBudgetTest() : CheckpointTreeTest(1000, 6, 3) {}
};

TEST_F(SmallBudgetTest, KeepsWhatBeginsAConversationAndItsLatestPlaces) {
  EXPECT_EQ(run(range(1000, 100), {20, 40, 60, 80}), 0);
  EXPECT_EQ(tree.checkpoints(), 3U);
  for (const auto& [same, expected] : {std::pair{90, 80}, {70, 60}, {50, 20}})
    EXPECT_EQ(tree.match("a", range(1000, same)), expected);
}

TEST_F(SmallBudgetTest, TheConversationUsedLastKeepsItsOwn) {
  EXPECT_EQ(run(range(1000, 50), {20, 40}), 0);
  EXPECT_EQ(run(range(2000, 50), {20, 40}), 0);
  EXPECT_EQ(tree.match("a", range(1000, 45)), 20);
  EXPECT_EQ(tree.match("a", range(2000, 45)), 40);
}

class FewSequencesTest : public CheckpointTreeTest {
 protected:
  FewSequencesTest() : CheckpointTreeTest(1000, 2) {}
};

TEST_F(FewSequencesTest, ACheckpointIsUsedOnTheOnlySequenceThatHoldsIt) {
  const auto system = range(1000, 50);
  EXPECT_EQ(run(system + range(2000, 10), {50}), 0);
  EXPECT_EQ(run(system + range(3000, 10)), 50);
  const auto one = start(system + range(4000, 10));
  const auto two = start(system + range(5000, 10));
  EXPECT_EQ(one.reused, 50);
  EXPECT_EQ(two.reused, 50);
  EXPECT_FALSE(tree.begin("a", system + range(6000, 10), 59));
}

} // namespace
} // namespace anyclaude::kv
