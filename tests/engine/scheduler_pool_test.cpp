// A pool that is too small for all that want to run, and batches that fail.
#include "engine/scheduler.h"
#include "engine/simulation.h"

#include <gtest/gtest.h>

#include <algorithm>

namespace anyclaude::engine {
namespace {

SchedulerOptions cramped(int cells) {
  SchedulerOptions options;
  options.context_tokens = cells;
  options.batch_tokens = 64;
  options.sequences = 16;
  options.max_running = 8;
  return options;
}

/// Runs until idle; returns how often a job went from running back to the queue.
int run_and_count_suspensions(Simulation& simulation) {
  int suspensions = 0;
  int queued = simulation.scheduler.stats().queued;
  while (simulation.scheduler.step()) {
    simulation.scheduler.check();
    EXPECT_EQ(simulation.scheduler.stats().cells_used, simulation.decoder.cells_used());
    EXPECT_LE(simulation.decoder.cells_used(), simulation.scheduler.stats().cells);
    suspensions += std::max(0, simulation.scheduler.stats().queued - queued);
    queued = simulation.scheduler.stats().queued;
  }
  return suspensions;
}

TEST(SchedulerPool, ASuspendedJobSaysWhatItWouldHaveSaid) {
  const auto ask = [](Simulation& simulation) {
    std::vector<JobId> jobs;
    for (int i = 0; i < 6; ++i) {
      Job job = job_of(words(i, 30), 70);
      job.sampling = {.temperature = 1, .seed = static_cast<std::uint32_t>(i), .has_seed = true};
      jobs.push_back(simulation.add(std::move(job)));
    }
    return jobs;
  };
  Simulation roomy(cramped(4096));
  const auto expected = ask(roomy);
  EXPECT_EQ(run_and_count_suspensions(roomy), 0);

  Simulation small(cramped(256)); // 6 * 31 fit at the start, 6 * 100 do not at the end
  const auto jobs = ask(small);
  EXPECT_GT(run_and_count_suspensions(small), 0);
  EXPECT_GT(small.scheduler.stats().evicted_tokens, 0U);
  for (std::size_t i = 0; i < jobs.size(); ++i) {
    const Heard& heard = small.heard(jobs[i]);
    EXPECT_EQ(heard.text(), roomy.heard(expected[i]).text());
    EXPECT_EQ(heard.ended->output_tokens, 70);
    EXPECT_EQ(std::ranges::count(heard.kinds, 's'), 1); // its client saw a pause, nothing else
    EXPECT_EQ(std::ranges::count(heard.kinds, 'e'), 1);
  }
  EXPECT_EQ(small.decoder.samplers.size(), 6U); // a resumed answer goes on with its own sampler
}

TEST(SchedulerPool, ASuspendedPromptIsStartedOnceAndGoesOnFromWhatIsLeft) {
  Simulation simulation(cramped(256));
  for (int i = 0; i < 5; ++i)
    simulation.add(job_of(words(i, 5), 30));
  simulation.step();
  // Fits beside the answers as they are now, but they grow by five tokens a batch.
  const JobId prompt = simulation.add(job_of(words(9, 220), 2));
  EXPECT_EQ(run_and_count_suspensions(simulation), 1);
  const Heard& heard = simulation.heard(prompt);
  EXPECT_EQ(heard.text(), expected_text(words(9, 220), 2));
  EXPECT_EQ(std::ranges::count(heard.kinds, 's'), 1);
  EXPECT_LE(heard.started->computed, 220);
  EXPECT_EQ(heard.progress.back().done, 220);
}

TEST(SchedulerPool, AllThatIsComputedIsCountedAlsoAfterASuspension) {
  Simulation simulation(cramped(256));
  for (int i = 0; i < 6; ++i)
    simulation.add(job_of(words(i, 30), 70));
  EXPECT_GT(run_and_count_suspensions(simulation), 0);
  const SchedulerStats stats = simulation.scheduler.stats();
  // One decoded token for each drawn one but the first; everything else was for prompts, or was
  // computed again because the pool was full.
  EXPECT_EQ(stats.computed_tokens + stats.generated_tokens - 6, simulation.decoder.computed);
}

TEST(SchedulerPool, IdlePrefixesMakeRoomOldestFirst) {
  Simulation simulation(cramped(256));
  simulation.run(job_of(words(0, 100), 1));
  simulation.run(job_of(words(1, 100), 1));
  simulation.run(job_of(words(0, 100), 1)); // used again: now the other one is the oldest
  simulation.run(job_of(words(2, 100), 1));
  EXPECT_EQ(simulation.run(job_of(words(0, 100), 1)).reused(), 99);
  EXPECT_LT(simulation.run(job_of(words(1, 100), 1)).reused(), 99);
}

TEST(SchedulerPool, ABurstOfSmallCallsPushesNoConversationOut) {
  Simulation simulation(cramped(1024));
  const auto conversation = words(0, 500);
  simulation.run(job_of(conversation, 1));
  for (int burst = 1; burst <= 10; ++burst) {
    for (int i = 0; i < 8; ++i)
      simulation.add(job_of(words(10 * burst + i, 50), 5));
    EXPECT_EQ(run_and_count_suspensions(simulation), 0);
  }
  EXPECT_GT(simulation.scheduler.stats().evicted_tokens, 2000U);
  EXPECT_EQ(simulation.run(job_of(conversation, 1)).reused(), 499);
}

TEST(SchedulerPool, AJobWaitsForRoomInsteadOfSuspendingOthers) {
  Simulation simulation(cramped(256));
  const JobId first = simulation.add(job_of(words(0, 150), 20));
  const JobId second = simulation.add(job_of(words(1, 150), 20));
  EXPECT_EQ(run_and_count_suspensions(simulation), 0);
  EXPECT_EQ(simulation.heard(first).text(), expected_text(words(0, 150), 20));
  EXPECT_EQ(simulation.heard(second).text(), expected_text(words(1, 150), 20));
}

TEST(SchedulerPool, AnAnswerThatFillsTheContextEnds) {
  Simulation simulation(cramped(128));
  const Heard& heard = simulation.run(job_of(words(0, 100), 1000));
  EXPECT_EQ(heard.ended->reason, EndReason::context_full);
  EXPECT_EQ(heard.ended->output_tokens, 28); // 100 + 28 = 128
  EXPECT_EQ(heard.text(), expected_text(words(0, 100), 28));
}

TEST(SchedulerPool, TheLongestPromptThatFitsIsAnswered) {
  Simulation simulation(cramped(128));
  simulation.run(job_of(words(1, 100), 4)); // must give way
  const Heard& heard = simulation.run(job_of(words(0, 127), 1000));
  EXPECT_EQ(heard.ended->reason, EndReason::context_full);
  EXPECT_EQ(heard.text(), expected_text(words(0, 127), 1));
}

// --- batches that fail ---

TEST(SchedulerPool, RetriesWithoutIdlePrefixesWhenTheModelHasNoSpace) {
  Simulation simulation(cramped(1024));
  simulation.run(job_of(words(0, 100), 2));
  simulation.decoder.statuses = {DecodeStatus::no_space};
  const std::size_t batches = simulation.decoder.batches.size();
  const Heard& heard = simulation.run(job_of(words(1, 50), 2));
  EXPECT_EQ(heard.text(), expected_text(words(1, 50), 2));
  EXPECT_EQ(simulation.decoder.batches.size(), batches + 3); // the first one twice
  EXPECT_EQ(simulation.run(job_of(words(0, 100), 2)).reused(), 0);
}

TEST(SchedulerPool, FailsWhenThereIsStillNoSpace) {
  Simulation simulation(cramped(1024));
  simulation.decoder.statuses = {DecodeStatus::no_space, DecodeStatus::no_space};
  const Heard& heard = simulation.run(job_of(words(1, 50), 2));
  EXPECT_EQ(heard.kinds, "f");
  EXPECT_EQ(heard.failure,
            "the KV pool is full; start with a larger --ctx or fewer requests at once");
  EXPECT_EQ(simulation.decoder.cells_used(), 0U);
}

/// What a failed batch left behind must neither stay in the pool nor be taken for computed.
void failed_batch_leaves_nothing(DecodeStatus status, const std::string& message) {
  Simulation simulation(cramped(1024));
  const auto prompt = words(0, 200);
  const JobId first = simulation.add(job_of(prompt));
  const JobId second = simulation.add(job_of(words(1, 200)));
  simulation.step();
  simulation.decoder.statuses = {status};
  simulation.step();
  // kSmallestChunk places for one prompt fill a batch of 64, so the second job was not in it.
  EXPECT_EQ(simulation.heard(first).failure, message);
  EXPECT_EQ(simulation.heard(second).failure, "");
  EXPECT_EQ(simulation.scheduler.stats().cells_used, simulation.decoder.cells_used());
  simulation.run();
  EXPECT_EQ(simulation.heard(second).text(), expected_text(words(1, 200), 8));
  const Heard& retry = simulation.run(job_of(prompt));
  EXPECT_EQ(retry.reused(), 64);
  EXPECT_EQ(retry.text(), expected_text(prompt, 8));
}

TEST(SchedulerPool, AFailedBatchFailsItsJobsAndLeavesNothingBehind) {
  failed_batch_leaves_nothing(DecodeStatus::failed, "the model failed to compute a batch");
}

TEST(SchedulerPool, AnAbortedBatchFailsItsJobsAndLeavesNothingBehind) {
  failed_batch_leaves_nothing(DecodeStatus::aborted, "the server is shutting down");
}

TEST(SchedulerPool, FailingAllTellsRunningAndQueuedJobs) {
  SchedulerOptions options = cramped(1024);
  options.max_running = 1;
  Simulation simulation(options);
  const JobId running = simulation.add(job_of(words(0, 20)));
  const JobId queued = simulation.add(job_of(words(1, 20)));
  simulation.step();
  simulation.scheduler.fail_all("enough");
  EXPECT_EQ(simulation.heard(running).failure, "enough");
  EXPECT_EQ(simulation.heard(queued).failure, "enough");
  simulation.scheduler.check();
  EXPECT_FALSE(simulation.scheduler.step());
}

} // namespace
} // namespace anyclaude::engine
