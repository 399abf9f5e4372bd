#pragma once

#include <span>
#include <vector>

/// What a handful of measured values says, and what it does not.
namespace anyclaude::bench {

/// All 0 for no values.
struct Spread {
  double median = 0;
  double min = 0;
  double max = 0;
};
Spread spread_of(std::vector<double> values);

/// Whether two groups of values come from the same distribution: the exact two-sided p-value of
/// Wilcoxon's rank-sum test (Mann-Whitney's U), which supposes nothing of their shape. Ties count
/// half, and the p-value is then an upper bound. 1 where a group is empty.
double rank_sum_p(std::span<const double> a, std::span<const double> b);

/// Below this p-value a difference is called one. Several rows are compared at once, so one in
/// twenty would be too often; five values against five can get there only where they do not overlap
/// at all.
inline constexpr double kSignificance = 0.01;

} // namespace anyclaude::bench
