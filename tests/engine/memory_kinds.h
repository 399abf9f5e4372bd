#pragma once

#include "engine/logits.h"
#include "kv/token_lists.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <limits>
#include <map>
#include <memory>
#include <ostream>
#include <string>
#include <utility>
#include <vector>

/// Models whose memory is not plain full attention, and how to judge what is computed with them.
namespace anyclaude::engine {

inline constexpr int kAnswer = 8;          // tokens
inline constexpr int kWindow = 32;         // tokens, of the tiny model
inline constexpr int kBlock = 2 * kWindow; // tokens

using kv::operator+;

struct Kind {
  const char* name;
  MemoryKind memory;
  demo::Architecture architecture;
};

inline std::ostream& operator<<(std::ostream& out, const Kind& kind) {
  return out << kind.name;
}

inline constexpr Kind kKinds[] = {
    {"SlidingWindow", MemoryKind::sliding_window, demo::Architecture::gemma3},
    {"Recurrent", MemoryKind::recurrent, demo::Architecture::mamba},
    {"Hybrid", MemoryKind::hybrid, demo::Architecture::lfm2}};

/// A model of each kind, and what batch shapes alone do to its logits.
struct Subject {
  explicit Subject(const Kind& kind)
      : model(load_model(random_model_file(kind.architecture))), reference(*model) {
    double noise = 0;
    for (const int size : {30, 160}) {
      const auto text = random_words(static_cast<std::uint32_t>(size), size);
      const auto whole = reference.logits(text, kAnswer);
      for (const BatchShape& shape : {BatchShape{64}, {63}, {17}, {40, 5}})
        noise = std::max(noise, Reference::largest(whole, reference.logits(text, kAnswer, shape)));
      auto wrong = text;
      wrong[wrong.size() - kAnswer - 8] += 1;
      other = std::min(other, Reference::largest(whole, reference.logits(wrong, kAnswer)));
    }
    tolerance = allowed_difference(noise, other);
  }

  static const Subject& of(const Kind& kind) {
    static std::map<std::string, std::unique_ptr<Subject>> subjects;
    auto& subject = subjects[kind.name];
    if (!subject)
      subject = std::make_unique<Subject>(kind);
    return *subject;
  }

  std::unique_ptr<LlamaDecoder> decoder(const SchedulerOptions& scheduling) const {
    ContextOptions options;
    options.context_tokens = scheduling.context_tokens;
    options.batch_tokens = scheduling.batch_tokens;
    options.sequences = scheduling.sequences;
    options.threads = 1;
    auto made = LlamaDecoder::create(*model, options);
    EXPECT_TRUE(made) << made.error();
    return std::move(*made);
  }

  double distance(const LogitsRun& run) const {
    double most = 0;
    for (const Answered& answered : run.all)
      most = std::max(most, reference.distance(answered));
    return most;
  }

  std::unique_ptr<Model> model;
  Reference reference;
  double tolerance = 0;
  double other = std::numeric_limits<double>::infinity(); // what one wrong token makes at least
};

inline SchedulerOptions options_of(int cells) {
  SchedulerOptions options;
  options.context_tokens = cells;
  options.batch_tokens = 64;
  options.max_running = 6;
  options.sequences = 10;
  options.checkpoints = true;
  return options;
}

class MemoryKindTest : public testing::TestWithParam<Kind> {
 protected:
  const Subject& subject() const { return Subject::of(GetParam()); }
};

} // namespace anyclaude::engine
