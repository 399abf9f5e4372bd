#pragma once

#include "engine/fake_decoder.h"
#include "engine/heard.h"
#include "engine/scheduler.h"
#include "kv/token_lists.h"

#include <gtest/gtest.h>

#include <functional>
#include <map>
#include <memory>
#include <numeric>
#include <string>
#include <utility>
#include <vector>

namespace anyclaude::engine {

using kv::operator+;

inline constexpr int kSmallBlock = 16; // tokens

/// Tokens that no answer consists of, different for every `seed`.
inline std::vector<Token> words(int seed, int count) {
  std::vector<Token> tokens(static_cast<std::size_t>(count));
  std::ranges::iota(tokens, 10'000 * (seed + 1));
  return tokens;
}

inline std::vector<Token> bytes(std::string_view text) {
  std::vector<Token> tokens;
  for (const char c : text)
    tokens.push_back(static_cast<unsigned char>(c));
  return tokens;
}

/// A greedy request.
inline Job job_of(std::vector<Token> prompt, int max_tokens = 8, std::string tenant = "anna") {
  Job job;
  job.tenant = std::move(tenant);
  job.prompt = std::move(prompt);
  job.sampling.temperature = 0;
  job.max_tokens = max_tokens;
  return job;
}

inline Job with_ends(Job job, std::vector<int> boundaries) {
  job.boundaries = std::move(boundaries);
  return job;
}

inline Job background(Job job) {
  job.priority = Priority::background;
  return job;
}

/// Room for whatever comes.
inline SchedulerOptions roomy(int cells = 8192) {
  SchedulerOptions options;
  options.context_tokens = cells;
  options.batch_tokens = 128;
  return options;
}

/// A scheduler over a decoder of plain arrays, and what each job's client heard.
class Simulation {
 public:
  explicit Simulation(const SchedulerOptions& options)
      : decoder(options.context_tokens, options.batch_tokens,
                options.sequences + (options.store ? 1 : 0), options.checkpoints),
        scheduler(decoder, with_clock(options)) {
    if (options.store)
      decoder.cost = [this](auto batch) { return decoder.by_cells(batch); };
  }

  JobId add(Job job) {
    const JobId id = next_++;
    EXPECT_TRUE(offer(id, std::move(job)));
    return id;
  }

  /// Whether the queue has taken it.
  bool offer(JobId id, Job job) {
    auto heard = std::make_shared<Heard>();
    job.on_event = [heard](const JobEvent& event) { (*heard)(event); };
    heard_[id] = heard;
    return scheduler.add(id, std::move(job));
  }

  const Heard& heard(JobId id) const { return *heard_.at(id); }

  /// Adds a job and runs until everything has ended.
  const Heard& run(Job job) {
    const JobId id = add(std::move(job));
    run();
    return heard(id);
  }

  void run() {
    for (int steps = 0; scheduler.step(); ++steps) {
      scheduler.check();
      ASSERT_EQ(scheduler.stats().cells_used, decoder.cells_used());
      ASSERT_LT(steps, 100'000) << "the jobs do not end";
    }
    EXPECT_EQ(scheduler.stats().running, 0);
    EXPECT_EQ(scheduler.stats().queued, 0);
  }

  /// What is done while nothing is asked, until there is nothing of that either.
  void idle() {
    for (int steps = 0; scheduler.work_while_idle(); ++steps) {
      scheduler.check();
      ASSERT_EQ(scheduler.stats().cells_used, decoder.cells_used());
      ASSERT_LT(steps, 10'000) << "idle work does not end";
    }
  }

  /// One step, which must find work.
  const std::vector<BatchToken>& step() {
    EXPECT_TRUE(scheduler.step());
    scheduler.check();
    return decoder.batches.back();
  }

  /// Runs to the end. Before each token of this answer one block at most may come, and one may go;
  /// nobody waits for the others. Between two steps, `between` is called. How many came and went
  /// beside the answer.
  std::pair<int, int> run_beside(JobId answering, const std::function<void()>& between = [] {}) {
    const std::pair before(decoder.imported, decoder.exported);
    std::pair<int, int> moved;
    for (bool more = true; more;) {
      const bool answers = !heard(answering).over();
      const int imported = decoder.imported;
      const int exported = decoder.exported;
      const std::size_t batches = decoder.batches.size();
      more = scheduler.step();
      scheduler.check();
      if (answers) {
        EXPECT_LE(decoder.imported - imported, 1);
        EXPECT_LE(decoder.exported - exported, 1);
        EXPECT_EQ(decoder.batches.size() - batches, 1u) << "the answer did not go on";
        moved = {decoder.imported - before.first, decoder.exported - before.second};
      }
      between();
    }
    return moved;
  }

  FakeDecoder decoder;
  Scheduler scheduler;

 private:
  SchedulerOptions with_clock(SchedulerOptions options) const {
    options.clock = [this] { return decoder.now; };
    return options;
  }

  JobId next_ = 1;
  std::map<JobId, std::shared_ptr<Heard>> heard_;
};

/// What a job should say, from its prompt alone.
inline std::string expected_text(std::vector<Token> prompt, int max_tokens) {
  std::string text;
  for (int i = 0; i < max_tokens; ++i) {
    prompt.push_back(FakeDecoder::letter(prompt));
    text += static_cast<char>(prompt.back());
  }
  return text;
}

/// Tokens of a batch by sequence.
inline std::map<SequenceId, int> shares(const std::vector<BatchToken>& batch) {
  std::map<SequenceId, int> counts;
  for (const BatchToken& token : batch)
    ++counts[token.sequence];
  return counts;
}

} // namespace anyclaude::engine
