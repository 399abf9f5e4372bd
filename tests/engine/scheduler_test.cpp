// What goes into each batch, who waits for whom, and what is left when a request goes away.
#include "engine/scheduler.h"
#include "engine/simulation.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <ranges>
#include <set>

namespace anyclaude::engine {
namespace {

TEST(Scheduler, HasNothingToDoWithoutJobs) {
  Simulation simulation(roomy());
  EXPECT_FALSE(simulation.scheduler.step());
  EXPECT_TRUE(simulation.decoder.batches.empty());
}

TEST(Scheduler, TellsOfPrefillThenStartThenTextThenEnd) {
  Simulation simulation(roomy());
  const auto prompt = words(0, 300);
  const Heard& heard = simulation.run(job_of(prompt, 3));
  EXPECT_EQ(heard.kinds, "pppsttte");
  ASSERT_EQ(heard.progress.size(), 3U);
  EXPECT_EQ(heard.progress[0].done, 128);
  EXPECT_EQ(heard.progress[2].done, 300);
  EXPECT_EQ(heard.progress[0].total, 300);
  EXPECT_EQ(heard.started->prompt_tokens, 300);
  EXPECT_EQ(heard.started->computed, 300);
  EXPECT_EQ(heard.ended->reason, EndReason::max_tokens);
  EXPECT_EQ(heard.ended->output_tokens, 3);
  EXPECT_EQ(heard.text(), expected_text(prompt, 3));
}

TEST(Scheduler, GivesTheLogitsOfEveryTokenBeforeItIsDrawn) {
  Simulation simulation(roomy());
  std::vector<std::size_t> drawn_before;
  Heard heard;
  Job job = job_of(words(0, 10), 4);
  job.on_event = [&](const JobEvent& event) { heard(event); };
  job.on_logits = [&](std::span<const float> logits) {
    EXPECT_EQ(logits.size(), 2U);
    drawn_before.push_back(heard.pieces.size());
  };
  ASSERT_TRUE(simulation.scheduler.add(77, std::move(job)));
  simulation.run();
  EXPECT_EQ(drawn_before, (std::vector<std::size_t>{0, 1, 2, 3}));
}

// --- fairness ---

TEST(Scheduler, ALongPromptDoesNotHoldUpRunningAnswers) {
  Simulation simulation(roomy());
  std::vector<JobId> answers;
  for (int i = 0; i < 3; ++i)
    answers.push_back(simulation.add(job_of(words(i, 20), 60)));
  simulation.step(); // all three prompts fit one batch
  for (const JobId id : answers)
    ASSERT_TRUE(simulation.heard(id).started);

  const JobId prompt = simulation.add(job_of(words(9, 2000)));
  int batches = 0;
  while (!simulation.heard(prompt).started) {
    std::vector<std::size_t> said;
    for (const JobId id : answers)
      said.push_back(simulation.heard(id).pieces.size());
    const auto& batch = simulation.step();
    ++batches;
    EXPECT_EQ(shares(batch).size(), 4U);
    EXPECT_LE(batch.size(), 128U);
    if (batches == 1) {
      EXPECT_EQ(batch.size(), 64U); // what batches cost is not known yet
    }
    for (std::size_t i = 0; i < answers.size(); ++i)
      EXPECT_EQ(simulation.heard(answers[i]).pieces.size(), said[i] + 1);
  }
  EXPECT_EQ(batches, 17); // 61 tokens of the prompt, then 125 in each of 16 batches
}

TEST(Scheduler, APromptTakesWhatAnotherLeaves) {
  Simulation simulation(roomy());
  simulation.add(job_of(words(0, 10)));
  simulation.add(job_of(words(1, 1000)));
  EXPECT_EQ(shares(simulation.step()), (std::map<SequenceId, int>{{0, 10}, {1, 118}}));
}

// --- one prefix, computed once ---

TEST(Scheduler, WaitsForAPrefixThatIsBeingComputed) {
  Simulation simulation(roomy());
  const auto prefix = words(0, 500);
  std::vector<JobId> jobs;
  for (int i = 1; i <= 5; ++i)
    jobs.push_back(simulation.add(job_of(prefix + words(i, 10), 4)));
  simulation.run();
  int computed = 0;
  for (const JobId id : jobs)
    computed += simulation.heard(id).started->computed;
  EXPECT_EQ(computed, 500 + 5 * 10); // the prefix once in all, and the rest of each
  const SchedulerStats stats = simulation.scheduler.stats();
  EXPECT_EQ(stats.computed_tokens, 550U);
  EXPECT_EQ(stats.reused_tokens, 2000U);
  for (int i = 1; i <= 5; ++i)
    EXPECT_EQ(simulation.heard(jobs[static_cast<std::size_t>(i - 1)]).text(),
              expected_text(prefix + words(i, 10), 4));
}

TEST(Scheduler, WaitsOnlyUntilThePrefixIsThere) {
  Simulation simulation(roomy());
  const auto prefix = words(0, 100);
  simulation.add(job_of(prefix + words(1, 3000)));
  const JobId second = simulation.add(job_of(prefix + words(2, 10)));
  EXPECT_EQ(shares(simulation.step()).size(), 1U);
  EXPECT_EQ(simulation.scheduler.stats().queued, 1);
  simulation.step(); // the other prompt is far from complete
  EXPECT_EQ(simulation.heard(second).reused(), 100);
}

TEST(Scheduler, DoesNotWaitForAShortPrefix) {
  Simulation simulation(roomy());
  simulation.add(job_of(words(0, 30) + words(1, 10)));
  simulation.add(job_of(words(0, 30) + words(2, 10)));
  EXPECT_EQ(shares(simulation.step()).size(), 2U);
  EXPECT_EQ(simulation.scheduler.stats().cells_used, 50U); // computed twice, kept once
  simulation.run();
}

TEST(Scheduler, AJobBehindAWaitingOneGoesAhead) {
  Simulation simulation(roomy());
  simulation.add(job_of(words(0, 500)));
  simulation.add(job_of(words(0, 500) + words(1, 1)));
  const JobId other = simulation.add(job_of(words(2, 20)));
  simulation.step();
  simulation.step(); // the second batch is for the shortest prompt first
  EXPECT_EQ(simulation.scheduler.stats().queued, 1);
  EXPECT_TRUE(simulation.heard(other).started);
}

TEST(Scheduler, AWaitingJobComputesThePrefixItselfWhenTheOtherIsCancelled) {
  Simulation simulation(roomy());
  const auto prompt = words(0, 500);
  const JobId first = simulation.add(job_of(prompt));
  const JobId second = simulation.add(job_of(prompt));
  simulation.step();
  EXPECT_EQ(simulation.scheduler.stats().queued, 1);
  simulation.scheduler.cancel(first);
  simulation.run();
  EXPECT_EQ(simulation.heard(second).reused(), 128); // what the first one got done
  EXPECT_EQ(simulation.heard(second).text(), expected_text(prompt, 8));
}

TEST(Scheduler, NothingIsSharedBetweenTenants) {
  Simulation simulation(roomy());
  const auto prompt = words(0, 500);
  const JobId anna = simulation.add(job_of(prompt, 4, "anna"));
  const JobId bert = simulation.add(job_of(prompt, 4, "bert"));
  simulation.step();
  EXPECT_EQ(simulation.scheduler.stats().queued, 0); // nor waited for
  simulation.run();
  EXPECT_EQ(simulation.heard(anna).reused(), 0);
  EXPECT_EQ(simulation.heard(bert).reused(), 0);
  EXPECT_EQ(simulation.run(job_of(prompt, 4, "carl")).reused(), 0);
  EXPECT_EQ(simulation.run(job_of(prompt, 4, "bert")).reused(), 499);
}

TEST(Scheduler, AFollowUpReusesThePromptAndTheAnswer) {
  Simulation simulation(roomy());
  const auto prompt = words(0, 200);
  const std::string said = simulation.run(job_of(prompt, 20)).text();
  const auto next = prompt + bytes(said) + words(1, 30);
  const Heard& heard = simulation.run(job_of(next));
  EXPECT_EQ(heard.reused(), 219); // the answer's last token was drawn and never computed
  EXPECT_EQ(heard.text(), expected_text(next, 8));
}

TEST(Scheduler, WithoutReuseEveryJobIsComputedFromItsStart) {
  SchedulerOptions options = roomy();
  options.reuse = false;
  Simulation simulation(options);
  const auto prompt = words(0, 500);
  const JobId first = simulation.add(job_of(prompt, 4));
  const JobId second = simulation.add(job_of(prompt, 4));
  simulation.run();
  EXPECT_EQ(simulation.heard(first).reused(), 0);
  EXPECT_EQ(simulation.heard(second).reused(), 0);
  EXPECT_EQ(simulation.run(job_of(prompt, 4)).reused(), 0);
  EXPECT_EQ(simulation.decoder.cells_used(), 0U); // nothing is kept
  EXPECT_EQ(simulation.scheduler.stats().reused_tokens, 0U);
}

TEST(Scheduler, EqualRequestsDrawTheirOwnAnswers) {
  Simulation simulation(roomy());
  Job job = job_of(words(0, 200), 30);
  job.sampling.temperature = 1;
  const JobId first = simulation.add(job);
  const JobId second = simulation.add(job);
  simulation.run();
  EXPECT_EQ(simulation.decoder.samplers.size(), 2U);
  EXPECT_EQ(simulation.heard(first).text().size(), 30U);
  EXPECT_NE(simulation.heard(first).text(), simulation.heard(second).text());
}

TEST(Scheduler, ASeedMakesASampledAnswerRepeatable) {
  Simulation simulation(roomy());
  Job job = job_of(words(0, 200), 30);
  job.sampling = {
      .temperature = 0.7F, .top_p = 0.9F, .min_p = 0.1F, .top_k = 5, .seed = 42, .has_seed = true};
  const std::string first = simulation.run(job).text();
  EXPECT_EQ(simulation.run(job).text(), first);
  job.sampling.seed = 43;
  EXPECT_NE(simulation.run(job).text(), first);
  const SamplingOptions& seen = simulation.decoder.samplers.front();
  EXPECT_EQ(std::tuple(seen.temperature, seen.top_p, seen.min_p, seen.top_k, seen.seed),
            std::tuple(0.7F, 0.9F, 0.1F, 5, 42U));
}

// --- limits ---

TEST(Scheduler, RefusesWhatDoesNotFitTheQueue) {
  SchedulerOptions options = roomy();
  options.max_queued = 2;
  Simulation simulation(options);
  simulation.add(job_of(words(0, 10)));
  simulation.add(job_of(words(1, 10)));
  EXPECT_FALSE(simulation.scheduler.add(99, job_of(words(2, 10))));
  simulation.step(); // both have left the queue
  EXPECT_TRUE(simulation.scheduler.add(100, job_of(words(3, 10))));
}

TEST(Scheduler, RunsNoMoreThanAllowedInOrderOfArrival) {
  SchedulerOptions options = roomy();
  options.max_running = 3;
  Simulation simulation(options);
  std::vector<JobId> jobs;
  for (int i = 0; i < 10; ++i)
    jobs.push_back(simulation.add(job_of(words(i, 10), 5)));
  std::vector<JobId> order;
  while (simulation.scheduler.step()) {
    EXPECT_LE(simulation.scheduler.stats().running, 3);
    EXPECT_LE(shares(simulation.decoder.batches.back()).size(), 3U);
    for (const JobId id : jobs)
      if (simulation.heard(id).over() && !std::ranges::contains(order, id))
        order.push_back(id);
  }
  EXPECT_EQ(order, jobs);
}

TEST(Scheduler, APromptLargerThanThePoolFailsAndSaysSo) {
  SchedulerOptions options = roomy();
  options.context_tokens = 256;
  Simulation simulation(options);
  const Heard& heard = simulation.run(job_of(words(0, 300)));
  EXPECT_EQ(heard.failure, "the KV pool has no room for the request; start with a larger --ctx");
  EXPECT_EQ(simulation.run(job_of(words(1, 100))).failure, ""); // and the next one is served
}

// --- cancelling ---

TEST(Scheduler, ACancelledJobIsInNoFurtherBatchAndSaysNothingMore) {
  Simulation simulation(roomy());
  const JobId keeps = simulation.add(job_of(words(0, 20), 40));
  const JobId goes = simulation.add(job_of(words(1, 2000), 40));
  for (int i = 0; i < 3; ++i)
    simulation.step();
  const std::string heard = simulation.heard(goes).kinds;
  const std::size_t used = simulation.decoder.cells_used();
  simulation.scheduler.cancel(goes);
  EXPECT_EQ(simulation.scheduler.stats().running, 1);
  EXPECT_EQ(shares(simulation.step()).size(), 1U);
  simulation.run();
  EXPECT_EQ(simulation.heard(goes).kinds, heard);
  EXPECT_EQ(simulation.heard(keeps).text(), expected_text(words(0, 20), 40));
  EXPECT_GE(simulation.decoder.cells_used(), used); // what it had computed stays
}

TEST(Scheduler, ARetryGoesOnWhereTheCancelledJobStopped) {
  Simulation simulation(roomy());
  const auto prompt = words(0, 1000);
  const JobId id = simulation.add(job_of(prompt));
  for (int i = 0; i < 4; ++i)
    simulation.step();
  simulation.scheduler.cancel(id);
  EXPECT_EQ(simulation.run(job_of(prompt)).reused(), 4 * 128);
}

TEST(Scheduler, AQueuedJobCanBeCancelled) {
  SchedulerOptions options = roomy();
  options.max_running = 1;
  Simulation simulation(options);
  simulation.add(job_of(words(0, 10)));
  const JobId queued = simulation.add(job_of(words(1, 10)));
  simulation.step();
  simulation.scheduler.cancel(queued);
  EXPECT_EQ(simulation.scheduler.stats().queued, 0);
  simulation.run();
  EXPECT_EQ(simulation.heard(queued).kinds, "");
}

TEST(Scheduler, CancellingWhatIsNotThereChangesNothing) {
  Simulation simulation(roomy());
  const JobId id = simulation.add(job_of(words(0, 10)));
  simulation.scheduler.cancel(12345);
  simulation.run();
  EXPECT_EQ(simulation.heard(id).text(), expected_text(words(0, 10), 8));
  simulation.scheduler.cancel(id); // it has ended
}

// --- what adds up ---

TEST(Scheduler, CountsWhatWasReallyPassedToDecode) {
  Simulation simulation(roomy());
  std::size_t prompts = 0;
  std::uint64_t generated = 0;
  std::size_t steps = 0; // answers' tokens that were computed: all but each one's last
  for (int i = 0; i < 20; ++i) {
    const auto prompt = words(i % 4, 40 + 17 * i) + words(50 + i, 5);
    prompts += prompt.size();
    const Heard& heard = simulation.run(job_of(prompt, 6));
    EXPECT_EQ(heard.started->prompt_tokens, static_cast<int>(prompt.size()));
    generated += 6;
    steps += 5;
  }
  const SchedulerStats stats = simulation.scheduler.stats();
  EXPECT_EQ(stats.reused_tokens + stats.computed_tokens, prompts);
  EXPECT_GT(stats.reused_tokens, 1000U);
  EXPECT_EQ(stats.generated_tokens, generated);
  EXPECT_EQ(stats.computed_tokens + steps, simulation.decoder.computed);
}

} // namespace
} // namespace anyclaude::engine
