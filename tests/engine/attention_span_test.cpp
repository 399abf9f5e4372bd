// How much of the pool attention walks over, as libllama's own graph tells it.
#include "engine/llama_decoder.h"
#include "engine/memory_kinds.h"
#include "engine/test_models.h"

#include <gtest/gtest.h>

namespace anyclaude::engine {
namespace {

constexpr int kStep = 256; // cells; libllama rounds up to it

void compute(LlamaDecoder& decoder, SequenceId sequence, int begin, int count) {
  std::vector<BatchToken> batch;
  for (int i = 0; i < count; ++i)
    batch.push_back({i + 1, begin + i, sequence, false});
  ASSERT_EQ(decoder.decode(batch), DecodeStatus::ok);
}

std::unique_ptr<LlamaDecoder> decoder_of(const Model& model) {
  ContextOptions options;
  options.context_tokens = 2048;
  options.batch_tokens = 512;
  options.sequences = 4;
  options.threads = 1;
  auto decoder = LlamaDecoder::create(model, options);
  EXPECT_TRUE(decoder) << decoder.error();
  return decoder ? std::move(*decoder) : nullptr;
}

TEST(AttentionSpan, IsTheHighestUsedCellWhateverHolesThereAre) {
  const auto decoder = decoder_of(random_model());
  ASSERT_TRUE(decoder);
  EXPECT_EQ(decoder->span(), 0U);
  compute(*decoder, 0, 0, 10);
  EXPECT_EQ(decoder->span(), 1U * kStep);
  compute(*decoder, 1, 0, 512);
  EXPECT_EQ(decoder->span(), 3U * kStep); // 522 cells
  compute(*decoder, 2, 0, 512);
  EXPECT_EQ(decoder->span(), 5U * kStep); // 1,034 cells
  decoder->clear(1);                      // half of them are holes now
  compute(*decoder, 2, 512, 1);
  EXPECT_EQ(decoder->span(), 5U * kStep);
  decoder->clear(2);
  decoder->clear(0);
  compute(*decoder, 0, 0, 1);
  EXPECT_LE(decoder->span(), 5U * kStep);
}

TEST(AttentionSpan, IsKnownOfEveryModelWithAttention) {
  for (const Kind& kind : kKinds) {
    const auto model = load_model(random_model_file(kind.architecture));
    ASSERT_TRUE(model);
    const auto decoder = decoder_of(*model);
    ASSERT_TRUE(decoder);
    compute(*decoder, 0, 0, 300);
    EXPECT_EQ(decoder->span(), kind.memory == MemoryKind::recurrent ? 0U : 2U * kStep) << kind.name;
  }
}

} // namespace
} // namespace anyclaude::engine
