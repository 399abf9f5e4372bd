#include "engine/batch_shaper.h"

#include <gtest/gtest.h>

namespace anyclaude::engine {
namespace {

/// What batches cost on some machine, in milliseconds.
struct Machine {
  double token = 0.1;          // without attention
  double tiled_cell = 0.00002; // for each token and cell, from 64 tokens on
  double small_cell = 0.0008;  // below

  double cost(int tokens, std::size_t span) const {
    const double cell = tokens >= BatchShaper::kTile ? tiled_cell : small_cell;
    return tokens * (token + cell * static_cast<double>(span));
  }
};

void prefill(BatchShaper& shaper, const Machine& machine, std::size_t tokens) {
  for (std::size_t span = 512; span <= tokens; span += 512)
    shaper.observe(512, span, machine.cost(512, span));
}

/// Computes every probe that is asked for.
int probe(BatchShaper& shaper, const Machine& machine, std::size_t span) {
  int probes = 0;
  while (const auto size = shaper.wanted_probe(span)) {
    shaper.observe(*size, span, machine.cost(*size, span));
    ++probes;
    EXPECT_LT(probes, 10);
  }
  return probes;
}

TEST(BatchShaper, PadsNothingBeforeItHasMeasured) {
  BatchShaper shaper;
  EXPECT_EQ(shaper.padding(20, 18'000), 0);
  EXPECT_FALSE(shaper.wanted_probe(18'000)); // what a token costs comes first
  prefill(shaper, {}, 18'000);
  EXPECT_EQ(shaper.padding(20, 18'000), 0);
  EXPECT_TRUE(shaper.wanted_probe(18'000));
  EXPECT_FALSE(shaper.wanted_probe(1'000));
}

TEST(BatchShaper, AsksForFewProbesAndOnlyOnce) {
  BatchShaper shaper;
  prefill(shaper, {}, 18'000);
  EXPECT_EQ(probe(shaper, {}, 18'000), 4);
  EXPECT_FALSE(shaper.wanted_probe(40'000));
}

TEST(BatchShaper, PadsExactlyWhereATileIsCheaper) {
  const Machine machine;
  BatchShaper shaper;
  prefill(shaper, machine, 18'000);
  probe(shaper, machine, 18'000);
  for (const std::size_t span : {2'000U, 8'000U, 18'000U, 60'000U}) {
    for (int tokens = 1; tokens < BatchShaper::kTile; ++tokens) {
      const double gain = machine.cost(tokens, span) / machine.cost(BatchShaper::kTile, span);
      const int padding = shaper.padding(tokens, span);
      if (gain > 1.2) {
        EXPECT_EQ(padding, BatchShaper::kTile - tokens) << tokens << " tokens, " << span;
      } else if (gain < 1.05) {
        EXPECT_EQ(padding, 0) << tokens << " tokens, " << span;
      }
    }
    EXPECT_EQ(shaper.padding(BatchShaper::kTile, span), 0);
    EXPECT_EQ(shaper.padding(512, span), 0);
  }
}

TEST(BatchShaper, PadsNothingWhereTheKernelsCostTheSame) {
  Machine machine;
  machine.tiled_cell = machine.small_cell; // such as with a quantized KV cache
  BatchShaper shaper;
  prefill(shaper, machine, 18'000);
  probe(shaper, machine, 18'000);
  for (int tokens = 1; tokens < 58; ++tokens)
    EXPECT_EQ(shaper.padding(tokens, 18'000), 0) << tokens;
}

TEST(BatchShaper, FollowsAMachineThatBecomesSlower) {
  Machine machine;
  BatchShaper shaper;
  prefill(shaper, machine, 18'000);
  probe(shaper, machine, 18'000);
  ASSERT_GT(shaper.padding(20, 18'000), 0);
  machine.tiled_cell *= 30;
  prefill(shaper, machine, 18'000);
  for (int i = 0; i < 30; ++i)
    shaper.observe(BatchShaper::kTile, 18'000, machine.cost(BatchShaper::kTile, 18'000));
  EXPECT_EQ(shaper.padding(20, 18'000), 0);
}

} // namespace
} // namespace anyclaude::engine
