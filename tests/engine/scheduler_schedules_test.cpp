// Random schedules over a virtual clock: requests of both classes and of two tenants,
// cancellations, failed batches and idle moments, in pools, queues and stores of any size, for
// every kind of memory. What must hold is looked at behind every step. ANYCLAUDE_SCHEDULES sets how
// many (100,000 takes some minutes); ANYCLAUDE_SCHEDULE runs the one of a number that a failure
// names.
#include "engine/simulation.h"
#include "kv/block_store.h"
#include "rounds.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <format>
#include <iostream>
#include <memory>
#include <optional>
#include <random>
#include <regex>
#include <span>
#include <string>
#include <vector>

namespace anyclaude::engine {
namespace {

constexpr std::size_t kStoreBytes = 12'000;

struct Tried {
  std::uint64_t refused = 0;
  std::uint64_t cancelled = 0;
  std::uint64_t failed = 0;
  std::uint64_t paused = 0;
  std::uint64_t overtaken = 0;
  std::uint64_t restored = 0;
  std::uint64_t evicted = 0;
};

struct Watched {
  JobId id = 0;
  std::vector<Token> prompt;
  int max_tokens = 0;
  Priority priority = Priority::interactive;
  bool cancelled = false;
  std::size_t heard = 0; // events, when last looked at
  bool was_over = false;
};

class Schedule {
 public:
  Schedule(std::uint64_t seed, Tried& tried)
      : random_(seed), tried_(tried), shares_(chance(2, 3)), options_(any_options()),
        simulation_(options_) {
    simulation_.decoder.cell_time = one_of({0.0, 0.001, 0.1});
    simulation_.decoder.block_time = one_of({0.001, 0.1, 5.0});
  }

