#include "commands/speeds.h"

#include "anthropic/json.h"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <format>
#include <fstream>

namespace anyclaude::commands {
namespace fs = std::filesystem;

namespace {

constexpr std::int64_t kEnoughTokens = 500; // computed at once, to say something about speed

fs::path file_in(const fs::path& folder) {
  return folder / "speeds.json";
}

Json read_all(const fs::path& folder) {
  std::ifstream file(file_in(folder));
  Json all = Json::parse(file, nullptr, false);
  return all.is_object() ? all : Json::object();
}

double number(const Json& record, const char* key) {
  return record.contains(key) && record.at(key).is_number() ? record.at(key).get<double>() : 0;
}

} // namespace

std::optional<Speed> read_speed(const fs::path& folder, const std::string& mode) {
  const Json all = read_all(folder);
  if (!all.contains(mode) || !all.at(mode).is_object())
    return std::nullopt;
  return Speed{number(all.at(mode), "prefill_tokens_per_s"),
               number(all.at(mode), "warm_first_token_s")};
}

void write_speed(const fs::path& folder, const std::string& mode, const Speed& speed) {
  Json all = read_all(folder);
  Json& own = all[mode];
  if (speed.prefill_tokens_per_s > 0)
    own["prefill_tokens_per_s"] = speed.prefill_tokens_per_s;
  if (speed.warm_first_token_s > 0)
    own["warm_first_token_s"] = speed.warm_first_token_s;
  if (own.is_null())
    return;
  std::ofstream(file_in(folder)) << all.dump(1) << "\n";
}

Speed speed_of(const launch::SessionNumbers& session) {
  Speed speed;
  const Json records = Json::parse(session.records, nullptr, false);
  if (!records.is_array())
    return speed;
  for (const Json& record : records) {
    const double computed = number(record, "computed_tokens");
    const double ttft = number(record, "ttft_ms");
    if (!record.is_object() || ttft <= 0)
      continue;
    if (computed >= kEnoughTokens)
      speed.prefill_tokens_per_s = std::max(speed.prefill_tokens_per_s, 1000 * computed / ttft);
    else if (number(record, "reused_tokens") >= kEnoughTokens)
      speed.warm_first_token_s = ttft / 1000;
  }
  return speed;
}

std::string shown(const std::optional<Speed>& speed) {
  std::string text;
  if (speed && speed->prefill_tokens_per_s > 0)
    text = std::format("{:.0f} tokens/s", speed->prefill_tokens_per_s);
  if (speed && speed->warm_first_token_s > 0)
    text +=
        std::format("{}follow-up {:.2g} s", text.empty() ? "" : ", ", speed->warm_first_token_s);
  return text;
}

} // namespace anyclaude::commands
