// Cells and states that leave the memory of models that are not plain full attention, and come back
// in another one's: as after a restart. Judged by logits on random weights.
#include "engine/memory_kinds.h"

#include <gtest/gtest.h>

#include <span>
#include <vector>

namespace anyclaude::engine {
namespace {

std::unique_ptr<LlamaDecoder> moving_decoder(const Model& model) {
  ContextOptions options;
  options.context_tokens = 1024;
  options.batch_tokens = 64;
  options.sequences = 6;
  options.threads = 1;
  options.moves_blocks = true;
  auto made = LlamaDecoder::create(model, options);
  EXPECT_TRUE(made) << made.error();
  return std::move(*made);
}

/// Computes tokens behind `position` others; the logits behind the last one.
Logits compute(Decoder& decoder, SequenceId sequence, std::span<const Token> tokens, int position) {
  for (std::size_t begin = 0; begin < tokens.size(); begin += 64) {
    std::vector<BatchToken> batch;
    for (const Token token :
         tokens.subspan(begin, std::min<std::size_t>(64, tokens.size() - begin)))
      batch.push_back({token, position++, sequence, false});
    batch.back().output = true;
    EXPECT_EQ(decoder.decode(batch), DecodeStatus::ok);
    if (begin + 64 >= tokens.size()) {
      const auto row = decoder.logits(static_cast<int>(batch.size()) - 1);
      return {row.begin(), row.end()};
    }
  }
  return {};
}

struct Saved {
  std::vector<std::vector<std::byte>> blocks;
  std::vector<std::byte> tail;
  std::vector<std::byte> state;
};

class StateBlocksTest : public MemoryKindTest {
 protected:
  static constexpr int kLength = 3 * kBlock + 19;

  /// The prefix of kLength tokens in a decoder of its own. Of a window, what of it is in a block
  /// depends on when that is exported: at once, or when all is computed.
  Saved save(bool at_once) {
    const auto decoder = moving_decoder(*subject().model);
    Saved saved;
    const auto copy = [&](int begin, int end) {
      std::vector<std::byte> bytes(7); // room that was used before
      EXPECT_TRUE(decoder->export_cells(0, begin, end, bytes));
      return bytes;
    };
    for (int begin = 0; begin < 3 * kBlock; begin += kBlock) {
      compute(*decoder, 0, std::span(text).subspan(begin, kBlock), begin);
      if (at_once)
        saved.blocks.push_back(copy(begin, begin + kBlock));
    }
    compute(*decoder, 0, std::span(text).subspan(3 * kBlock, 19), 3 * kBlock);
    saved.state = decoder->save(0);
    after = compute(*decoder, 0, suffix, kLength);
    compute(*decoder, 0, random_words(9, 50), kLength + 20); // it goes on before it is copied
    for (int begin = 0; begin < 3 * kBlock && !at_once; begin += kBlock)
      saved.blocks.push_back(copy(begin, begin + kBlock));
    saved.tail = copy(3 * kBlock, kLength);
    return saved;
  }

  std::vector<Token> text = random_words(1, kLength);
  std::vector<Token> suffix = random_words(2, 20);
  Logits after;
};

TEST_P(StateBlocksTest, ComeBackInAnotherLife) {
  for (const bool at_once : {true, false}) {
    const Saved saved = save(at_once);
    const auto decoder = moving_decoder(*subject().model);
    compute(*decoder, 4, random_words(7, 100), 0); // others are there already
    for (const SequenceId sequence : {0, 2}) {     // and twice, one beside the other
      for (int i = 0; i < 3; ++i)
        ASSERT_TRUE(decoder->import_cells(sequence, i * kBlock, (i + 1) * kBlock, i * kBlock,
                                          (i + 1) * kBlock, saved.blocks[static_cast<size_t>(i)],
                                          {}));
      ASSERT_TRUE(decoder->import_cells(sequence, 3 * kBlock, kLength, 3 * kBlock, kLength,
                                        saved.tail, {}));
      ASSERT_TRUE(decoder->restore(sequence, saved.state, kLength));
      EXPECT_LT(difference(compute(*decoder, sequence, suffix, kLength), after),
                subject().tolerance);
      decoder->clear(sequence);
    }
  }
}

TEST_P(StateBlocksTest, TheRestComesBackBehindWhatIsThere) {
  const Saved saved = save(false);
  const auto decoder = moving_decoder(*subject().model);
  const int have = kBlock + 10; // in the middle of a block
  compute(*decoder, 1, std::span(text).first(have), 0);
  ASSERT_TRUE(decoder->import_cells(1, have, 2 * kBlock, kBlock, 2 * kBlock, saved.blocks[1], {}));
  ASSERT_TRUE(decoder->import_cells(1, 2 * kBlock, 3 * kBlock, 2 * kBlock, 3 * kBlock,
                                    saved.blocks[2], {}));
  ASSERT_TRUE(decoder->import_cells(1, 3 * kBlock, kLength, 3 * kBlock, kLength, saved.tail, {}));
  ASSERT_TRUE(decoder->restore(1, saved.state, kLength));
  EXPECT_LT(difference(compute(*decoder, 1, suffix, kLength), after), subject().tolerance);
}

TEST_P(StateBlocksTest, AStateOfAnotherPlaceIsRefused) {
  const Saved saved = save(true);
  const auto decoder = moving_decoder(*subject().model);
  for (int i = 0; i < 3; ++i)
    ASSERT_TRUE(decoder->import_cells(0, i * kBlock, (i + 1) * kBlock, i * kBlock, (i + 1) * kBlock,
                                      saved.blocks[static_cast<size_t>(i)], {}));
  EXPECT_FALSE(decoder->restore(0, saved.state, 3 * kBlock));
}

TEST_P(StateBlocksTest, OtherCellsThanThoseWantedAreRefused) {
  if (GetParam().memory == MemoryKind::recurrent)
    GTEST_SKIP() << "has no cells";
  const Saved saved = save(true);
  const auto decoder = moving_decoder(*subject().model);
  const auto all = std::span<const std::byte>(saved.blocks[1]);
  EXPECT_FALSE(decoder->import_cells(0, 0, kBlock, 0, kBlock, all, {})); // another place
  EXPECT_FALSE(decoder->import_cells(0, kBlock, kBlock + 9, kBlock, kBlock + 9, all, {}));
  EXPECT_FALSE(decoder->import_cells(0, kBlock, 2 * kBlock, kBlock, 2 * kBlock, {}, {}));
  EXPECT_FALSE(decoder->import_cells(0, kBlock, 2 * kBlock, kBlock, 2 * kBlock,
                                     all.first(all.size() / 2), {}));
  std::vector<std::byte> none;
  EXPECT_FALSE(decoder->export_cells(0, 0, kBlock, none)); // it has none
  // All cells are free.
  compute(*decoder, 0, random_words(3, 1024), 0);
}

INSTANTIATE_TEST_SUITE_P(Kinds, StateBlocksTest, testing::ValuesIn(kKinds),
                         [](const auto& kind) { return kind.param.name; });

} // namespace
} // namespace anyclaude::engine
