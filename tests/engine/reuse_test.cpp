// Whether an answer on a reused prefix is the answer: judged by logits on random weights, against
// libllama computing the same text from its first token on.
//
// The texts themselves prove nothing: batches of another shape change the logits a little, and a
// greedy answer may then go another way with no fault anywhere. So it is measured first how much
// the shapes alone do, and every comparison is made at that scale.
#include "engine/forwarding_decoder.h"
#include "engine/logits.h"
#include "kv/token_lists.h"

#include <gtest/gtest.h>

#include <limits>
#include <map>
#include <numeric>
#include <ranges>

namespace anyclaude::engine {
namespace {

constexpr int kAnswer = 16; // tokens

using kv::operator+;

const Reference& reference() {
  static const Reference kReference(random_model());
  return kReference;
}

/// What is done to the logits, with nothing reused.
struct Measured {
  /// By batch shapes alone: chunks of one prompt on either side of the 64 tokens at which ggml
  /// takes another attention kernel, other requests in the same batch, and cells that are not
  /// contiguous.
  double noise = 0;
  double wrong = std::numeric_limits<double>::infinity(); // by one wrong token, at least
};

const Measured& measured() {
  static const Measured kMeasured = [] {
    Measured made;
    for (const int size : {120, 320}) {
      const auto text = random_words(static_cast<std::uint32_t>(size), size);
      const auto whole = reference().logits(text, kAnswer);
      for (const BatchShape& shape : {BatchShape{256},
                                      {64},
                                      {63},
                                      {17},
                                      {3},
                                      {128, 5},
                                      {40, 12},
                                      {512, 0, true},
                                      {33, 3, true}})
        made.noise = std::max(made.noise,
                              Reference::largest(whole, reference().logits(text, kAnswer, shape)));
      for (const int at : {0, 1, size / 2, size - kAnswer - 1}) {
        auto wrong = text;
        wrong[static_cast<std::size_t>(at)] += 1;
        made.wrong =
            std::min(made.wrong, Reference::largest(whole, reference().logits(wrong, kAnswer)));
      }
    }
    return made;
  }();
  return kMeasured;
}

double tolerance() {
  return allowed_difference(measured().noise, measured().wrong);
}

SchedulerOptions options_of(int context_tokens, int batch_tokens) {
  SchedulerOptions options;
  options.context_tokens = context_tokens;
  options.batch_tokens = batch_tokens;
  options.sequences = 32;
  return options;
}

std::unique_ptr<LlamaDecoder> decoder_for(const SchedulerOptions& scheduling) {
  ContextOptions options;
  options.context_tokens = scheduling.context_tokens;
  options.batch_tokens = scheduling.batch_tokens;
  options.sequences = scheduling.sequences;
  options.threads = 1;
  auto decoder = LlamaDecoder::create(random_model(), options);
  EXPECT_TRUE(decoder) << decoder.error();
  return std::move(*decoder);
}

/// 16 requests at once: four families that share a beginning, three of them long enough to wait
/// for; the fourth's is computed by several at a time and then kept once. The last of each family
/// is another tenant's copy of its first.
void ask_sixteen(LogitsRun& run, int max_tokens) {
  for (std::uint32_t family = 0; family < 4; ++family) {
    const auto beginning =
        random_words(family, family == 3 ? 40 : 150 + 37 * static_cast<int>(family));
    for (std::uint32_t member = 0; member < 3; ++member)
      run.ask("anna",
              beginning +
                  random_words(100 + 10 * family + member, 12 + 9 * static_cast<int>(member)),
              max_tokens);
    run.ask("bert", beginning + random_words(100 + 10 * family, 12), max_tokens);
  }
}

/// Then each goes on: with another question, from the middle of what was there, or all over again.
void ask_on(LogitsRun& run, int max_tokens) {
  std::uint32_t seed = 500;
  std::vector<Answered> before(run.all.begin(), run.all.end());
  for (const Answered& first : before) {
    ++seed;
    auto prompt = first.conversation();
    if (seed % 4 == 1) {
      prompt.resize(prompt.size() / 2 + seed % 7);
      prompt = prompt + random_words(seed, 25);
    } else if (seed % 4 == 2) {
      prompt = first.prompt;
    } else {
      prompt = prompt + random_words(seed, 20);
    }
    run.ask(first.tenant, std::move(prompt), max_tokens);
  }
}

/// The largest difference of any answer from the reference.
double largest_distance(const LogitsRun& run) {
  double most = 0;
  for (const Answered& answered : run.all)
    most = std::max(most, reference().distance(answered));
  return most;
}

TEST(Reuse, HasTeeth) {
  RecordProperty("noise", std::to_string(measured().noise));
  RecordProperty("wrong", std::to_string(measured().wrong));
  EXPECT_GT(measured().noise, 0) << "nothing was compared";
  EXPECT_LT(measured().noise, 0.1);
  EXPECT_GT(measured().wrong, 5 * tolerance());
  for (const int size : {120, 320}) {
    const auto text = random_words(static_cast<std::uint32_t>(size), size);
    const auto right = reference().logits(text, kAnswer);
    const auto other =
        random_words(9, size - kAnswer) + std::vector(text.end() - kAnswer, text.end());
    EXPECT_GT(Reference::largest(right, reference().logits(other, kAnswer)), 10 * tolerance());
  }
}

/// Two rounds of sixteen over a pool that has room for everything.
void check_rounds(const SchedulerOptions& options) {
  const auto decoder = decoder_for(options);
  LogitsRun run(*decoder, options);
  ask_sixteen(run, kAnswer);
  run.run();
  // Of each family of the first round, only one member of a tenant computes the beginning.
  for (std::size_t i = 0; const Answered& answered : run.all) {
    if (answered.tenant == "bert") {
      EXPECT_EQ(answered.heard.reused(), 0) << "another tenant's prefix was used";
    } else if (i % 4 > 0 && i < 12) {
      EXPECT_GE(answered.heard.reused(), 150 - 63) << i; // it does not wait for less than 64
    }
    ++i;
  }
  ask_on(run, kAnswer);
  run.run();
  for (const Answered& answered : run.all | std::views::drop(16))
    EXPECT_GT(answered.heard.reused(), 20);
  EXPECT_EQ(run.scheduler.stats().evicted_tokens, 0U);
  EXPECT_LT(largest_distance(run), tolerance());
}

TEST(Reuse, SixteenAtOnceAndTheirFollowUps) {
  check_rounds(options_of(8192, 512));
}

TEST(Reuse, SixteenAtOnceInSmallBatches) {
  check_rounds(options_of(8192, 64));
}

TEST(Reuse, UnderEvictionAndSuspension) {
  const SchedulerOptions options = options_of(1024, 128);
  const auto decoder = decoder_for(options);
  LogitsRun run(*decoder, options);
  ask_sixteen(run, 3 * kAnswer);
  run.run();
  ask_on(run, 3 * kAnswer);
  run.run();
  EXPECT_GT(run.suspensions, 0);
  EXPECT_GT(run.scheduler.stats().evicted_tokens, 1000U);
  EXPECT_GT(run.scheduler.stats().reused_tokens, 1000U);
  EXPECT_LT(largest_distance(run), tolerance());
}

TEST(Reuse, CancelledRequestsLeaveTheirPrefixesExact) {
  const SchedulerOptions options = options_of(4096, 64);
  const auto decoder = decoder_for(options);
  LogitsRun run(*decoder, options);
  ask_sixteen(run, kAnswer);
  for (JobId id = 1; id <= 16; ++id) { // each at another place
    run.scheduler.step();
    run.scheduler.cancel(id);
  }
  run.run();
  const std::size_t cancelled = run.all.size();
  ask_sixteen(run, kAnswer);
  run.run();
  double most = 0;
  int reused = 0;
  for (const Answered& answered : run.all | std::views::drop(cancelled)) {
    most = std::max(most, reference().distance(answered));
    reused += answered.heard.reused();
  }
  EXPECT_GT(reused, 1000);
  EXPECT_LT(most, tolerance());
}

// --- the same comparison over a memory that is broken on purpose ---

enum class Fault {
  none,
  first_missing,  // a share leaves the first position out
  middle_missing, // … one in the middle
  last_missing,   // … the last one
  other_sequence, // a share takes the cells of another sequence
  cells_kept,     // what is removed stays
};

/// Passes everything on to a real decoder, with one fault.
class Saboteur : public ForwardingDecoder {
 public:
  Saboteur(Decoder& decoder, Fault fault)
      : ForwardingDecoder(decoder), decoder_(decoder), fault_(fault) {}

