// Scheduling for models whose prefixes can be shared at checkpoints only.
#include "engine/simulation.h"

#include <gtest/gtest.h>

namespace anyclaude::engine {
namespace {

SchedulerOptions with_checkpoints() {
  SchedulerOptions options;
  options.context_tokens = 4096;
  options.batch_tokens = 128;
  options.max_running = 8;
  options.sequences = 12;
  options.checkpoints = true;
  return options;
}

TEST(SchedulerCheckpoints, PrefillStopsExactlyThere) {
  Simulation simulation(with_checkpoints());
  simulation.run(with_ends(job_of(words(1, 300), 1), {70, 290}));
  std::vector<std::size_t> sizes;
  for (const auto& batch : simulation.decoder.batches)
    sizes.push_back(batch.size());
  EXPECT_EQ(sizes, (std::vector<std::size_t>{70, 128, 92, 10}));
}

TEST(SchedulerCheckpoints, ADifferentQuestionStartsBehindTheSystemPrompt) {
  Simulation simulation(with_checkpoints());
  const auto system = words(1, 200);
  simulation.run(with_ends(job_of(system + words(2, 30)), {200}));
  const Heard& heard = simulation.run(with_ends(job_of(system + words(3, 30)), {200}));
  EXPECT_EQ(heard.reused(), 200);
  EXPECT_EQ(heard.text(), expected_text(system + words(3, 30), 8));
}

TEST(SchedulerCheckpoints, AFollowUpGoesOnBehindTheAnswer) {
  Simulation simulation(with_checkpoints());
  const auto first = words(1, 200);
  const std::string answer = simulation.run(job_of(first)).text();
  const auto second = first + bytes(answer) + words(2, 20);
  EXPECT_EQ(simulation.run(job_of(second)).reused(), 207); // the last token was never computed
}

TEST(SchedulerCheckpoints, WhatTwoShareTheThirdStartsFrom) {
  Simulation simulation(with_checkpoints());
  const auto system = words(1, 200);
  EXPECT_EQ(simulation.run(job_of(system + words(2, 30))).reused(), 0);
  EXPECT_EQ(simulation.run(job_of(system + words(3, 30))).reused(), 0);
  EXPECT_EQ(simulation.run(job_of(system + words(4, 30))).reused(), 200);
}

TEST(SchedulerCheckpoints, RequestsAtOnceWaitForTheCheckpointOfTheFirst) {
  Simulation simulation(with_checkpoints());
  const auto system = words(1, 500);
  std::vector<JobId> jobs;
  for (int i = 0; i < 6; ++i)
    jobs.push_back(simulation.add(with_ends(job_of(system + words(2 + i, 30)), {500})));
  simulation.run();
  EXPECT_EQ(simulation.heard(jobs.front()).reused(), 0);
  for (std::size_t i = 1; i < jobs.size(); ++i)
    EXPECT_EQ(simulation.heard(jobs[i]).reused(), 500);
}

TEST(SchedulerCheckpoints, NobodyWaitsForWhatWillNotBeThere) {
  Simulation simulation(with_checkpoints());
  const auto system = words(1, 500);
  simulation.add(with_ends(job_of(system + words(2, 30)), {20}));
  simulation.add(with_ends(job_of(system + words(3, 30)), {20}));
  simulation.step();
  EXPECT_EQ(simulation.scheduler.stats().running, 2);
}

TEST(SchedulerCheckpoints, AFailedBatchSpoilsNoCheckpoint) {
  Simulation simulation(with_checkpoints());
  const auto system = words(1, 128);
  const JobId failed = simulation.add(with_ends(job_of(system + words(2, 100)), {128}));
  simulation.step();
  simulation.decoder.statuses = {DecodeStatus::failed};
  simulation.step();
  EXPECT_NE(simulation.heard(failed).failure, "");
  const Heard& heard = simulation.run(job_of(system + words(2, 100)));
  EXPECT_EQ(heard.reused(), 128);
  EXPECT_EQ(heard.text(), expected_text(system + words(2, 100), 8));
}

} // namespace
} // namespace anyclaude::engine
