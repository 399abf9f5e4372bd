#include "launch/summary.h"

#include <format>

namespace anyclaude::launch {

namespace {

/// 18490 as "18,490".
std::string grouped(std::int64_t number) {
  std::string digits = std::to_string(number);
  for (auto at = static_cast<std::ptrdiff_t>(digits.size()) - 3; at > 0; at -= 3)
    digits.insert(static_cast<std::size_t>(at), ",");
  return digits;
}

std::string duration(std::int64_t milliseconds) {
  if (milliseconds < 1000)
    return std::format("{} ms", milliseconds);
  if (milliseconds < 60'000)
    return std::format("{:.1f} s", static_cast<double>(milliseconds) / 1000);
  const std::int64_t seconds = (milliseconds + 500) / 1000;
  if (seconds < 3600)
    return std::format("{} min {} s", seconds / 60, seconds % 60);
  return std::format("{} h {} min", seconds / 3600, seconds % 3600 / 60);
}

} // namespace

std::string session_summary(const SessionNumbers& numbers) {
  if (numbers.requests <= 0)
    return {};
  // Rounded down: 100% is only said when nothing was computed.
  const std::int64_t percent =
      numbers.prompt_tokens > 0 ? numbers.reused_tokens * 100 / numbers.prompt_tokens : 0;
  std::string line = std::format(
      "anyclaude: {} request{}, {} prompt tokens: {} reused ({}%), {} computed; {} generated",
      grouped(numbers.requests), numbers.requests == 1 ? "" : "s", grouped(numbers.prompt_tokens),
      grouped(numbers.reused_tokens), percent, grouped(numbers.computed_tokens),
      grouped(numbers.output_tokens));
  if (numbers.saved_ms > 0)
    line += std::format("; about {} saved", duration(numbers.saved_ms));
  return line + "\n";
}

} // namespace anyclaude::launch
