// What people see of the prefixes, over a decoder of plain arrays.
#include "engine/simulation.h"
#include "kv/block_store.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

namespace anyclaude::engine {
namespace {

using kv::PrefixOutline;
using kv::Tier;
using testing::ElementsAre;
using testing::SizeIs;

Job asked(Job job, std::string conversation, int stable) {
  job.conversation = std::move(conversation);
  job.stable_tokens = stable;
  return job;
}

SchedulerOptions small_pool() {
  SchedulerOptions options;
  options.context_tokens = 600;
  options.batch_tokens = 64;
  options.max_running = 4;
  options.sequences = 8;
  return options;
}

int tokens_in(Tier tier, const PrefixOutline& outline) {
  int tokens = 0;
  for (const auto& stretch : outline.stretches)
    for (const auto& part : stretch.parts)
      tokens += part.tier == tier ? part.tokens : 0;
  return tokens;
}

TEST(SchedulerOutline, TellsWhoSharesTheStablePrefix) {
  Simulation simulation(small_pool());
  simulation.run(asked(job_of(words(1, 100) + words(2, 20)), "one", 100));
  simulation.run(asked(job_of(words(1, 100) + words(3, 30)), "two/sub", 100));
  simulation.run(asked(job_of(words(9, 10)), "one", 0)); // its title
  const PrefixOutline outline = simulation.scheduler.outline(100);
  ASSERT_THAT(outline.stretches, SizeIs(4));
  EXPECT_THAT(outline.conversations, ElementsAre("one", "two/sub"));
  const auto& shared = outline.stretches[0];
  EXPECT_TRUE(shared.is_stable);
  EXPECT_EQ(shared.tokens, 100);
  EXPECT_EQ(shared.prefixes, 2);
  EXPECT_THAT(shared.conversations, ElementsAre(0, 1));
  EXPECT_GT(shared.last_used, 0);
  EXPECT_FALSE(outline.stretches[1].is_stable);
  EXPECT_THAT(outline.stretches[1].conversations, ElementsAre(1));
  EXPECT_EQ(outline.stretches[1].tokens, 30 + 7) << "with the answer but for its last token";
}

TEST(SchedulerOutline, AConversationIsWhereItAskedLast) {
  Simulation simulation(small_pool());
  const auto first = words(1, 100) + words(2, 20);
  simulation.run(asked(job_of(first), "one", 100));
  const auto said = first + bytes(expected_text(first, 8));
  simulation.run(asked(job_of(said + words(4, 20)), "one", 100));
  const PrefixOutline outline = simulation.scheduler.outline(100);
  ASSERT_THAT(outline.stretches, SizeIs(2)) << "the stable part, and one path behind it";
  EXPECT_THAT(outline.stretches[1].conversations, ElementsAre(0));
  EXPECT_EQ(outline.stretches[1].tokens, 20 + 8 + 20 + 7);
}

TEST(SchedulerOutline, ShowsWhatIsStillToBeComputed) {
  Simulation simulation(small_pool());
  simulation.add(asked(job_of(words(1, 200)), "one", 0));
  simulation.step();
  const PrefixOutline outline = simulation.scheduler.outline(100);
  ASSERT_THAT(outline.stretches, SizeIs(1));
  EXPECT_EQ(outline.stretches[0].requests, 1);
  EXPECT_THAT(outline.stretches[0].parts, ElementsAre(PrefixOutline::Part{64, Tier::pool},
                                                      PrefixOutline::Part{136, Tier::none}));
  simulation.run();
}

TEST(SchedulerOutline, WhatHasLeftThePoolIsInTheStore) {
  kv::BlockStore store(
      {.block_tokens = 16, .memory_bytes = 1U << 20, .salt = {}, .fingerprint = {}});
  auto options = small_pool();
  options.store = &store;
  Simulation simulation(options);
  simulation.run(asked(job_of(words(1, 400)), "one", 0));
  simulation.idle();
  simulation.run(asked(job_of(words(2, 500)), "two", 0)); // takes most of the room
  simulation.idle();
  EXPECT_GE(tokens_in(Tier::memory, simulation.scheduler.outline(100)), 300);
}

TEST(SchedulerOutline, ModelsThatGoOnFromCheckpointsAsWell) {
  auto options = small_pool();
  options.checkpoints = true;
  Simulation simulation(options);
  simulation.run(asked(job_of(words(1, 100) + words(2, 20)), "one", 100));
  const PrefixOutline outline = simulation.scheduler.outline(100);
  EXPECT_EQ(tokens_in(Tier::pool, outline), 127);
  EXPECT_THAT(outline.stretches.front().conversations, ElementsAre(0));
}

TEST(SchedulerOutline, NothingIsRememberedOfConversationsWhereNothingIsShared) {
  auto options = small_pool();
  options.reuse = false;
  Simulation simulation(options);
  simulation.run(asked(job_of(words(1, 100)), "one", 0));
  EXPECT_THAT(simulation.scheduler.outline(100).stretches, SizeIs(0));
}

TEST(RecentPrompts, AreBounded) {
  RecentPrompts prompts;
  kv::PrefixOutlineBuilder builder;
  const auto tokens = words(1, 300'000);
  builder.add(builder.root("a"), tokens, {.tier = Tier::pool});
  for (int i = 0; i < 200; ++i)
    prompts.add({"a", std::to_string(i), {tokens.begin(), tokens.begin() + 50}, 0, 1});
  prompts.show(builder);
  EXPECT_THAT(builder.finish(100).conversations, SizeIs(64));
  for (int i = 0; i < 10; ++i)
    prompts.add({"a", "long " + std::to_string(i), tokens, 0, 1});
  kv::PrefixOutlineBuilder again;
  prompts.show(again);
  EXPECT_THAT(again.finish(100).conversations, SizeIs(3)) << "a million tokens of them";
}

} // namespace
} // namespace anyclaude::engine
