// Forks and evictions at random over models with a state, and over memories that are broken on
// purpose: what would be silently wrong has to be seen.
#include "engine/forwarding_decoder.h"
#include "engine/memory_kinds.h"
#include "engine/reuse_check.h"
#include "kv/checkpoint_tree.h"
#include "kv/prefix_tree.h"
#include "rounds.h"

#include <gtest/gtest.h>

#include <memory>
#include <random>

namespace anyclaude::engine {
namespace {

class MemoryFaultTest : public MemoryKindTest {};

/// Prompts that share beginnings, with the logits behind each of their tokens from a computation of
/// their own.
class KnownPrompts {
 public:
  explicit KnownPrompts(const Reference& reference) {
    for (std::uint32_t stem = 0; stem < 3; ++stem)
      for (std::uint32_t branch = 0; branch < 3; ++branch)
        add(reference, random_words(stem, 40) +
                           random_words(10 + stem, 10 + 9 * static_cast<int>(branch)) +
                           random_words(20 + 3 * stem + branch, 25));
  }
  void add(const Reference& reference, std::vector<Token> prompt) {
    rows.push_back(reference.logits(prompt, prompt.size()));
    prompts.push_back(std::move(prompt));
  }
  std::vector<std::vector<Token>> prompts;
  std::vector<std::vector<Logits>> rows; // behind each token
};

/// Runs short schedules one after the other over one memory: requests begin, extend, leave
/// checkpoints, end, are dropped, and cells are made free, at random.
class Schedules {
 public:
  Schedules(const KnownPrompts& known, Decoder& decoder, const SchedulerOptions& options)
      : known_(known), decoder_(decoder), cells_(static_cast<std::size_t>(options.context_tokens)) {
    if (options.checkpoints)
      tree_ = std::make_unique<kv::CheckpointTree>(decoder, cells_, options.sequences, 64U << 20);
    else
      tree_ = std::make_unique<kv::PrefixTree>(decoder, cells_, options.sequences);
  }

  void run(int schedules) {
    for (int i = 0; i < schedules; ++i) {
      for (int action = 0; action < 8; ++action)
        act();
      if (i % 50 == 0) { // from nothing again
        while (!running_.empty())
          end();
        tree_->clear_idle();
      }
    }
  }

  double largest = 0; // difference from what should be
  int compared = 0;
  int reused = 0;

 private:
  struct Running {
    SequenceId sequence;
    std::size_t prompt;
    std::size_t done;
  };

  std::size_t any(std::size_t below) { return random_() % below; }

  void act() {
    const std::size_t action = any(10);
    if (action < 3 || running_.empty())
      begin();
    else if (action < 7)
      extend(running_[any(running_.size())]);
    else if (action == 7)
      tree_->checkpoint(running_[any(running_.size())].sequence);
    else if (action == 8)
      end();
    else
      tree_->reserve(any(cells_ / 2));
    tree_->check();
  }

  void begin() {
    const std::size_t prompt = any(known_.prompts.size());
    const auto& tokens = known_.prompts[prompt];
    const auto lease = tree_->begin("anna", tokens, static_cast<int>(tokens.size()) - 1);
    if (!lease)
      return end();
    reused += lease->reused > 0 ? 1 : 0;
    running_.push_back({lease->sequence, prompt, static_cast<std::size_t>(lease->reused)});
  }

  void extend(Running& job) {
    const auto& tokens = known_.prompts[job.prompt];
    const std::size_t count = std::min(tokens.size() - job.done, 1 + any(30));
    if (count == 0)
      return end();
    if (!tree_->reserve(count))
      return end();
    std::vector<BatchToken> batch;
    for (std::size_t i = job.done; i < job.done + count; ++i)
      batch.push_back({tokens[i], static_cast<int>(i), job.sequence, false});
    batch.back().output = true;
    ASSERT_EQ(decoder_.decode(batch), DecodeStatus::ok);
    tree_->extend(job.sequence, std::span(tokens).subspan(job.done, count));
    job.done += count;
    const auto row = decoder_.logits(static_cast<int>(count) - 1);
    largest = std::max(
        largest, difference(known_.rows[job.prompt][job.done - 1], Logits(row.begin(), row.end())));
    ++compared;
  }