  void share(SequenceId from, SequenceId to, int begin, int end) override {
    length_[to] = std::max(length_[to], end);
    const int middle = std::midpoint(begin, end);
    switch (fault_) {
    case Fault::first_missing:
      decoder_.share(from, to, begin + 1, end);
      return;
    case Fault::middle_missing:
      decoder_.share(from, to, begin, middle);
      decoder_.share(from, to, middle + 1, end);
      return;
    case Fault::last_missing:
      decoder_.share(from, to, begin, end - 1);
      return;
    case Fault::other_sequence:
      for (const auto& [sequence, length] : length_)
        if (sequence != from && sequence != to && length >= end)
          return decoder_.share(sequence, to, begin, end);
      break;
    case Fault::none:
    case Fault::cells_kept:
      break;
    }
    decoder_.share(from, to, begin, end);
  }

  void remove(SequenceId sequence, int begin, int end) override {
    length_[sequence] = std::min(length_[sequence], begin);
    if (fault_ != Fault::cells_kept)
      decoder_.remove(sequence, begin, end);
  }

  DecodeStatus decode(std::span<const BatchToken> batch) override {
    for (const BatchToken& token : batch)
      length_[token.sequence] = token.position + 1;
    return decoder_.decode(batch);
  }

 private:
  Decoder& decoder_;
  Fault fault_;
  std::map<SequenceId, int> length_;
};

/// Half the requests of the rounds above, so that all faults are tried in reasonable time.
double distance_with(Fault fault) {
  const SchedulerOptions options = options_of(4096, 256);
  const auto decoder = decoder_for(options);
  Saboteur saboteur(*decoder, fault);
  LogitsRun run(saboteur, options);
  for (std::uint32_t member = 0; member < 4; ++member) {
    run.ask("anna", random_words(1, 150) + random_words(10 + member, 20), kAnswer);
    run.ask("anna", random_words(2, 40) + random_words(20 + member, 150), kAnswer);
  }
  run.run();
  return largest_distance(run);
}

TEST(Reuse, IsExactInTheRunThatIsSabotagedBelow) {
  EXPECT_LT(distance_with(Fault::none), tolerance());
}

class ReuseSabotage : public testing::TestWithParam<std::pair<const char*, Fault>> {};

TEST_P(ReuseSabotage, IsReported) {
  EXPECT_GT(distance_with(GetParam().second), tolerance());
}

INSTANTIATE_TEST_SUITE_P(Faults, ReuseSabotage,
                         testing::Values(std::pair("FirstMissing", Fault::first_missing),
                                         std::pair("MiddleMissing", Fault::middle_missing),
                                         std::pair("LastMissing", Fault::last_missing),
                                         std::pair("OtherSequence", Fault::other_sequence),
                                         std::pair("CellsKept", Fault::cells_kept)),
                         [](const auto& fault) { return fault.param.first; });

} // namespace
} // namespace anyclaude::engine
