// Cells that leave a real model's memory as bytes and come back, judged by logits on random
// weights.
#include "engine/forwarding_decoder.h"
#include "engine/logits.h"
#include "kv/block_store.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

namespace anyclaude::engine {
namespace {

using kv::kBlockTokens;

std::unique_ptr<LlamaDecoder> decoder_of(int cells, const std::string& kv_type = "f16") {
  ContextOptions options;
  options.context_tokens = cells;
  options.batch_tokens = 256;
  options.sequences = 17;
  options.threads = 1;
  options.kv_type = kv_type;
  options.moves_blocks = true;
  auto decoder = LlamaDecoder::create(random_model(), options);
  EXPECT_TRUE(decoder) << decoder.error();
  return std::move(*decoder);
}

/// Computes tokens behind `position` others; the logits behind the last one.
Logits compute(Decoder& decoder, SequenceId sequence, std::span<const Token> tokens, int position) {
  for (std::size_t begin = 0; begin < tokens.size(); begin += 256) {
    std::vector<BatchToken> batch;
    for (const Token token :
         tokens.subspan(begin, std::min<std::size_t>(256, tokens.size() - begin)))
      batch.push_back({token, position++, sequence, false});
    batch.back().output = true;
    EXPECT_EQ(decoder.decode(batch), DecodeStatus::ok);
    if (begin + 256 >= tokens.size()) {
      const auto row = decoder.logits(static_cast<int>(batch.size()) - 1);
      return {row.begin(), row.end()};
    }
  }
  return {};
}

using Exported = std::vector<std::pair<int, std::vector<std::byte>>>; // by where they begin

Exported export_all(Decoder& decoder, SequenceId sequence, int length) {
  Exported blocks;
  for (int begin = 0; begin < length; begin += kBlockTokens) {
    std::vector<std::byte> bytes;
    EXPECT_TRUE(
        decoder.export_cells(sequence, begin, std::min(length, begin + kBlockTokens), bytes));
    blocks.emplace_back(begin, std::move(bytes));
  }
  return blocks;
}

class BlocksTest : public testing::TestWithParam<const char*> {};

TEST_P(BlocksTest, ComeBackBitForBit) {
  const int length = 2 * kBlockTokens + 90;
  const auto decoder = decoder_of(2048, GetParam());
  const auto text = random_words(1, length);
  const auto suffix = random_words(2, 20);
  compute(*decoder, 0, text, 0);
  const auto blocks = export_all(*decoder, 0, length);
  const Logits before = compute(*decoder, 0, suffix, length);
  decoder->remove(0, 0, length + 20);

  for (const auto& [begin, bytes] : blocks) {
    const int end = std::min(length, begin + kBlockTokens);
    ASSERT_TRUE(decoder->import_cells(3, begin, end, begin, end, bytes, {}));
  }
  EXPECT_EQ(compute(*decoder, 3, suffix, length), before); // the same layout: the same bits

  // And a part of a block is that part.
  ASSERT_TRUE(decoder->import_cells(4, 0, kBlockTokens, 0, kBlockTokens, blocks[0].second, {}));
  ASSERT_TRUE(decoder->import_cells(4, kBlockTokens, kBlockTokens + 70, kBlockTokens,
                                    2 * kBlockTokens, blocks[1].second, {}));
  const Logits part = compute(*decoder, 4, suffix, kBlockTokens + 70);
  const auto fresh = decoder_of(2048, GetParam());
  compute(*fresh, 0, std::span(text).first(kBlockTokens + 70), 0);
  EXPECT_LT(difference(part, compute(*fresh, 0, suffix, kBlockTokens + 70)), 0.01);
}

TEST_P(BlocksTest, WhatIsNotTheBlockIsRefusedAndNothingChanges) {
  const auto decoder = decoder_of(1024, GetParam());
  const auto text = random_words(1, 2 * kBlockTokens);
  const auto suffix = random_words(2, 20);
  compute(*decoder, 0, text, 0);
  const auto blocks = export_all(*decoder, 0, 2 * kBlockTokens);
  const Logits before = compute(*decoder, 0, suffix, 2 * kBlockTokens);
  decoder->truncate(0, 2 * kBlockTokens);

  const auto& bytes = blocks[1].second;
  const auto all = std::span<const std::byte>(bytes);
  EXPECT_FALSE(
      decoder->import_cells(1, 0, kBlockTokens, 0, kBlockTokens, bytes, {})); // another place
  EXPECT_FALSE(decoder->import_cells(1, kBlockTokens, kBlockTokens + 200, kBlockTokens,
                                     kBlockTokens + 200, bytes, {}));
  for (const std::size_t size : {std::size_t{0}, std::size_t{7}, all.size() / 2, all.size() - 1})
    EXPECT_FALSE(decoder->import_cells(1, kBlockTokens, 2 * kBlockTokens, kBlockTokens,
                                       2 * kBlockTokens, all.first(size), {}));
  std::vector<std::byte> none;
  EXPECT_FALSE(decoder->export_cells(0, kBlockTokens, 3 * kBlockTokens, none)); // more than it has
  EXPECT_FALSE(decoder->export_cells(9, 0, kBlockTokens, none));

  // All cells but the text's are free, and the text is what it was.
  EXPECT_EQ(compute(*decoder, 0, suffix, 2 * kBlockTokens), before);
  compute(*decoder, 5, random_words(3, 1024 - 2 * kBlockTokens - 20), 0);
}

INSTANTIATE_TEST_SUITE_P(KvTypes, BlocksTest, testing::Values("f16", "q8_0"),
                         [](const auto& type) { return std::string(type.param); });

// --- requests over a pool that is too small for what they have in common ---

enum class Fault {
  none,
  wrong_block, // another block of the same place comes back
  shifted,     // cells come back some places further on
  stale_cells, // a block is exported again with the cells of the first one
  zeroed,      // the cells' numbers are lost
};

/// Passes everything on to a real decoder; blocks with one fault.
class BlockSaboteur : public ForwardingDecoder {
 public:
  BlockSaboteur(Decoder& decoder, Fault fault) : ForwardingDecoder(decoder), fault_(fault) {}