  void end() {
    if (running_.empty())
      return;
    const auto job = running_.begin() + static_cast<long>(any(running_.size()));
    if (any(4) == 0)
      tree_->drop(job->sequence);
    else
      tree_->finish(job->sequence);
    running_.erase(job);
  }

  const KnownPrompts& known_;
  Decoder& decoder_;
  std::unique_ptr<kv::PrefixCache> tree_;
  std::size_t cells_;
  std::vector<Running> running_;
  std::mt19937 random_{7};
};

void expect_exact_schedules(const Subject& subject, const SchedulerOptions& options) {
  const auto decoder = subject.decoder(options);
  const KnownPrompts known(subject.reference);
  Schedules schedules(known, *decoder, options);
  const int count = rounds("ANYCLAUDE_FORK_SCHEDULES", 200);
  schedules.run(count);
  EXPECT_GT(schedules.compared, count);
  EXPECT_GT(schedules.reused, count * 3 / 10);
  EXPECT_LT(schedules.largest, subject.tolerance);
}

/// A thousand of them take half a minute: ANYCLAUDE_FORK_SCHEDULES sets how many.
TEST_P(MemoryFaultTest, SchedulesOfForksAndEvictionsAreExact) {
  expect_exact_schedules(subject(), options_of(512));
}

TEST(FullAttention, SchedulesOfForksAndEvictionsAreExact) {
  SchedulerOptions options = options_of(512);
  options.checkpoints = false;
  expect_exact_schedules(
      Subject::of({"Full", MemoryKind::full_attention, demo::Architecture::qwen3}), options);
}

// --- the same over a memory that is broken on purpose ---

enum class Fault {
  none,
  not_restored, // a fork keeps the state that its source has now
  other_text,   // a fork gets the state of another text of the same length
  early_state,  // a checkpoint is taken one token too early
  cell_missing, // a share leaves one cell out
  cells_kept,   // what is cleared stays
};

class Saboteur : public ForwardingDecoder {
 public:
  Saboteur(LlamaDecoder& decoder, Fault fault) : ForwardingDecoder(decoder), fault_(fault) {}

  DecodeStatus decode(std::span<const BatchToken> batch) override {
    if (fault_ != Fault::early_state || batch.size() < 2 ||
        batch.front().sequence != batch.back().sequence)
      return ForwardingDecoder::decode(batch);
    // Only the last token has an output here, and it is index 0 of the second part.
    const auto status = ForwardingDecoder::decode(batch.first(batch.size() - 1));
    early_ = ForwardingDecoder::save(batch.front().sequence);
    offset_ = static_cast<int>(batch.size()) - 1;
    return status == DecodeStatus::ok ? ForwardingDecoder::decode(batch.last(1)) : status;
  }
  std::span<const float> logits(int index) override {
    return ForwardingDecoder::logits(index - std::exchange(offset_, 0));
  }
  std::vector<std::byte> save(SequenceId sequence) override {
    auto state = ForwardingDecoder::save(sequence);
    states_.push_back(state);
    return fault_ == Fault::early_state ? early_ : state;
  }
  bool restore(SequenceId sequence, std::span<const std::byte> state, int length) override {
    if (fault_ == Fault::not_restored)
      return true;
    if (fault_ == Fault::other_text)
      for (const auto& other : states_)
        if (!std::ranges::equal(other, state) &&
            ForwardingDecoder::restore(sequence, other, length))
          return true;
    return ForwardingDecoder::restore(sequence, state, length);
  }
  void share(SequenceId from, SequenceId to, int begin, int end) override {
    if (fault_ != Fault::cell_missing)
      return ForwardingDecoder::share(from, to, begin, end);
    const int missing = end - 3;
    ForwardingDecoder::share(from, to, begin, missing);
    ForwardingDecoder::share(from, to, missing + 1, end);
  }
  void clear(SequenceId sequence) override {
    if (fault_ != Fault::cells_kept)
      ForwardingDecoder::clear(sequence);
  }

