#include "bench/spread.h"

#include <algorithm>
#include <cmath>
#include <cstddef>

namespace anyclaude::bench {

namespace {

/// ways[u] = in how many ways n values and m values can be arranged so that their U is u.
std::vector<double> arrangements(std::size_t n, std::size_t m) {
  // The coefficients of Gauss's binomial [n+m over n], built up factor by factor.
  std::vector<double> ways(n * m + 1, 0.0);
  ways[0] = 1;
  for (std::size_t i = 1; i <= n; ++i) {
    for (std::size_t u = ways.size(); u-- > m + i;)
      ways[u] -= ways[u - (m + i)];
    for (std::size_t u = i; u < ways.size(); ++u)
      ways[u] += ways[u - i];
  }
  return ways;
}

} // namespace

Spread spread_of(std::vector<double> values) {
  if (values.empty())
    return {};
  std::ranges::sort(values);
  const std::size_t middle = values.size() / 2;
  const double median =
      values.size() % 2 == 1 ? values[middle] : (values[middle - 1] + values[middle]) / 2;
  return {median, values.front(), values.back()};
}

double rank_sum_p(std::span<const double> a, std::span<const double> b) {
  if (a.empty() || b.empty())
    return 1;
  double u = 0;
  for (const double x : a)
    for (const double y : b)
      u += x < y ? 1 : x > y ? 0 : 0.5;
  const double pairs = static_cast<double>(a.size() * b.size());
  const auto least = static_cast<std::size_t>(std::ceil(std::min(u, pairs - u)));
  const std::vector<double> ways = arrangements(a.size(), b.size());
  double all = 0;
  double tail = 0;
  for (std::size_t i = 0; i < ways.size(); ++i) {
    all += ways[i];
    if (i <= least)
      tail += ways[i];
  }
  return std::min(1.0, 2 * tail / all);
}

} // namespace anyclaude::bench