  bool export_cells(SequenceId sequence, int begin, int end,
                    std::vector<std::byte>& bytes) override {
    const bool done = ForwardingDecoder::export_cells(sequence, begin, end, bytes);
    auto& first = seen_[{begin, end}];
    if (first.empty())
      first = bytes;
    else if (fault_ == Fault::stale_cells)
      bytes = first;
    else if (fault_ == Fault::wrong_block)
      std::swap(bytes, first);
    return done;
  }

  bool import_cells(SequenceId sequence, int begin, int end, int first, int last,
                    std::span<const std::byte> bytes, std::span<const Token> tokens) override {
    std::vector<std::byte> copy(bytes.begin(), bytes.end());
    // Keys and values of each layer stand one after the other, with a few words in front of each
    // that libllama looks at.
    constexpr std::size_t kParts = 8;
    constexpr std::size_t kSpared = 8192;
    for (std::size_t i = 0; i < kParts; ++i) {
      const auto part = std::span(copy).subspan(i * copy.size() / kParts, copy.size() / kParts);
      const auto data = part.subspan(kSpared, part.size() - 2 * kSpared);
      if (fault_ == Fault::zeroed)
        std::ranges::fill(data, std::byte{0});
      if (fault_ == Fault::shifted)
        std::copy_backward(data.begin(), data.end() - kSpared, data.end());
    }
    return ForwardingDecoder::import_cells(sequence, begin, end, first, last, copy, tokens);
  }

 private:
  Fault fault_;
  std::map<std::pair<int, int>, std::vector<std::byte>> seen_;
};

struct Outcome {
  double distance = 0;
  std::uint64_t restored = 0;
};

/// Two rounds of three conversations that take turns over a pool with room for one and a half.
Outcome run_with(Fault fault) {
  kv::BlockStore store({.memory_bytes = 1U << 30, .salt = {}, .fingerprint = {}});
  SchedulerOptions options;
  options.context_tokens = 1280;
  options.batch_tokens = 256;
  options.sequences = 16;
  options.store = &store;
  const auto decoder = decoder_of(options.context_tokens);
  BlockSaboteur saboteur(*decoder, fault);
  LogitsRun run(saboteur, options);
  const Reference reference(random_model());
  for (std::uint32_t round = 0; round < 2; ++round)
    for (std::uint32_t talk = 0; talk < 3; ++talk) {
      auto prompt = random_words(talk, 700);
      const auto question = random_words(100 + 10 * round + talk, 30);
      prompt.insert(prompt.end(), question.begin(), question.end());
      run.ask("anna", std::move(prompt), 4);
      run.run();
      while (run.scheduler.work_while_idle()) {
      }
    }
  Outcome outcome;
  for (const Answered& answered : run.all)
    outcome.distance = std::max(outcome.distance, reference.distance(answered));
  outcome.restored = run.scheduler.stats().restored_tokens;
  return outcome;
}

/// Differences that batch shapes make are far below, those of other texts far above.
constexpr double kTolerance = 0.05;

TEST(Blocks, RequestsOnWhatCameBackAnswerAsIfItHadStayed) {
  const Outcome outcome = run_with(Fault::none);
  EXPECT_LT(outcome.distance, kTolerance);
  EXPECT_GE(outcome.restored, 3u * 500);
}

class BlockSabotage : public testing::TestWithParam<std::pair<const char*, Fault>> {};

TEST_P(BlockSabotage, IsSeenInTheLogits) {
  EXPECT_GT(run_with(GetParam().second).distance, 2 * kTolerance);
}

INSTANTIATE_TEST_SUITE_P(Faults, BlockSabotage,
                         testing::Values(std::pair("WrongBlock", Fault::wrong_block),
                                         std::pair("Shifted", Fault::shifted),
                                         std::pair("StaleCells", Fault::stale_cells),
                                         std::pair("Zeroed", Fault::zeroed)),
                         [](const auto& fault) { return fault.param.first; });

} // namespace
} // namespace anyclaude::engine
