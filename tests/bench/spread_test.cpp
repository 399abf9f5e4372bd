#include "bench/spread.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <vector>

namespace anyclaude::bench {
namespace {

TEST(Spread, MedianOfOddAndEvenCounts) {
  EXPECT_DOUBLE_EQ(spread_of({3, 1, 2}).median, 2);
  EXPECT_DOUBLE_EQ(spread_of({4, 1, 3, 2}).median, 2.5);
  EXPECT_DOUBLE_EQ(spread_of({4, 1, 3, 2}).min, 1);
  EXPECT_DOUBLE_EQ(spread_of({4, 1, 3, 2}).max, 4);
  EXPECT_DOUBLE_EQ(spread_of({}).median, 0);
}

/// Counts every way of dealing the values out to two groups: what the exact test stands for.
double p_by_counting(const std::vector<double>& a, const std::vector<double>& b) {
  std::vector<double> all = a;
  all.append_range(b);
  const auto u_of = [&](const std::vector<bool>& is_a) {
    double u = 0;
    for (std::size_t i = 0; i < all.size(); ++i)
      for (std::size_t j = 0; j < all.size(); ++j)
        if (is_a[i] && !is_a[j])
          u += all[i] < all[j] ? 1 : 0;
    return std::min(u, static_cast<double>(a.size() * b.size()) - u);
  };
  std::vector<bool> deal(all.size(), false);
  std::fill_n(deal.begin(), a.size(), true);
  const double seen = u_of(deal);
  std::ranges::sort(deal);
  double count = 0;
  double extreme = 0;
  do {
    ++count;
    extreme += u_of(deal) <= seen ? 1 : 0;
  } while (std::ranges::next_permutation(deal).found);
  return extreme / count;
}

TEST(RankSum, IsExact) {
  const std::vector<double> a = {1, 4, 5, 9, 10};
  const std::vector<double> b = {2, 3, 6, 11, 12, 13};
  EXPECT_NEAR(rank_sum_p(a, b), p_by_counting(a, b), 1e-12);
  const std::vector<double> c = {20, 21, 7};
  EXPECT_NEAR(rank_sum_p(a, c), p_by_counting(a, c), 1e-12);
  EXPECT_NEAR(rank_sum_p(c, a), p_by_counting(c, a), 1e-12);
}

TEST(RankSum, FiveThatDoNotOverlapAreADifferenceAndFourAreNone) {
  const std::vector<double> low = {1, 2, 3, 4, 5};
  const std::vector<double> high = {6, 7, 8, 9, 10};
  EXPECT_NEAR(rank_sum_p(low, high), 2.0 / 252, 1e-12);
  EXPECT_LT(rank_sum_p(low, high), kSignificance);
  EXPECT_GT(rank_sum_p({low.data(), 4}, {high.data(), 4}), kSignificance);
}

TEST(RankSum, OneValueOutOfLineIsEnoughToRefuse) {
  const std::vector<double> low = {1, 2, 3, 4, 6.5};
  const std::vector<double> high = {6, 7, 8, 9, 10};
  EXPECT_GT(rank_sum_p(low, high), kSignificance);
}

TEST(RankSum, EqualValuesAreNoDifference) {
  const std::vector<double> same(20, 3.0);
  EXPECT_DOUBLE_EQ(rank_sum_p(same, same), 1);
  EXPECT_DOUBLE_EQ(rank_sum_p(same, {}), 1);
}

TEST(RankSum, ManyValuesStayANumber) {
  std::vector<double> a;
  std::vector<double> b;
  for (int i = 0; i < 200; ++i) {
    a.push_back(i);
    b.push_back(i + 0.5);
  }
  const double p = rank_sum_p(a, b);
  EXPECT_GT(p, 0.5);
  EXPECT_LE(p, 1);
}

} // namespace
} // namespace anyclaude::bench