 private:
  Fault fault_;
  std::vector<std::byte> early_;
  std::vector<std::vector<std::byte>> states_;
  int offset_ = 0;
};

/// The largest difference of a fork's logits; infinite when the memory was caught in the act.
double distance_with(const Subject& subject, Fault fault) {
  SchedulerOptions options = options_of(2048);
  options.sequences = 5; // so little room for windows that what a window has left is overwritten
  const auto decoder = subject.decoder(options);
  Saboteur memory(*decoder, fault);
  kv::CheckpointTree tree(memory, 2048, options.sequences, 64U << 20);
  constexpr double kCaught = std::numeric_limits<double>::infinity();
  double most = 0;
  const auto compute = [&](const std::vector<Token>& prompt, int checkpoint) {
    const auto lease = tree.begin("anna", prompt, static_cast<int>(prompt.size()) - 1);
    std::vector<BatchToken> batch;
    for (int i = lease->reused; std::cmp_less(i, prompt.size()); ++i) {
      batch.push_back({prompt[i], i, lease->sequence, false});
      const bool last = i + 1 == static_cast<int>(prompt.size());
      if (!last && i + 1 != checkpoint && batch.size() < 64)
        continue;
      batch.back().output = true;
      if (memory.decode(batch) != DecodeStatus::ok)
        return kCaught;
      tree.extend(lease->sequence, std::span(prompt).subspan(batch.front().position, batch.size()));
      if (last) {
        const auto row = memory.logits(static_cast<int>(batch.size()) - 1);
        most = std::max(most, difference(subject.reference.logits(prompt, 1).front(),
                                         Logits(row.begin(), row.end())));
      }
      if (i + 1 == checkpoint)
        tree.checkpoint(lease->sequence);
      batch.clear();
    }
    tree.finish(lease->sequence);
    return static_cast<double>(lease->reused);
  };
  for (std::uint32_t family = 0; family < 2; ++family)
    if (compute(random_words(family, 100) + random_words(10 + family, 50), 100) == kCaught)
      return kCaught;
  for (std::uint32_t family = 0; family < 2; ++family)
    for (std::uint32_t fork = 0; fork < 2; ++fork)
      if (compute(random_words(family, 100) + random_words(20 + 2 * family + fork, 12), 0) != 100)
        return kCaught; // refused, and so computed again
  tree.clear_idle();
  for (std::uint32_t i = 0; i < 10; ++i) // where the sequences were before
    if (compute(random_words(40 + i, 90), 0) == kCaught)
      return kCaught;
  return most;
}

TEST_P(MemoryFaultTest, IsExactInTheRunThatIsSabotagedBelow) {
  EXPECT_LT(distance_with(subject(), Fault::none), subject().tolerance);
}

TEST_P(MemoryFaultTest, EveryFaultIsSeen) {
  for (const auto& [name, fault] : {std::pair{"not restored", Fault::not_restored},
                                    {"another text's", Fault::other_text},
                                    {"one token early", Fault::early_state},
                                    {"a cell missing", Fault::cell_missing},
                                    {"cells kept", Fault::cells_kept}}) {
    // Its cells are nothing that the recurrent model looks at.
    if (fault == Fault::cell_missing && GetParam().memory == MemoryKind::recurrent)
      continue;
    EXPECT_GT(distance_with(subject(), fault), subject().tolerance) << name;
  }
}

TEST_P(MemoryFaultTest, TheCheckAtLoadSeesTheSameFaults) {
  const SchedulerOptions options = options_of(1024);
  const ReuseCheckOptions checking{.context_tokens = 1024,
                                   .batch_tokens = options.batch_tokens,
                                   .vocabulary = subject().model->vocab_size(),
                                   .window = subject().model->facts().window};
  EXPECT_EQ(checking.window, GetParam().memory == MemoryKind::sliding_window ? kWindow : 0);
  for (const Fault fault :
       {Fault::none, Fault::not_restored, Fault::cell_missing, Fault::cells_kept}) {
    // What a window has left stays in its cells until they are needed: here, the fork is right.
    if (fault == Fault::not_restored && checking.window > 0)
      continue;
    if (fault == Fault::cell_missing && GetParam().memory == MemoryKind::recurrent)
      continue;
    const auto decoder = subject().decoder(options);
    Saboteur memory(*decoder, fault);
    const ReuseVerdict verdict = check_reuse(memory, checking);
    EXPECT_EQ(verdict.exact, fault == Fault::none)
        << static_cast<int>(fault) << ": " << verdict.difference << " " << verdict.noise << " "
        << verdict.other;
  }
}

INSTANTIATE_TEST_SUITE_P(Kinds, MemoryFaultTest, testing::ValuesIn(kKinds),
                         [](const auto& kind) { return kind.param.name; });

} // namespace
} // namespace anyclaude::engine
