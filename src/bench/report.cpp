#include "bench/report.h"

#include "anthropic/json.h"

#include <nlohmann/json.hpp>

#include <cmath>
#include <format>
#include <fstream>
#include <string_view>

namespace anyclaude::bench {

namespace {

/// How many times sooner than the first request's the answer began.
double speedup(const Report& report, const Measured& request) {
  return report.requests.front().ttft_ms / request.ttft_ms;
}

std::string title(const Measured& request) {
  if (request.name == "cold")
    return "first question";
  return request.name == "followup" ? "follow-up" : "new session";
}

std::string duration(double milliseconds) {
  return milliseconds < 1000 ? std::format("{:.0f} ms", milliseconds)
                             : std::format("{:.2f} s", milliseconds / 1000);
}

double rounded(double value) {
  return std::round(value * 100) / 100;
}

} // namespace

std::string table(const Report& report) {
  std::string text = std::format("{:<16}{:>10}{:>10}{:>10}{:>14}{:>10}\n", "", "prompt", "reused",
                                 "computed", "first token", "speed-up");
  for (const Measured& request : report.requests) {
    const bool is_first = &request == &report.requests.front();
    text +=
        std::format("{:<16}{:>10}{:>10}{:>10}{:>14}{:>10}\n", title(request), request.prompt_tokens,
                    request.reused_tokens, request.computed_tokens, duration(request.ttft_ms),
                    is_first ? "" : std::format("{:.1f}x", speedup(report, request)));
  }
  return text;
}

std::string json(const Report& report) {
  Json out = {{"client", report.client}, {"requests", Json::array()}};
  for (const Measured& request : report.requests)
    out["requests"].push_back({{"name", request.name},
                               {"prompt_tokens", request.prompt_tokens},
                               {"reused_tokens", request.reused_tokens},
                               {"computed_tokens", request.computed_tokens},
                               {"ttft_ms", rounded(request.ttft_ms)}});
  for (const Measured& request : report.requests)
    if (request.name != "cold")
      out["speedup_" + request.name] = rounded(speedup(report, request));
  return out.dump(2) + "\n";
}

std::expected<void, std::string> write_json(const Report& report,
                                            const std::filesystem::path& file) {
  std::error_code ignored;
  if (file.has_parent_path())
    std::filesystem::create_directories(file.parent_path(), ignored);
  std::ofstream out(file, std::ios::binary | std::ios::trunc);
  out << json(report) << std::flush;
  if (!out)
    return std::unexpected(std::format("cannot write {}", file.native()));
  return {};
}

} // namespace anyclaude::bench
