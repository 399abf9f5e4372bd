// Our attention inside libllama's graphs, against ggml's own.

#include "engine/attention_kernels.h"
#include "engine/logits.h"
#include "engine/memory_kinds.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <vector>

namespace anyclaude::engine {
namespace {

struct Case {
  demo::Architecture architecture;
  const char* kv_type;
};

std::ostream& operator<<(std::ostream& out, const Case& chosen) {
  return out << demo::architecture_name(chosen.architecture) << "_" << chosen.kv_type;
}

/// Logits behind a text that is computed in batches of `batch` tokens, two sequences side by side,
/// each followed by single tokens.
std::vector<Logits> logits(const Model& model, const Case& chosen, bool own, int batch) {
  ContextOptions options;
  options.context_tokens = 1024;
  options.batch_tokens = 512;
  options.sequences = 4;
  options.threads = 2;
  options.kv_type = chosen.kv_type;
  options.own_attention = own;
  const auto decoder = LlamaDecoder::create(model, options);
  EXPECT_TRUE(decoder) << decoder.error();
  constexpr int kLength = 200;
  constexpr int kSingle = 3;
  std::vector<Logits> all;
  for (int done = 0; done < kLength;) {
    const int count = done < kLength - kSingle ? std::min(batch, kLength - kSingle - done) : 1;
    std::vector<BatchToken> tokens;
    for (const SequenceId sequence : {0, 1}) {
      const auto text = random_words(static_cast<std::uint32_t>(sequence) + 1, kLength);
      for (int i = done; i < done + count; ++i)
        tokens.push_back({text[static_cast<std::size_t>(i)], i, sequence, i == done + count - 1});
    }
    EXPECT_EQ((*decoder)->decode(tokens), DecodeStatus::ok);
    for (int i = 0; std::cmp_less(i, tokens.size()); ++i)
      if (tokens[static_cast<std::size_t>(i)].output)
        all.emplace_back(std::from_range, (*decoder)->logits(i));
    done += count;
  }
  return {all.end() - 2 * (kSingle + 1), all.end()};
}

double largest_difference(const std::vector<Logits>& a, const std::vector<Logits>& b) {
  double largest = 0;
  for (std::size_t i = 0; i < a.size(); ++i)
    largest = std::max(largest, difference(a[i], b[i]));
  return largest;
}

class CpuAttentionKinds : public testing::TestWithParam<Case> {};

/// What ggml's own two kernels differ by is the measure: one adds up in f16, the other in f32.
TEST_P(CpuAttentionKinds, ComputesWhatGgmlComputes) {
  if (attention_kernels().empty())
    GTEST_SKIP() << "there is no kernel for this processor";
  const Case& chosen = GetParam();
  const auto model = load_model(chosen.architecture == demo::Architecture::qwen3
                                    ? random_model_file()
                                    : random_model_file(chosen.architecture));
  const auto theirs = logits(*model, chosen, false, 200);
  const double noise = largest_difference(theirs, logits(*model, chosen, false, 25));
  double ours = 0;
  double shapes = 0;
  const auto reference = logits(*model, chosen, true, 200);
  for (const int batch : {5, 25, 64, 200}) {
    const auto computed = logits(*model, chosen, true, batch);
    ours = std::max(ours, largest_difference(theirs, computed));
    shapes = std::max(shapes, largest_difference(reference, computed));
  }
  EXPECT_LE(ours, 2 * noise + 1e-4);
  EXPECT_LE(shapes, noise + 1e-4) << "batch shapes matter more than with ggml";
}

/// ggml rounds the queries as well where the cells are of q8_0. We do not, so we must come closer
/// to what it computes with cells of f16.
TEST(CpuAttentionTest, ReadsQuantizedCells) {
  if (attention_kernels().empty())
    GTEST_SKIP() << "there is no kernel for this processor";
  const auto computed = [](const char* kv_type, bool own, int batch) {
    return logits(random_model(), {demo::Architecture::qwen3, kv_type}, own, batch);
  };
  const auto exact = computed("f16", false, 200);
  const double theirs = largest_difference(exact, computed("q8_0", false, 200));
  for (const int batch : {5, 200})
    EXPECT_LT(largest_difference(exact, computed("q8_0", true, batch)), theirs);
}

INSTANTIATE_TEST_SUITE_P(Of, CpuAttentionKinds,
                         testing::Values(Case{demo::Architecture::qwen3, "f16"},
                                         Case{demo::Architecture::gemma3, "f16"},
                                         Case{demo::Architecture::lfm2, "f16"}),
                         testing::PrintToStringParamName());

} // namespace
} // namespace anyclaude::engine
