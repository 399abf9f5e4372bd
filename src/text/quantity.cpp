#include "text/quantity.h"

#include <array>
#include <cstddef>
#include <format>

namespace anyclaude::text {

std::string grouped(std::int64_t number) {
  std::string digits = std::to_string(number);
  const std::ptrdiff_t first = number < 0 ? 1 : 0;
  for (auto at = static_cast<std::ptrdiff_t>(digits.size()) - 3; at > first; at -= 3)
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

std::string bytes(std::uint64_t count) {
  constexpr std::array<const char*, 5> kUnits = {"B", "KiB", "MiB", "GiB", "TiB"};
  auto value = static_cast<double>(count);
  std::size_t unit = 0;
  // What would be printed as 1024.0 is one of the next unit.
  for (; value >= 1023.95 && unit + 1 < kUnits.size(); ++unit)
    value /= 1024;
  return unit == 0 ? std::format("{} B", count) : std::format("{:.1f} {}", value, kUnits[unit]);
}

std::string percent(std::int64_t part, std::int64_t whole) {
  return whole > 0 ? std::format("{}%", part * 100 / whole) : "-";
}

} // namespace anyclaude::text