  void run() {
    const int actions = between(10, 120);
    for (int i = 0; i < actions && !testing::Test::HasFailure(); ++i) {
      act();
      check();
    }
    simulation_.decoder.statuses.clear();
    for (int steps = 0; simulation_.scheduler.step(); ++steps) {
      check();
      if (testing::Test::HasFailure())
        return;
      ASSERT_LT(steps, 20'000) << "the requests do not end";
    }
    check_answers();
    check_order();
    count();
  }

 private:
  int between(int least, int below) {
    return least + static_cast<int>(random_() % static_cast<std::uint64_t>(below - least));
  }
  bool chance(int times, int of) { return between(0, of) < times; }
  template <class T>
  T one_of(std::initializer_list<T> values) {
    return values.begin()[between(0, static_cast<int>(values.size()))];
  }

  SchedulerOptions any_options() {
    SchedulerOptions options;
    options.context_tokens = between(150, 700);
    options.batch_tokens = between(8, 100);
    options.max_running = between(1, 8);
    options.sequences = options.max_running + between(0, 8);
    options.max_queued = between(1, 30);
    options.separate = chance(1, 2);
    options.reuse = chance(5, 6);
    options.checkpoints = options.reuse && chance(1, 3);
    options.checkpoint_bytes = static_cast<std::size_t>(between(0, 3000)); // 100 each
    if (options.reuse && chance(1, 2)) {
      store_.emplace(kv::BlockStoreOptions{.block_tokens = kSmallBlock,
                                           .memory_bytes = kStoreBytes,
                                           .salt = {},
                                           .fingerprint = {},
                                           .checkpoints = options.checkpoints});
      options.store = &*store_;
    }
    return options;
  }

  /// Where prompts share their beginnings, some wait for others, and nothing can be said of who
  /// comes first; otherwise each begins with a token of its own.
  std::vector<Token> any_prompt() {
    const auto tail = words(100 + static_cast<int>(asked_.size()), between(1, 40));
    if (!shares_)
      return tail + words(between(0, 3), between(0, 90));
    if (!asked_.empty() && chance(1, 3)) {
      const Watched& before =
          asked_[static_cast<std::size_t>(between(0, static_cast<int>(asked_.size())))];
      if (before.prompt.size() < 120)
        return before.prompt + bytes(expected_text(before.prompt, before.max_tokens)) + tail;
    }
    return words(between(0, 3), between(1, 100)) + tail;
  }

  void act() {
    const int action = between(0, 12);
    if (action < 4)
      ask();
    else if (action == 4)
      cancel();
    else if (action == 5 && chance(1, 4))
      simulation_.decoder.statuses = {
          one_of({DecodeStatus::failed, DecodeStatus::aborted, DecodeStatus::no_space})};
    else if (!simulation_.scheduler.step())
      simulation_.scheduler.work_while_idle();
  }

  /// A request is taken, or refused since the queue is full: nothing else becomes of it.
  void ask() {
    Watched next{.id = static_cast<JobId>(asked_.size()) + 1,
                 .prompt = any_prompt(),
                 .max_tokens = between(1, 25),
                 .priority = one_of({Priority::interactive, Priority::background})};
    Job job = job_of(next.prompt, next.max_tokens, chance(1, 5) ? "bert" : "anna");
    job.priority = next.priority;
    job.sampling.seed = static_cast<std::uint32_t>(next.id); // tells who was admitted
    job.is_kept = chance(5, 6);
    for (int count = between(0, 4); count > 0; --count)
      job.boundaries.push_back(between(0, 130));
    std::ranges::sort(job.boundaries);
    const bool has_room = simulation_.scheduler.stats().queued < options_.max_queued;
    const auto heard = simulation_.offer(next.id, std::move(job));
    EXPECT_EQ(heard, has_room);
    if (heard)
      asked_.push_back(std::move(next));
    else
      ++tried_.refused;
  }

  void cancel() {
    if (asked_.empty())
      return;
    Watched& one = asked_[static_cast<std::size_t>(between(0, static_cast<int>(asked_.size())))];
    one.cancelled = one.cancelled || !simulation_.heard(one.id).over();
    simulation_.scheduler.cancel(one.id);
  }

  /// Budgets are kept, the books agree with the memory, and nobody hears anything out of order or
  /// behind the end.
  void check() {
    const SchedulerStats stats = simulation_.scheduler.stats();
    simulation_.scheduler.check();
    EXPECT_EQ(stats.cells_used, simulation_.decoder.cells_used());
    EXPECT_LE(stats.cells_used, static_cast<std::size_t>(options_.context_tokens));
    EXPECT_LE(stats.running, options_.max_running);
    EXPECT_LE(stats.queued, options_.max_queued + options_.max_running); // the paused come back
    EXPECT_LE(simulation_.decoder.sequences_used(), options_.sequences);
    if (store_) {
      store_->check();
      EXPECT_LE(store_->stats().memory_bytes, kStoreBytes);
    }
    static const std::regex kOrder("p*(st*)?[ef]?");
    for (Watched& one : asked_) {
      const Heard& heard = simulation_.heard(one.id);
      if (heard.kinds.size() == one.heard)
        continue;
      EXPECT_FALSE(one.was_over || one.cancelled) << heard.kinds;
      one.heard = heard.kinds.size();
      one.was_over = heard.over();
      // Progress may come again behind a pause, but not behind the first token.
      EXPECT_TRUE(std::regex_match(heard.kinds, kOrder)) << heard.kinds;
    }
  }

  void check_answers() {
    for (const Watched& one : asked_) {
      const Heard& heard = simulation_.heard(one.id);
      EXPECT_TRUE(heard.over() || one.cancelled) << "request " << one.id << " is lost";
      EXPECT_TRUE(heard.failure.empty() || !one.cancelled);
      if (!heard.ended)
        continue;
      const bool is_full = heard.ended->reason == EndReason::context_full;
      const int room = options_.context_tokens - static_cast<int>(one.prompt.size());
      const int said = is_full ? std::max(room, 1) : one.max_tokens; // the last one needs no cell
      EXPECT_EQ(heard.text(), expected_text(one.prompt, said));
      EXPECT_GE(heard.started->computed, 1);
      EXPECT_EQ(heard.started->prompt_tokens, static_cast<int>(one.prompt.size()));
    }
  }

  /// Nobody comes before an interactive request that was there earlier, and kPatience ones at most
  /// before any other.
  void check_order() {
    if (shares_)
      return;
    for (std::size_t place = 0; place < simulation_.decoder.samplers.size(); ++place) {
      const auto earlier = std::span(simulation_.decoder.samplers).first(place);
      const std::uint32_t id = simulation_.decoder.samplers[place].seed;
      const auto overtaking = std::ranges::count_if(
          earlier, [id](const SamplingOptions& other) { return other.seed > id; });
      const bool is_interactive =
          std::ranges::find(asked_, JobId{id}, &Watched::id)->priority == Priority::interactive;
      EXPECT_LE(overtaking, is_interactive ? 0 : RunningJob::kPatience) << "before request " << id;
      tried_.overtaken += static_cast<std::uint64_t>(overtaking);
    }
  }

  void count() {
    const SchedulerStats stats = simulation_.scheduler.stats();
    tried_.paused += stats.paused;
    tried_.restored += stats.restored_tokens;
    tried_.evicted += stats.evicted_tokens;
    for (const Watched& one : asked_) {
      tried_.cancelled += one.cancelled ? 1 : 0;
      tried_.failed += simulation_.heard(one.id).failure.empty() ? 0 : 1;
    }
  }

  std::mt19937_64 random_;
  Tried& tried_;
  bool shares_;
  std::optional<kv::BlockStore> store_;
  SchedulerOptions options_;
  Simulation simulation_;
  std::vector<Watched> asked_;
};

TEST(SchedulerSchedules, NobodyStarvesNothingIsLostAndBudgetsAreKept) {
  Tried tried;
  if (const auto one = asked_number("ANYCLAUDE_SCHEDULE")) {
    Schedule(*one, tried).run();
    return;
  }
  const std::uint64_t count = asked_number("ANYCLAUDE_SCHEDULES").value_or(2000);
  for (std::uint64_t seed = 0; seed < count; ++seed) {
    Schedule(seed, tried).run();
    ASSERT_FALSE(HasFailure()) << "ANYCLAUDE_SCHEDULE=" << seed << " is the one that failed";
  }
  for (const std::uint64_t times : {tried.refused, tried.cancelled, tried.failed, tried.paused,
                                    tried.overtaken, tried.restored / 100, tried.evicted / 100})
    EXPECT_GT(times, count / 100) << "or little was tried";
  std::cout << std::format("{} schedules: {} requests refused, {} cancelled, {} failed, {} pauses, "
                           "{} overtakings, {} tokens restored, {} evicted\n",
                           count, tried.refused, tried.cancelled, tried.failed, tried.paused,
                           tried.overtaken, tried.restored, tried.evicted);
}

} // namespace
} // namespace anyclaude::engine
