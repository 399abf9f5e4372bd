#include "kv/cell_model.h"
#include "kv/prefix_tree.h"
#include "kv/token_lists.h"

#include <gtest/gtest.h>

namespace anyclaude::kv {
namespace {

class PrefixTreeTest : public ::testing::Test {
 protected:
  CellModel memory;
  PrefixTree tree{memory, 1000, 8};

  /// Runs one request to its end; returns how many tokens it reused.
  int run(const std::vector<Token>& prompt, const std::string& tenant = "a") {
    const auto lease = tree.begin(tenant, prompt, static_cast<int>(prompt.size()) - 1);
    EXPECT_TRUE(lease);
    const auto rest = std::span(prompt).subspan(static_cast<std::size_t>(lease->reused));
    EXPECT_TRUE(tree.reserve(rest.size()));
    memory.compute(lease->sequence, rest);
    tree.extend(lease->sequence, rest);
    EXPECT_TRUE(memory.holds(lease->sequence, prompt));
    tree.finish(lease->sequence);
    tree.check();
    EXPECT_EQ(tree.used(), memory.used());
    return lease->reused;
  }
};

TEST_F(PrefixTreeTest, SecondQuestionReusesTheSharedPrefix) {
  const auto system = range(0, 100);
  EXPECT_EQ(run(system + range(500, 10)), 0);
  EXPECT_EQ(run(system + range(600, 10)), 100);
  EXPECT_EQ(run(system + range(500, 10) + range(700, 5)), 110);
  EXPECT_EQ(tree.used(), 125u);
}

/// Titles and the like: many, small, each unlike the others, and never gone on from.
TEST_F(PrefixTreeTest, ABurstOfSmallCallsPushesNoConversationOut) {
  const auto conversation = range(0, 400);
  const auto small = range(5000, 30);
  run(conversation);
  run(small);
  run(small + range(6000, 5)); // gone on from: a conversation too
  for (int i = 0; i < 100; ++i)
    run(range(10'000 + 100 * i, 60));
  EXPECT_GT(tree.evicted(), 5000U);
  EXPECT_EQ(run(conversation + range(7000, 20)), 400);
  EXPECT_EQ(run(small + range(6000, 10)), 35);
}

TEST_F(PrefixTreeTest, LargePromptsMakeRoomForEachOther) {
  run(range(0, 400));
  run(range(1000, 400));
  run(range(2000, 400)); // the first one is the oldest
  EXPECT_EQ(run(range(1000, 400)), 399);
  EXPECT_LT(run(range(0, 400)), 399);
}

TEST_F(PrefixTreeTest, TheLastTokenIsAlwaysComputed) {
  const auto prompt = range(0, 50);
  run(prompt);
  EXPECT_EQ(run(prompt), 49);
  EXPECT_EQ(tree.used(), 50u) << "the repeated last token must not take a second cell";
}

TEST_F(PrefixTreeTest, TenantsShareNothing) {
  const auto prompt = range(0, 50);
  run(prompt, "a");
  EXPECT_EQ(run(prompt, "b"), 0);
  EXPECT_EQ(tree.match("a", prompt), 50);
  EXPECT_EQ(tree.match("c", prompt), 0);
}

TEST_F(PrefixTreeTest, ARequestForksFromOneThatIsStillComputing) {
  const auto prompt = range(0, 60);
  const auto first = tree.begin("a", prompt, 59);
  memory.compute(first->sequence, std::span(prompt).first(40));
  tree.extend(first->sequence, std::span(prompt).first(40));

  const auto second = tree.begin("a", prompt, 59);
  EXPECT_EQ(second->reused, 40);
  for (const auto& lease : {*first, *second}) {
    memory.compute(lease.sequence, std::span(prompt).last(20));
    tree.extend(lease.sequence, std::span(prompt).last(20));
    tree.check();
    EXPECT_TRUE(memory.holds(lease.sequence, prompt));
  }
  EXPECT_EQ(memory.used(), 60u) << "what both computed must be kept once";
  tree.finish(first->sequence);
  tree.finish(second->sequence);
  tree.check();
  EXPECT_EQ(memory.used(), 60u);
}

TEST_F(PrefixTreeTest, EvictsTheLeastRecentlyUsedFromItsEnd) {
  const auto old = range(0, 400);
  const auto recent = range(1000, 400);
  run(old);
  run(recent);
  ASSERT_TRUE(tree.reserve(300));
  EXPECT_EQ(tree.match("a", old), 300);
  EXPECT_EQ(tree.match("a", recent), 400);
  tree.check();
  ASSERT_TRUE(tree.reserve(700));
  EXPECT_EQ(tree.match("a", old), 0);
  EXPECT_EQ(tree.match("a", recent), 300);
  tree.check();
  EXPECT_EQ(tree.used(), memory.used());
}

TEST_F(PrefixTreeTest, UsingAPrefixKeepsIt) {
  run(range(0, 400));
  run(range(1000, 400));
  EXPECT_EQ(run(range(0, 400) + range(3000, 10)), 400);
  ASSERT_TRUE(tree.reserve(500));
  EXPECT_EQ(tree.match("a", range(0, 400)), 400);
  EXPECT_EQ(tree.match("a", range(1000, 400)), 90);
}

TEST_F(PrefixTreeTest, RunningRequestsAreNeverEvicted) {
  const auto prompt = range(0, 900);
  const auto lease = tree.begin("a", prompt, 899);
  memory.compute(lease->sequence, prompt);
  tree.extend(lease->sequence, prompt);
  EXPECT_EQ(tree.held(), 900u);
  EXPECT_FALSE(tree.reserve(101));
  EXPECT_TRUE(memory.holds(lease->sequence, prompt));
  tree.finish(lease->sequence);
  EXPECT_EQ(tree.held(), 0u);
  EXPECT_TRUE(tree.reserve(101));
}

TEST_F(PrefixTreeTest, SequencesAreTakenFromTheOldestLeaf) {
  for (int i = 0; i < 8; ++i)
    run(range(i * 100, 20));
  EXPECT_EQ(run(range(5000, 20)), 0);
  EXPECT_EQ(tree.match("a", range(0, 20)), 0) << "the oldest gave up its sequence";
  EXPECT_EQ(tree.match("a", range(100, 20)), 20);
}

TEST_F(PrefixTreeTest, NoSequenceIsLeftWhenAllRun) {
  for (int i = 0; i < 8; ++i)
    EXPECT_TRUE(tree.begin("a", range(i * 100, 20), 19));
  EXPECT_FALSE(tree.begin("a", range(5000, 20), 19));
}

TEST_F(PrefixTreeTest, APrefixThatEndedMeanwhileIsNotHeldTwice) {
  const auto prompt = range(0, 40);
  const auto lease = tree.begin("a", prompt, 39);
  EXPECT_EQ(run(range(0, 20)), 0); // an idle leaf on the way
  memory.compute(lease->sequence, prompt);
  tree.extend(lease->sequence, prompt);
  tree.check();
  EXPECT_TRUE(memory.holds(lease->sequence, prompt));
  tree.clear_idle();
  tree.check();
  EXPECT_TRUE(memory.holds(lease->sequence, prompt));
  EXPECT_EQ(memory.used(), 40u);
}

TEST_F(PrefixTreeTest, ClearForgetsEveryIdlePrefix) {
  run(range(0, 100));
  run(range(0, 100) + range(200, 10), "b");
  tree.clear_idle();
  tree.check();
  EXPECT_EQ(memory.used(), 0u);
}

} // namespace
} // namespace anyclaude::kv
