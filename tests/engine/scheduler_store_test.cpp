// Prefixes that leave the pool for a block store and come back: over a decoder of plain arrays
// whose cells know what they depend on, so that a wrong block, one at a wrong place or a stale cell
// ends a test.
#include "demo/gguf_file.h"
#include "engine/any_prompts.h"
#include "kv/block_store.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <algorithm>
#include <map>
#include <memory>

namespace anyclaude::engine {
namespace {

kv::BlockStoreOptions store_of(std::size_t bytes = 1U << 20) {
  return {.block_tokens = kSmallBlock, .memory_bytes = bytes, .salt = {}, .fingerprint = {}};
}

SchedulerOptions options_with(kv::BlockStore& store, int cells = 600) {
  SchedulerOptions options;
  options.context_tokens = cells;
  options.batch_tokens = 64;
  options.max_running = 4;
  options.sequences = 8;
  options.store = &store;
  return options;
}

class SchedulerStoreTest : public testing::Test {
 protected:
  /// Asks for a prompt and idles behind it; its tokens with the answer.
  std::vector<Token> ask(Simulation& simulation, const std::vector<Token>& prompt,
                         int max_tokens = 4) {
    EXPECT_EQ(simulation.run(job_of(prompt, max_tokens)).text(), expected_text(prompt, max_tokens));
    simulation.idle();
    return prompt + bytes(expected_text(prompt, max_tokens));
  }

