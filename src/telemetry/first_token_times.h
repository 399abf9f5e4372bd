#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>

namespace anyclaude::telemetry {

/// How long answers took to their first token, as a histogram.
struct FirstTokenTimes {
  /// Seconds: from a follow-up's few hundredths to a cold prompt on a small machine.
  static constexpr std::array<double, 11> kBounds = {0.05, 0.1, 0.25, 0.5, 1,  2.5,
                                                     5,    10,  30,   60,  120};

  std::array<std::int64_t, kBounds.size() + 1> counts{}; // up to each bound; above the last
  double sum_seconds = 0;

  void add(double seconds) {
    const auto* bound = std::ranges::lower_bound(kBounds, seconds);
    ++counts.at(static_cast<std::size_t>(bound - kBounds.begin()));
    sum_seconds += seconds;
  }
};

/// Of prompts of which at least half was reused, and of all others.
struct FirstTokens {
  FirstTokenTimes warm;
  FirstTokenTimes cold;
};

} // namespace anyclaude::telemetry
