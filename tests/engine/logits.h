#pragma once

#include "engine/heard.h"
#include "engine/llama_decoder.h"
#include "engine/scheduler.h"
#include "engine/test_models.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <list>
#include <span>
#include <string>
#include <utility>
#include <vector>

namespace anyclaude::engine {

using Logits = std::vector<float>;

/// One request that was answered, and the logits that each of its tokens was drawn from.
struct Answered {
  std::string tenant;
  std::vector<Token> prompt;
  int max_tokens = 0;
  std::vector<Logits> logits;
  Heard heard;

  /// The tokens it said: greedy sampling takes the most probable one.
  std::vector<Token> said() const {
    std::vector<Token> tokens;
    for (const Logits& step : logits)
      tokens.push_back(static_cast<Token>(std::ranges::max_element(step) - step.begin()));
    return tokens;
  }
  /// What a follow-up begins with.
  std::vector<Token> conversation() const {
    std::vector<Token> tokens = prompt;
    const auto more = said();
    tokens.insert(tokens.end(), more.begin(), more.end());
    return tokens;
  }
};

/// Root of the mean squared difference of two rows of logits. Less noisy than the largest one.
inline double difference(const Logits& a, const Logits& b) {
  double sum = 0;
  for (std::size_t i = 0; i < a.size(); ++i)
    sum += (static_cast<double>(a[i]) - b[i]) * (static_cast<double>(a[i]) - b[i]);
  return std::sqrt(sum / static_cast<double>(a.size()));
}

/// The difference that is allowed, between what batch shapes make (`noise`, of some that were
/// tried: others make a few times more, how much depends on the processor) and what one wrong token
/// makes at least (`wrong`, hundreds of times as much). A state that is updated alike in all shapes
/// has no noise.
inline double allowed_difference(double noise, double wrong) {
  return noise == 0 ? 1e-6 : std::max(4 * noise, wrong / 40);
}

/// How a text is divided into batches, and what else is in each of them.
struct BatchShape {
  int tokens = 512;
  int beside = 0;         // other sequences that get a part of every batch
  bool scattered = false; // the pool has gaps where cells were freed
};

/// Logits behind the last `count` tokens of a text, computed by libllama alone: from the first
/// token on, in a sequence of its own, nothing reused.
class Reference {
 public:
  explicit Reference(const Model& model) : model_(model) {}

  std::vector<Logits> logits(std::span<const Token> text, std::size_t count,
                             BatchShape shape = {}) const {
    ContextOptions options;
    options.context_tokens = 8192;
    options.batch_tokens = 512;
    options.sequences = shape.beside + 2;
    options.max_outputs = 128;
    options.threads = 1; // two that wait for each other are slow where others use the processor
    auto decoder = LlamaDecoder::create(model_, options);
    EXPECT_TRUE(decoder) << decoder.error();
    if (shape.scattered)
      scatter(**decoder, shape.beside + 1);

    std::vector<Logits> rows;
    const std::size_t first_output = text.size() - count;
    const auto chunk = static_cast<std::size_t>(shape.tokens);
    for (std::size_t begin = 0; begin < text.size(); begin += chunk) {
      const std::size_t end = std::min(text.size(), begin + chunk);
      std::vector<BatchToken> batch = neighbours(shape.beside, static_cast<int>(begin / chunk));
      const std::size_t before = batch.size();
      for (std::size_t i = begin; i < end; ++i)
        batch.push_back({text[i], static_cast<int>(i), 0, i >= first_output});
      if ((*decoder)->decode(batch) != DecodeStatus::ok) {
        ADD_FAILURE() << "cannot decode tokens " << begin << " to " << end;
        return {};
      }
      for (std::size_t i = std::max(begin, first_output); i < end; ++i) {
        const auto row = (*decoder)->logits(static_cast<int>(before + i - begin));
        rows.emplace_back(row.begin(), row.end());
      }
    }
    return rows;
  }

  /// The largest difference between what a request's tokens were drawn from and what they should
  /// have been drawn from.
  double distance(const Answered& answered) const {
    if (answered.logits.empty())
      return std::numeric_limits<double>::infinity(); // it failed
    auto text = answered.conversation();
    text.pop_back(); // drawn, never computed
    return largest(answered.logits, logits(text, answered.logits.size()));
  }

  static double largest(std::span<const Logits> a, std::span<const Logits> b) {
    double most = a.size() == b.size() ? 0 : std::numeric_limits<double>::infinity();
    for (std::size_t i = 0; i < std::min(a.size(), b.size()); ++i)
      most = std::max(most, difference(a[i], b[i]));
    return most;
  }

 private:
  /// Eight tokens each of `count` other sequences, for the batch of this number.
  static std::vector<BatchToken> neighbours(int count, int number) {
    constexpr int kEach = 8;
    std::vector<BatchToken> batch;
    for (SequenceId sequence = 1; sequence <= count; ++sequence)
      for (int i = 0; i < kEach; ++i)
        batch.push_back({100 * sequence + i, number * kEach + i, sequence, false});
    return batch;
  }

  /// Leaves every second run of 16 cells free among used ones.
  static void scatter(LlamaDecoder& decoder, SequenceId filler) {
    constexpr int kRun = 16;
    std::vector<BatchToken> batch;
    for (int i = 0; i < 512; ++i)
      batch.push_back({static_cast<Token>(i), i, filler, false});
    EXPECT_EQ(decoder.decode(batch), DecodeStatus::ok);
    for (int begin = kRun; begin < 512; begin += 2 * kRun)
      decoder.remove(filler, begin, std::min(begin + kRun, 512));
  }

  const Model& model_;
};

/// Requests that run side by side over a decoder, on this thread, so that what they find in the
/// pool is the same every time.
class LogitsRun {
 public:
  LogitsRun(Decoder& decoder, const SchedulerOptions& options) : scheduler(decoder, options) {}

  const Answered& ask(std::string tenant, std::vector<Token> prompt, int max_tokens,
                      std::vector<int> boundaries = {}, std::vector<PlacedImage> images = {}) {
    Answered& answered = all.emplace_back();
    answered.tenant = std::move(tenant);
    answered.prompt = std::move(prompt);
    answered.max_tokens = max_tokens;
    Job job;
    job.tenant = answered.tenant;
    job.prompt = answered.prompt;
    job.boundaries = std::move(boundaries);
    job.images = std::move(images);
    job.sampling.temperature = 0;
    job.max_tokens = max_tokens;
    job.on_event = [&answered](const JobEvent& event) { answered.heard(event); };
    job.on_logits = [&answered](std::span<const float> row) {
      answered.logits.emplace_back(row.begin(), row.end());
    };
    EXPECT_TRUE(scheduler.add(all.size(), std::move(job)));
    return answered;
  }

  void run() {
    int queued = scheduler.stats().queued;
    while (scheduler.step()) {
      scheduler.check();
      suspensions += std::max(0, scheduler.stats().queued - queued);
      queued = scheduler.stats().queued;
    }
  }

  Scheduler scheduler;
  std::list<Answered> all; // in the order they were asked; addresses stay
  int suspensions = 0;     // how often a job went from running back to the queue
};

} // namespace anyclaude::engine
