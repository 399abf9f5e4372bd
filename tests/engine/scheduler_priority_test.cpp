// Who goes first: in the queue, in a batch, for a place among the running, for cells; and that
// nobody waits for ever.
#include "engine/scheduler.h"
#include "engine/simulation.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <algorithm>
#include <map>
#include <set>

namespace anyclaude::engine {
namespace {

constexpr int kManyCells = 16'384;

/// Tokens of one job's prompt that are computed by now.
int done(const Simulation& simulation, JobId id) {
  const Heard& heard = simulation.heard(id);
  return heard.progress.empty() ? 0 : heard.progress.back().done;
}

// --- the queue ---

TEST(SchedulerPriority, InteractiveJobsAreStartedBeforeEarlierOnesOfLowPriority) {
  SchedulerOptions options = roomy(kManyCells);
  options.max_running = 1;
  Simulation simulation(options);
  simulation.add(job_of(words(0, 10), 3));
  const JobId low = simulation.add(background(job_of(words(1, 10), 3)));
  const JobId first = simulation.add(job_of(words(2, 10), 3));
  const JobId second = simulation.add(job_of(words(3, 10), 3));
  std::vector<JobId> order;
  while (simulation.scheduler.step())
    for (const JobId id : {low, first, second})
      if (simulation.heard(id).over() && !std::ranges::contains(order, id))
        order.push_back(id);
  EXPECT_EQ(order, (std::vector{first, second, low}));
}

TEST(SchedulerPriority, AnInteractiveJobTakesThePlaceOfTheLastOneOfLowPriority) {
  SchedulerOptions options = roomy(kManyCells);
  options.max_running = 2;
  Simulation simulation(options);
  const JobId low = simulation.add(background(job_of(words(0, 100), 20)));
  const JobId lower = simulation.add(background(job_of(words(1, 100), 20)));
  for (int i = 0; i < 5; ++i)
    simulation.step();
  const JobId person = simulation.add(job_of(words(2, 100), 4));
  const std::size_t said = simulation.heard(lower).pieces.size();
  while (!simulation.heard(person).over())
    simulation.step();
  EXPECT_EQ(simulation.heard(lower).pieces.size(), said);
  EXPECT_GT(simulation.heard(low).pieces.size(), said);
  EXPECT_EQ(simulation.scheduler.stats().paused, 1U);
  simulation.run();
  EXPECT_EQ(simulation.heard(low).text(), expected_text(words(0, 100), 20));
  EXPECT_EQ(simulation.heard(lower).text(), expected_text(words(1, 100), 20));
  // Its cells were still there: only the token that was sampled last is computed.
  EXPECT_EQ(simulation.scheduler.stats().computed_tokens, 300U);
}

TEST(SchedulerPriority, AnInteractiveJobTakesTheCellsOfOneOfLowPriority) {
  SchedulerOptions options = roomy(kManyCells);
  options.context_tokens = 600;
  Simulation simulation(options);
  const JobId low = simulation.add(background(job_of(words(0, 300), 100)));
  for (int i = 0; i < 5; ++i)
    simulation.step();
  const JobId person = simulation.add(job_of(words(1, 400), 4));
  for (int i = 0; i < 4; ++i)
    simulation.step();
  EXPECT_TRUE(simulation.heard(person).started);
  EXPECT_FALSE(simulation.heard(low).over());
  simulation.run();
  EXPECT_EQ(simulation.heard(low).text(), expected_text(words(0, 300), 100));
}

TEST(SchedulerPriority, EqualsPauseNobody) {
  for (const Priority priority : {Priority::background, Priority::interactive}) {
    SchedulerOptions options = roomy(kManyCells);
    options.max_running = 1;
    Simulation simulation(options);
    for (int i = 0; i < 3; ++i) {
      Job job = job_of(words(i, 10), 5);
      job.priority = priority;
      simulation.add(std::move(job));
    }
    simulation.run();
    EXPECT_EQ(simulation.scheduler.stats().paused, 0U);
  }
}

/// A new interactive job arrives whenever one has ended, for ever.
TEST(SchedulerPriority, AJobIsOvertakenEightTimesAndThenNoMore) {
  SchedulerOptions options = roomy(kManyCells);
  options.max_running = 1;
  Simulation simulation(options);
  JobId person = simulation.add(job_of(words(0, 10), 3));
  const JobId low = simulation.add(background(job_of(words(99, 10), 40)));
  int later = -1; // interactive jobs that ended behind the first
  for (int i = 1; i < 60 && !simulation.heard(low).over(); ++i) {
    const JobId next = simulation.add(job_of(words(i, 10), 3));
    while (!simulation.heard(person).over() && !simulation.heard(low).over())
      simulation.step();
    later += simulation.heard(person).over() ? 1 : 0;
    person = next;
  }
  EXPECT_TRUE(simulation.heard(low).over());
  EXPECT_EQ(later, RunningJob::kPatience);
}

// --- a batch ---

TEST(SchedulerPriority, InteractivePromptsComeBeforeThoseOfLowPriorityInABatch) {
  Simulation simulation(roomy(kManyCells));
  const JobId low = simulation.add(background(job_of(words(0, 1000))));
  simulation.step();
  const JobId person = simulation.add(job_of(words(1, 500)));
  for (int i = 0; i < 3; ++i)
    simulation.step();
  EXPECT_EQ(done(simulation, low), 128);
  EXPECT_EQ(done(simulation, person), 3 * 128);
  simulation.step(); // what the last part leaves
  EXPECT_EQ(done(simulation, low), 128 + 4 * 128 - 500);
}

TEST(SchedulerPriority, OneBatchInEightIsForPromptsOfLowPriority) {
  Simulation simulation(roomy(kManyCells));
  const JobId low = simulation.add(background(job_of(words(0, 256), 1)));
  const JobId lower = simulation.add(background(job_of(words(1, 256), 1)));
  const JobId person = simulation.add(job_of(words(2, 10'000), 1));
  std::vector<int> shares_of_low;
  for (int i = 0; i < 32; ++i) {
    simulation.step();
    shares_of_low.push_back(done(simulation, low) + done(simulation, lower));
  }
  EXPECT_EQ(shares_of_low[6], 0);
  EXPECT_EQ(shares_of_low[7], 128);
  EXPECT_EQ(shares_of_low[14], 128);
  EXPECT_EQ(shares_of_low[15], 256);
  EXPECT_EQ(done(simulation, person), 28 * 128);
  EXPECT_TRUE(simulation.heard(low).started);
  EXPECT_TRUE(simulation.heard(lower).started); // in turns
}

TEST(SchedulerPriority, NeitherALongNorAShortPromptWaitsMoreThanTwiceAsLong) {
  Simulation simulation(roomy(kManyCells));
  const JobId first = simulation.add(job_of(words(0, 3000), 1));
  simulation.step();
  const JobId small = simulation.add(job_of(words(1, 200), 1));
  for (int i = 0; i < 4; ++i)
    simulation.step();
  EXPECT_TRUE(simulation.heard(small).started); // two batches' worth in four
  // Small ones without end: every second batch is the first one's still.
  const int before = done(simulation, first);
  for (int i = 0; i < 20; ++i) {
    simulation.add(job_of(words(10 + i, 128), 1));
    simulation.step();
  }
  EXPECT_GE(done(simulation, first) - before, 10 * 120);
}

// --- a prefix in common ---

TEST(SchedulerPriority, AJobInheritsThePriorityOfOneThatWaitsForItsPrefix) {
  SchedulerOptions options = roomy(kManyCells);
  options.max_running = 3;
  Simulation simulation(options);
  const auto prefix = words(0, 600);
  const JobId low = simulation.add(background(job_of(prefix + words(1, 400), 8)));
  simulation.step();
  const JobId other = simulation.add(job_of(words(2, 5000), 1)); // would come first
  const JobId person = simulation.add(job_of(prefix + words(3, 10), 4));
  int batches = 0;
  for (; !simulation.heard(person).started; ++batches)
    simulation.step();
  EXPECT_LE(batches, 12); // 472 tokens of the prefix in every second batch, and its own ten
  EXPECT_EQ(simulation.heard(person).reused(), 600);
  EXPECT_LT(done(simulation, other), 5000);
  // What is left of it is of low priority again.
  const int at = done(simulation, low);
  for (int i = 0; i < 5; ++i)
    simulation.step();
  EXPECT_EQ(done(simulation, low), at);
}

TEST(SchedulerPriority, AJobThatIsWaitedForIsNotPaused) {
  SchedulerOptions options = roomy(kManyCells);
  options.max_running = 1;
  Simulation simulation(options);
  const auto prefix = words(0, 600);
  simulation.add(background(job_of(prefix + words(1, 50), 2)));
  simulation.step();
  const JobId person = simulation.add(job_of(prefix + words(3, 10), 4));
  for (int i = 0; i < 4; ++i)
    simulation.step();
  EXPECT_EQ(simulation.scheduler.stats().paused, 0U);
  simulation.run();
  EXPECT_EQ(simulation.heard(person).reused(), 600);
}

// --- the gap ---

/// Batches cost what their tokens and what they attend to cost.
constexpr double kToken = 0.2;   // ms
constexpr double kCell = 0.0001; // ms
double linear(std::span<const BatchToken> batch) {
  double cost = 0;
  for (const BatchToken& token : batch)
    cost += kToken + kCell * (token.position + 1);
  return cost;
}

TEST(SchedulerGap, APromptBesideAnAnswerTakesWhatFitsTheTime) {
  SchedulerOptions options = roomy(kManyCells);
  options.batch_tokens = 512;
  Simulation simulation(options);
  simulation.decoder.cost = linear;
  const JobId answer = simulation.add(job_of(words(0, 100), 1000));
  simulation.step();
  const JobId prompt = simulation.add(job_of(words(1, 12'000), 1));
  simulation.step(); // what it costs is known from one batch of another length only
  int batches = 1;
  for (; !simulation.heard(prompt).started; ++batches) {
    const double before = simulation.decoder.now;
    const auto& batch = simulation.step();
    const double took = simulation.decoder.now - before;
    if (!simulation.heard(prompt).started) {
      EXPECT_EQ(batch.size() % 64, 0U);
      EXPECT_LE(took, std::max(options.gap_ms, 1.25 * 64 * (kToken + 12'000 * kCell))) << batches;
    }
  }
  EXPECT_EQ(simulation.heard(answer).pieces.size(), static_cast<std::size_t>(batches) + 1);
  EXPECT_LE(batches, 150); // as large as may be: 256 tokens in the beginning, 64 in the end
}

/// Where a batch of 64 takes as long as one of 128, the smaller one would only lose time.
TEST(SchedulerGap, TheSecondSmallestBatchIsTakenWhereItCostsNoMore) {
  SchedulerOptions options = roomy(kManyCells);
  options.batch_tokens = 512;
  options.separate = true;
  Simulation simulation(options);
  simulation.decoder.cost = [](auto batch) {
    return batch.size() < 64 ? 1.0
                             : 2.0 * static_cast<double>(std::max<std::size_t>(128, batch.size()));
  };
  simulation.add(job_of(words(0, 20), 1000));
  simulation.step();
  simulation.step();
  const JobId prompt = simulation.add(job_of(words(1, 8000), 1));
  std::map<std::size_t, int> sizes;
  while (!simulation.heard(prompt).started)
    ++sizes[simulation.step().size()];
  EXPECT_GT(sizes[128], 55);
  EXPECT_LT(sizes[64], 8);
  EXPECT_EQ(sizes[256] + sizes[512], 0);
  simulation.run();
}

TEST(SchedulerGap, WithoutAnAnswerBatchesAreFull) {
  SchedulerOptions options = roomy(kManyCells);
  options.batch_tokens = 512;
  Simulation simulation(options);
  simulation.decoder.cost = [](auto batch) { return 10.0 * static_cast<double>(batch.size()); };
  const JobId prompt = simulation.add(job_of(words(0, 4096), 1));
  for (int i = 0; i < 8; ++i)
    EXPECT_EQ(simulation.step().size(), 512U);
  EXPECT_TRUE(simulation.heard(prompt).started);
}

TEST(SchedulerGap, APromptGoesOnHoweverSlowTheMachine) {
  SchedulerOptions options = roomy(kManyCells);
  options.batch_tokens = 512;
  options.max_running = 64;
  Simulation simulation(options);
  simulation.decoder.cost = [](auto batch) { return 1000.0 * static_cast<double>(batch.size()); };
  for (int i = 0; i < 40; ++i)
    simulation.add(job_of(words(i, 5), 200));
  simulation.step();
  const JobId prompt = simulation.add(job_of(words(99, 2000), 1));
  EXPECT_EQ(simulation.step().size(), 128U); // 40 answers and no fewer than 32 tokens of the prompt
  simulation.run();
  EXPECT_EQ(simulation.heard(prompt).text(), expected_text(words(99, 2000), 1));
}

TEST(SchedulerGap, AnswersAndPromptsTakeTurnsWhereTheyAreSeparate) {
  SchedulerOptions options = roomy(kManyCells);
  options.separate = true;
  Simulation simulation(options);
  const JobId answer = simulation.add(job_of(words(0, 20), 100));
  simulation.step();
  simulation.step();
  const JobId prompt = simulation.add(job_of(words(1, 64 + 7 * 128), 1));
  for (int i = 0; i < 8; ++i) {
    EXPECT_EQ(shares(simulation.step()), (std::map<SequenceId, int>{{1, i == 0 ? 64 : 128}}));
    const std::size_t said = simulation.heard(answer).pieces.size();
    if (simulation.heard(prompt).started)
      break;
    EXPECT_EQ(shares(simulation.step()), (std::map<SequenceId, int>{{0, 1}}));
    EXPECT_EQ(simulation.heard(answer).pieces.size(), said + 1);
  }
  EXPECT_TRUE(simulation.heard(prompt).started);
  simulation.run();
}

RC_GTEST_PROP(SchedulerGap, AnswersStandStillNoLongerThanStated, ()) {
  SchedulerOptions options = roomy(kManyCells);
  options.batch_tokens = *rc::gen::element(64, 256, 512);
  options.gap_ms = *rc::gen::inRange(5, 200);
  options.separate = *rc::gen::arbitrary<bool>();
  Simulation simulation(options);
  const double token = *rc::gen::inRange(1, 100) / 100.0;
  const double cell = *rc::gen::inRange(0, 100) / 1e6;
  simulation.decoder.cost = [&](std::span<const BatchToken> batch) {
    double cost = 0;
    for (const BatchToken& each : batch)
      cost += token + cell * (each.position + 1);
    return cost;
  };
  simulation.run(job_of(words(50, 8000), 1)); // has seen what batches cost
  const int count = *rc::gen::inRange(1, 15);
  std::vector<JobId> answers;
  for (int i = 0; i < count; ++i)
    answers.push_back(simulation.add(job_of(words(i, 1 + *rc::gen::inRange(0, 30)), 100'000)));
  while (!std::ranges::all_of(answers,
                              [&](JobId id) { return simulation.heard(id).started.has_value(); }))
    simulation.step();
  simulation.step(); // of answers alone: what that costs is known
  const JobId prompt = simulation.add(job_of(words(60, *rc::gen::inRange(100, 7000)), 1));
  const double least = 1.01 * (2 * 64 + count) * (token + cell * 8000); // one that is tried
  double last = simulation.decoder.now;
  std::size_t said = simulation.heard(answers.front()).pieces.size();
  std::map<JobId, std::size_t> ahead; // of the others: they go on together
  for (const JobId id : answers)
    ahead[id] = said - simulation.heard(id).pieces.size();
  while (!simulation.heard(prompt).started) {
    simulation.step();
    if (simulation.heard(answers.front()).pieces.size() == said)
      continue;
    ++said;
    RC_ASSERT(simulation.decoder.now - last <= std::max(options.gap_ms * 1.01, least));
    last = simulation.decoder.now;
    for (const JobId id : answers)
      RC_ASSERT(simulation.heard(id).pieces.size() + ahead[id] == said);
  }
}

// --- everybody ends ---

/// Interactive jobs arrive for ever, as many as can run and more; those of low priority end all the
/// same, within what their number and kPatience allow.
RC_GTEST_PROP(SchedulerPriority, NobodyStarves, ()) {
  SchedulerOptions options = roomy(kManyCells);
  options.context_tokens = *rc::gen::inRange(400, 2000);
  options.batch_tokens = *rc::gen::inRange(8, 128);
  options.max_running = *rc::gen::inRange(1, 5);
  options.sequences = options.max_running + 4;
  options.separate = *rc::gen::arbitrary<bool>();
  Simulation simulation(options);
  std::map<JobId, std::vector<Token>> low;
  const int count = *rc::gen::inRange(1, 5);
  for (int i = 0; i < count; ++i) {
    const auto prompt = words(i % 2, *rc::gen::inRange(1, 100)) + words(900 + i, 1);
    low[simulation.add(background(job_of(prompt, 5)))] = prompt;
  }
  std::set<JobId> waiting;
  for (const auto& [id, prompt] : low)
    waiting.insert(id);
  std::vector<JobId> people;
  int steps = 0;
  for (; !waiting.empty(); ++steps) {
    RC_ASSERT(steps < 5000);
    std::erase_if(people, [&](JobId id) { return simulation.heard(id).over(); });
    while (std::cmp_less_equal(people.size(), options.max_running))
      people.push_back(simulation.add(job_of(words(10 + steps % 500, 60), 6)));
    simulation.step();
    std::erase_if(waiting, [&](JobId id) { return simulation.heard(id).over(); });
  }
  for (const auto& [id, prompt] : low)
    RC_ASSERT(simulation.heard(id).text() == expected_text(prompt, 5));
}

} // namespace
} // namespace anyclaude::engine
