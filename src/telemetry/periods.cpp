#include "telemetry/periods.h"

#include <algorithm>
#include <charconv>
#include <chrono>
#include <cstdio>
#include <ctime>
#include <limits>
#include <unordered_map>
#include <utility>

namespace anyclaude::telemetry {
namespace {

std::optional<double> median(std::vector<double> values) {
  if (values.empty())
    return std::nullopt;
  const auto middle = values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2);
  std::ranges::nth_element(values, middle);
  return *middle;
}

std::unexpected<std::string> not_a_time(std::string_view text) {
  return std::unexpected(
      "'" + std::string(text) +
      "' is no time to count from: 90m, 12h, 7d, 2w or a day such as 2026-11-25");
}

/// Seconds of a unit; 0: there is none of that name.
std::int64_t unit_seconds(char unit) {
  switch (unit) {
  case 'm':
    return 60;
  case 'h':
    return 3600;
  case 'd':
    return 86'400;
  case 'w':
    return 7 * 86'400;
  default:
    return 0;
  }
}

std::optional<std::int64_t> beginning_of_day(const std::string& text) {
  int year = 0;
  int month = 0;
  int day = 0;
  int read = 0;
  if (std::sscanf(text.c_str(), "%4d-%2d-%2d%n", &year, &month, &day, &read) != 3 ||
      std::cmp_not_equal(read, text.size()))
    return std::nullopt;
  const std::chrono::year_month_day date{std::chrono::year(year),
                                         std::chrono::month(static_cast<unsigned>(month)),
                                         std::chrono::day(static_cast<unsigned>(day))};
  if (!date.ok())
    return std::nullopt;
  std::tm local{};
  local.tm_year = year - 1900;
  local.tm_mon = month - 1;
  local.tm_mday = day;
  local.tm_isdst = -1; // the system knows
  const std::time_t seconds = std::mktime(&local);
  return seconds == -1 ? std::nullopt : std::optional(std::int64_t{seconds} * 1000);
}

} // namespace

Period summed(std::string name, std::span<const RequestRecord> records) {
  Period period{.name = std::move(name), .totals = {}, .cold_ms = {}, .warm_ms = {}};
  std::vector<double> cold;
  std::vector<double> warm;
  for (const RequestRecord& record : records) {
    accumulate(period.totals, record);
    period.totals.saved_ms += record.saved_ms;
    if (!record.ttft_ms || record.prompt_tokens == 0)
      continue;
    const double share =
        static_cast<double>(record.reused_tokens) / static_cast<double>(record.prompt_tokens);
    if (share <= kColdShare)
      cold.push_back(*record.ttft_ms);
    else if (share >= kWarmShare)
      warm.push_back(*record.ttft_ms);
  }
  period.cold_ms = median(std::move(cold));
  period.warm_ms = median(std::move(warm));
  return period;
}

std::vector<Period> by_period(std::span<const RequestRecord> records,
                              const std::function<std::string(std::int64_t)>& name_of) {
  std::vector<std::pair<std::string, std::vector<RequestRecord>>> groups;
  std::unordered_map<std::string, std::size_t> known;
  for (const RequestRecord& record : records) {
    std::string name = name_of(record.started_at);
    const auto [place, is_new] = known.try_emplace(name, groups.size());
    if (is_new)
      groups.emplace_back(std::move(name), std::vector<RequestRecord>());
    groups[place->second].second.push_back(record);
  }
  std::vector<Period> periods;
  periods.reserve(groups.size());
  for (auto& [name, group] : groups)
    periods.push_back(summed(std::move(name), group));
  return periods;
}

std::string local_day(std::int64_t milliseconds) {
  const std::time_t seconds = milliseconds / 1000;
  std::tm local{};
  ::localtime_r(&seconds, &local);
  std::string text(16, '\0');
  text.resize(std::strftime(text.data(), text.size(), "%Y-%m-%d", &local));
  return text;
}

std::expected<std::int64_t, std::string> parse_since(std::string_view text, std::int64_t now) {
  if (const auto day = beginning_of_day(std::string(text)))
    return *day;
  std::int64_t count = 0;
  const char* end = text.data() + text.size();
  const auto [rest, error] = std::from_chars(text.data(), end, count);
  constexpr std::int64_t kMost = 100'000; // of any unit: thousands of years in weeks
  if (error != std::errc() || rest + 1 != end || count <= 0 || count > kMost)
    return not_a_time(text);
  const std::int64_t seconds = unit_seconds(*rest);
  if (seconds == 0)
    return not_a_time(text);
  return now - count * seconds * 1000;
}

} // namespace anyclaude::telemetry
