#include "engine/batch_costs.h"

#include <gtest/gtest.h>

namespace anyclaude::engine {
namespace {

constexpr double kOwn = 0.5, kEach = 0.002; // ms

double cost(double tokens, double cells_each) {
  return tokens * (kOwn + kEach * cells_each);
}

/// Of one token in a batch of that size.
double token(const BatchCosts& costs, double cells, std::size_t size = 128) {
  return costs.batch(size, cells).value() / static_cast<double>(size);
}

TEST(BatchCosts, EachSizeHasItsOwn) {
  BatchCosts costs;
  costs.observe(256, 256 * 100.0, 256);
  EXPECT_DOUBLE_EQ(costs.batch(64, 100).value(), 64);   // as in the next larger one
  EXPECT_DOUBLE_EQ(costs.batch(512, 100).value(), 512); // as in the next smaller one
  costs.observe(64, 64 * 100.0, 200);
  EXPECT_DOUBLE_EQ(costs.batch(64, 100).value(), 200);
  EXPECT_DOUBLE_EQ(costs.batch(128, 100).value(), 128);
  EXPECT_DOUBLE_EQ(costs.batch(4096, 100).value(), 4096);
  costs.observe(100, 100 * 100.0, 5000); // no size of its own: nothing to be learned
  EXPECT_DOUBLE_EQ(costs.batch(64, 100).value(), 200);
  costs.observe(300, 300 * 100.0, 600);
  EXPECT_GT(costs.batch(256, 100).value(), 300);
}

TEST(BatchCosts, KnowsNothingBeforeALargeBatch) {
  BatchCosts costs;
  EXPECT_FALSE(costs.batch(64, 100));
  costs.observe(63, 63 * 100, 1000);
  EXPECT_FALSE(costs.batch(64, 100));
  costs.observe(64, 64 * 100, 64);
  EXPECT_DOUBLE_EQ(token(costs, 100), 1);
}

TEST(BatchCosts, TellsATokensOwnShareFromThatOfItsCells) {
  BatchCosts costs;
  for (const double cells : {256.0, 768.0, 1280.0, 4000.0})
    costs.observe(512, 512 * cells, cost(512, cells));
  for (const double cells : {0.0, 1000.0, 20'000.0})
    EXPECT_NEAR(token(costs, cells), kOwn + kEach * cells, 1e-9);
}

TEST(BatchCosts, TakesTooMuchRatherThanTooLittleWhereAllBatchesWereAlike) {
  BatchCosts costs;
  for (int i = 0; i < 5; ++i)
    costs.observe(128, 128 * 1000.0, cost(128, 1000));
  EXPECT_NEAR(token(costs, 1000), kOwn + kEach * 1000, 1e-9);
  EXPECT_GE(token(costs, 10'000), kOwn + kEach * 10'000);
  EXPECT_GE(token(costs, 0), kOwn);
}

TEST(BatchCosts, FollowsAMachineThatSlowsDown) {
  BatchCosts costs;
  for (int i = 0; i < 50; ++i)
    costs.observe(128, 128 * 100.0 * (i % 10), cost(128, 100.0 * (i % 10)));
  for (int i = 0; i < 40; ++i)
    costs.observe(128, 128 * 100.0 * (i % 10), 3 * cost(128, 100.0 * (i % 10)));
  EXPECT_NEAR(token(costs, 500), 3 * (kOwn + kEach * 500), 0.1);
}

TEST(BatchCosts, NeverExpectsABatchToTakeNoTime) {
  BatchCosts costs;
  costs.observe(128, 128 * 10.0, 300); // the slow one was short
  costs.observe(128, 128 * 5000.0, 100);
  EXPECT_GT(token(costs, 20'000), 0);
  EXPECT_GT(token(costs, 0), 0);
  BatchCosts attention;
  attention.observe(128, 128 * 1000.0, 1);
  attention.observe(128, 128 * 2000.0, 100);
  EXPECT_GT(token(attention, 1), 0);
}

} // namespace
} // namespace anyclaude::engine
