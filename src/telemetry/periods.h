#pragma once

#include "telemetry/stats.h"

#include <cstdint>
#include <expected>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace anyclaude::telemetry {

/// What the requests of some time cost.
struct Period {
  std::string name; // "2026-11-25"
  Totals totals;    // saved_ms: the sum over the requests
  /// Median time to the first token of prompts that were mostly computed and of those that were
  /// mostly reused; nothing where there were none.
  std::optional<double> cold_ms;
  std::optional<double> warm_ms;
};

/// A prompt of which at most this share was reused is cold, and one of which at least this share
/// was is warm. What lies between tells of neither.
inline constexpr double kColdShare = 0.1;
inline constexpr double kWarmShare = 0.9;

/// All of them as one period.
Period summed(std::string name, std::span<const RequestRecord> records);

/// One period for each name that `name_of` gives to a time (milliseconds since 1970), in order of
/// the first record of each.
std::vector<Period> by_period(std::span<const RequestRecord> records,
                              const std::function<std::string(std::int64_t)>& name_of);

/// The local day: "2026-11-25".
std::string local_day(std::int64_t milliseconds);

/// "90m", "12h", "7d" or "2w" before `now`, or the beginning of the local day "2026-11-25"; in
/// milliseconds since 1970. The error says what is wanted.
std::expected<std::int64_t, std::string> parse_since(std::string_view text, std::int64_t now);

} // namespace anyclaude::telemetry