  kv::BlockStore store{store_of()};
};

TEST_F(SchedulerStoreTest, WhatWasComputedIsCopiedWhileIdle) {
  Simulation simulation(options_with(store));
  ask(simulation, words(1, 100));
  EXPECT_EQ(simulation.decoder.exported, 7); // 103 computed tokens: 6 whole blocks and an end
  EXPECT_EQ(store.find("anna", words(1, 100)).back().end, 100);
  simulation.idle();
  EXPECT_EQ(simulation.decoder.exported, 7); // once
  ask(simulation, words(1, 100));
  EXPECT_EQ(simulation.decoder.exported, 7);
}

TEST_F(SchedulerStoreTest, AnEvictedPrefixComesBack) {
  Simulation simulation(options_with(store));
  ask(simulation, words(1, 400));
  ask(simulation, words(2, 500)); // takes most of the room
  const int imported = simulation.decoder.imported;
  const std::size_t computed = simulation.decoder.computed;
  const Heard& heard = simulation.run(job_of(words(1, 400) + words(3, 20)));
  EXPECT_EQ(heard.text(), expected_text(words(1, 400) + words(3, 20), 8));
  EXPECT_EQ(heard.reused(), 400);
  EXPECT_GT(simulation.decoder.imported, imported + 10);
  EXPECT_EQ(simulation.decoder.computed - computed, 20u + 7);
  EXPECT_GE(simulation.scheduler.stats().restored_tokens, 200u);
  ASSERT_FALSE(heard.progress.empty());
  EXPECT_GE(heard.progress.front().done, 400); // told before the first batch
}

TEST_F(SchedulerStoreTest, NothingIsLoadedThatIsComputedFaster) {
  Simulation simulation(options_with(store));
  simulation.decoder.block_time = 1000;
  ask(simulation, words(1, 400));
  ask(simulation, words(2, 500));
  const int imported = simulation.decoder.imported;
  EXPECT_EQ(simulation.run(job_of(words(1, 400))).text(), expected_text(words(1, 400), 8));
  EXPECT_EQ(simulation.decoder.imported, imported);
}

TEST_F(SchedulerStoreTest, WhatIsGivenUpIsCopiedBefore) {
  Simulation simulation(options_with(store));
  simulation.run(job_of(words(1, 400), 1)); // and no idle moment behind it
  simulation.run(job_of(words(2, 590), 1));
  EXPECT_GE(store.find("anna", words(1, 400)).back().end, 399);
  EXPECT_EQ(simulation.run(job_of(words(1, 400), 1)).reused(), 399);
}

TEST_F(SchedulerStoreTest, OthersFindNothing) {
  Simulation simulation(options_with(store));
  ask(simulation, words(1, 400));
  ask(simulation, words(2, 500));
  EXPECT_EQ(simulation.run(job_of(words(1, 400), 4, "bert")).reused(), 0);
}

TEST_F(SchedulerStoreTest, IdlePrefixesThatCostTooMuchLeaveThePool) {
  Simulation simulation(options_with(store, 4000));
  simulation.decoder.cell_time = 0.001;
  ask(simulation, words(9, 100), 1); // the probes of a pool that is next to empty
  ask(simulation, words(1, 2500), 1);
  ASSERT_GT(simulation.scheduler.stats().cells_used, 2500u);
  ask(simulation, words(2, 600), 100);
  EXPECT_GE(simulation.scheduler.stats().moved_out_tokens, 2500u);
  EXPECT_LT(simulation.scheduler.stats().cells_used, 1000u);
  EXPECT_EQ(simulation.scheduler.stats().evicted_tokens, 0u); // nothing was lost
  EXPECT_EQ(simulation.run(job_of(words(1, 2500), 1)).reused(), 2499);
}

TEST_F(SchedulerStoreTest, NoProbeIsMadeThatARequestWouldHaveToWaitForLong) {
  Simulation simulation(options_with(store, 4000));
  simulation.decoder.cell_time = 0.1;
  ask(simulation, words(9, 10), 1);
  ask(simulation, words(1, 2500), 1);
  for (const auto& batch : simulation.decoder.batches)
    EXPECT_TRUE(batch.front().sequence != 8 || batch.size() == 1) << "a probe of a tile";
}

TEST_F(SchedulerStoreTest, IdlePrefixesThatCostNothingStay) {
  Simulation simulation(options_with(store, 4000));
  simulation.decoder.cell_time = 0;
  ask(simulation, words(9, 100), 1);
  ask(simulation, words(1, 2500), 1);
  ask(simulation, words(2, 600), 100);
  EXPECT_EQ(simulation.scheduler.stats().moved_out_tokens, 0u);
  EXPECT_GT(simulation.scheduler.stats().cells_used, 3000u);
}

TEST_F(SchedulerStoreTest, AnAnswerWaitsForOneBlockAtMost) {
  Simulation simulation(options_with(store, 1200));
  simulation.decoder.block_time = 0.01;
  ask(simulation, words(1, 500));
  ask(simulation, words(2, 1100)); // the first one is stored only
  const JobId answering = simulation.add(job_of(words(3, 20), 400));
  simulation.step(); // its prompt
  simulation.add(job_of(words(1, 500) + words(4, 30), 100));
  const auto [came, went] = simulation.run_beside(answering);
  EXPECT_GE(came, 20);
  EXPECT_GE(went, 1);
}

TEST_F(SchedulerStoreTest, AnAnswerThatHasJustBegunDoesNotWaitForWhatLosesItsPlace) {
  SchedulerOptions options = options_with(store);
  options.sequences = 2;
  Simulation simulation(options);
  simulation.decoder.block_time = 0.01;
  simulation.run(job_of(words(1, 400), 1)); // and no idle moment behind it: little of it is stored
  ASSERT_LT(simulation.decoder.exported, 10);
  const JobId answering = simulation.add(job_of(words(2, 20), 50));
  simulation.step();                       // its prompt
  simulation.add(job_of(words(3, 20), 4)); // gets the first one's sequence
  const auto [came, went] = simulation.run_beside(answering);
  EXPECT_EQ(came, 0);
  EXPECT_GE(went, 1);
}

TEST_F(SchedulerStoreTest, CopyingTakesASmallShareOfABusyTime) {
  Simulation simulation(options_with(store, 4000));
  simulation.decoder.block_time = 5;
  for (int i = 0; i < 6; ++i)
    simulation.add(job_of(words(i, 300), 100));
  const double begin = simulation.decoder.now;
  while (simulation.scheduler.step()) {
  }
  const double spent = simulation.decoder.exported * 5.0;
  EXPECT_GT(simulation.decoder.exported, 1);
  EXPECT_LE(spent, 0.05 * (simulation.decoder.now - begin) + 5);
}

TEST_F(SchedulerStoreTest, TwoWithTheSameStoredPrefixLoadItOnce) {
  Simulation simulation(options_with(store));
  ask(simulation, words(1, 400));
  ask(simulation, words(2, 550));
  simulation.add(job_of(words(1, 400) + words(3, 20)));
  const JobId second = simulation.add(job_of(words(1, 400) + words(4, 20)));
  const std::uint64_t restored = simulation.scheduler.stats().restored_tokens;
  simulation.run();
  EXPECT_EQ(simulation.heard(second).reused(), 400);
  EXPECT_LE(simulation.scheduler.stats().restored_tokens - restored, 400u);
}

TEST_F(SchedulerStoreTest, AMemoryThatTakesNothingBackIsComputedAgain) {
  Simulation simulation(options_with(store));
  ask(simulation, words(1, 400));
  ask(simulation, words(2, 550));
  simulation.decoder.refuses_cells = true;
  EXPECT_EQ(simulation.run(job_of(words(1, 400))).text(), expected_text(words(1, 400), 8));
}

TEST_F(SchedulerStoreTest, WhatWasComputedOutlivesTheProcess) {
  const demo::ScratchFolder scratch;
  const auto open = [&] {
    auto files = kv::BlockFiles::open(scratch / "store", "model");
    EXPECT_TRUE(files) << files.error();
    auto options = store_of();
    options.disk_bytes = 1U << 20;
    return std::make_unique<kv::BlockStore>(
        options, std::make_unique<kv::DiskTier>(std::move(*files), kv::DiskTierOptions{}));
  };
  const auto prompt = words(1, 400);
  {
    const auto before = open();
    Simulation simulation(options_with(*before));
    ask(simulation, prompt);
  }
  const auto after = open();
  Simulation simulation(options_with(*after));
  const Heard& heard = simulation.run(job_of(prompt + words(3, 20)));
  EXPECT_EQ(heard.text(), expected_text(prompt + words(3, 20), 8));
  EXPECT_EQ(heard.reused(), 400);
  EXPECT_EQ(simulation.scheduler.stats().restored_tokens, 400u);
  simulation.idle();
  EXPECT_LT(simulation.decoder.exported, 4); // only what is new
}

/// One schedule of requests, cancellations, idle moments and failed batches over pool and store of
/// any size; every answer must be that of its prompt alone.
void check_any_schedule(std::uint64_t& restored, std::uint64_t& moved_out) {
  kv::BlockStore store(store_of(*rc::gen::inRange<std::size_t>(0, 12'000)));
  SchedulerOptions options = options_with(store, *rc::gen::inRange(180, 700));
  options.batch_tokens = *rc::gen::inRange(8, 100);
  options.max_running = *rc::gen::inRange(1, 5);
  options.sequences = options.max_running + *rc::gen::inRange(0, 6);
  options.max_queued = 1000;
  Simulation simulation(options);
  simulation.decoder.cell_time = *rc::gen::element(0.0, 0.001, 0.1);
  simulation.decoder.block_time = *rc::gen::element(0.001, 0.1, 5.0);
  std::vector<std::pair<JobId, Asked>> asked;
  bool failed = false;
  for (int i = 0; i < 60; ++i) {
    const int action = *rc::gen::inRange(0, 12);
    if (action < 3) {
      Asked next{any_prompt(asked, {.tail = 40, .continued = 120, .stems = 4, .stem = 100}),
                 *rc::gen::inRange(1, 20)};
      const std::string tenant = *rc::gen::weightedElement<std::string>({{5, "anna"}, {1, "bert"}});
      asked.emplace_back(simulation.add(job_of(next.prompt, next.max_tokens, tenant)), next);
    } else if (action == 3 && !asked.empty()) {
      auto& [id, job] = asked[*rc::gen::inRange<std::size_t>(0, asked.size())];
      job.cancelled = job.cancelled || !simulation.heard(id).over();
      simulation.scheduler.cancel(id);
    } else if (action == 4) {
      simulation.decoder.statuses = {*rc::gen::weightedElement<DecodeStatus>(
          {{8, DecodeStatus::ok}, {1, DecodeStatus::failed}, {1, DecodeStatus::no_space}})};
      failed = failed || simulation.decoder.statuses.front() != DecodeStatus::ok;
    } else if (action == 5) {
      simulation.run();
      simulation.idle();
    } else if (!simulation.scheduler.step()) {
      simulation.scheduler.work_while_idle();
    }
    simulation.scheduler.check();
    store.check();
    RC_ASSERT(simulation.scheduler.stats().cells_used == simulation.decoder.cells_used());
  }
  simulation.decoder.statuses.clear();
  simulation.run();
  for (const auto& [id, job] : asked) {
    const Heard& heard = simulation.heard(id);
    RC_ASSERT(heard.over() || job.cancelled);
    RC_ASSERT(heard.ended || job.cancelled || failed);
    RC_ASSERT(!heard.ended || heard.text() == expected_text(job.prompt, job.max_tokens));
  }
  restored += simulation.scheduler.stats().restored_tokens;
  moved_out += simulation.scheduler.stats().moved_out_tokens;
}

TEST(SchedulerStoreProperty, EveryAnswerIsThatOfItsPromptAlone) {
  std::uint64_t restored = 0;
  std::uint64_t moved_out = 0;
  EXPECT_TRUE(rc::check([&] {
    for (int i = 0; i < 10; ++i) // with the usual 100 cases, 1,000 schedules
      check_any_schedule(restored, moved_out);
  }));
  EXPECT_GT(restored, 5000u); // or little was tried
  EXPECT_GT(moved_out, 1000u);
}

TEST_F(SchedulerStoreTest, WhatIsPrivateSharesNothingThatIsKept) {
  Simulation simulation(options_with(store));
  ask(simulation, words(1, 300)); // kept
  Job job = job_of(words(1, 300) + words(5, 100), 4);
  job.is_kept = false;
  simulation.run(std::move(job));
  simulation.idle();
  EXPECT_EQ(store.find("anna", words(1, 300) + words(5, 100)).back().end, 300);
  EXPECT_EQ(simulation.run(job_of(words(1, 300) + words(5, 100), 4)).reused(), 300);
}

TEST_F(SchedulerStoreTest, WhatIsPrivateBeginsWithWhatWasKept) {
  {
    Simulation simulation(options_with(store));
    ask(simulation, words(1, 300));
  }
  Simulation simulation(options_with(store)); // another life: nothing in the pool
  Job job = job_of(words(1, 300) + words(5, 100), 4);
  job.is_kept = false;
  EXPECT_EQ(simulation.run(Job(job)).reused(), 300);
  job.prompt = words(1, 300) + words(5, 100) + words(6, 10);
  EXPECT_GE(simulation.run(std::move(job)).reused(), 400); // and finds its own
}

} // namespace
} // namespace anyclaude::engine
