#include "commands/stats.h"

#include "anthropic/json.h"
#include "commands/tell.h"
#include "telemetry/history.h"
#include "telemetry/periods.h"
#include "telemetry/records_json.h"
#include "text/clock.h"
#include "text/quantity.h"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <format>

namespace anyclaude::commands {

namespace {

using telemetry::Period;
using text::duration;
using text::grouped;

constexpr int kUsageError = 2;

std::string shown(const std::optional<double>& milliseconds) {
  return milliseconds ? duration(std::llround(*milliseconds)) : "-";
}

/// Eight cells wide, in eighths of a cell.
std::string bar(std::int64_t part, std::int64_t whole) {
  constexpr int kCells = 8;
  const auto eighths = whole > 0 ? static_cast<int>(part * kCells * 8 / whole) : 0;
  std::string text;
  for (int cell = 0; cell < kCells; ++cell) {
    const int filled = std::clamp(eighths - cell * 8, 0, 8);
    text +=
        filled == 0 ? std::string(" ") : std::string("\xE2\x96") + static_cast<char>(0x90 - filled);
  }
  return text;
}

std::string line(const Period& period) {
  const telemetry::Totals& totals = period.totals;
  return std::format("{:<12}{:>9}{:>15}{:>6} {}{:>10}{:>10}{:>14}\n", period.name,
                     grouped(totals.requests), grouped(totals.prompt_tokens),
                     text::percent(totals.reused_tokens, totals.prompt_tokens),
                     bar(totals.reused_tokens, totals.prompt_tokens), shown(period.cold_ms),
                     shown(period.warm_ms), duration(totals.saved_ms));
}

void print_table(const std::vector<Period>& days, const Period& all) {
  std::string text =
      std::format("{:<12}{:>9}{:>15}{:>6} {:8}{:>10}{:>10}{:>14}\n", "day", "requests",
                  "prompt tokens", "", "reused", "cold", "warm", "saved");
  for (const Period& day : days)
    text += line(day);
  text += "\n" + line(all);
  text += "\ncold, warm: median time to the first token of prompts that were mostly computed, and "
          "mostly reused\n";
  std::fputs(text.c_str(), stdout);
}

void print_json(const std::vector<Period>& days, const Period& all) {
  Json out = {{"days", Json::array()}, {"total", telemetry::to_json(all)}};
  for (const Period& day : days)
    out["days"].push_back(telemetry::to_json(day));
  std::fputs((out.dump(2) + "\n").c_str(), stdout);
}

} // namespace

int print_stats(const launch::Paths& paths, const StatsOptions& options) {
  const auto since = telemetry::parse_since(options.since, text::unix_milliseconds());
  if (!since)
    return fail("--since: " + since.error(), kUsageError);
  const auto records = telemetry::read_history(paths.history(), *since);
  if (!records)
    return fail(records.error());
  const auto days = telemetry::by_period(*records, telemetry::local_day);
  const Period all = telemetry::summed("in all", *records);
  if (options.json)
    print_json(days, all);
  else if (records->empty())
    std::printf("No requests since %s.\n", telemetry::local_day(*since).c_str());
  else
    print_table(days, all);
  return 0;
}

} // namespace anyclaude::commands
