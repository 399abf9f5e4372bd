#include "bench/result.h"

#include "anthropic/json.h"
#include "bench/spread.h"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <cmath>
#include <format>
#include <fstream>
#include <iterator>

namespace anyclaude::bench {

namespace {

constexpr const char* kCold = "cold";

double rounded(double value) {
  return std::round(value * 100) / 100;
}

Json row_json(const Row& row) {
  const Spread spread = spread_of(row.ttft_ms);
  Json values = Json::array();
  for (const double value : row.ttft_ms)
    values.push_back(rounded(value));
  return {{"name", row.name},
          {"prompt_tokens", row.prompt_tokens},
          {"reused_tokens", row.reused_tokens},
          {"computed_tokens", row.computed_tokens},
          {"ttft_ms", rounded(spread.median)},
          {"ttft_ms_min", rounded(spread.min)},
          {"ttft_ms_max", rounded(spread.max)},
          {"ttft_ms_values", std::move(values)}};
}

Row row_of(const Json& json) {
  Row row{.name = json.at("name"),
          .prompt_tokens = json.at("prompt_tokens"),
          .reused_tokens = json.at("reused_tokens"),
          .computed_tokens = json.at("computed_tokens")};
  for (const Json& value : json.at("ttft_ms_values"))
    row.ttft_ms.push_back(value.get<double>());
  return row;
}

Machine machine_of(const Json& json) {
  Machine machine{.cpu = json.at("cpu"),
                  .cores = json.at("cores"),
                  .memory_gib = json.at("memory_gib"),
                  .system = json.at("system")};
  for (const Json& name : json.at("accelerators"))
    machine.accelerators.push_back(name.get<std::string>());
  return machine;
}

} // namespace

const Row* Result::row(std::string_view name) const {
  const auto found = std::ranges::find(rows, name, &Row::name);
  return found == rows.end() ? nullptr : &*found;
}

std::string title(const Result& result, const Row& row) {
  if (row.name == kCold)
    return "first request";
  if (row.name == "followup")
    return "follow-up";
  if (row.name == "new_session")
    return "new session";
  if (row.name == "sessions")
    return std::format("{} sessions at once", result.sessions);
  return row.name == "after_restart" ? "after restart" : row.name;
}

double speedup(const Result& result, const Row& row) {
  const double own = spread_of(row.ttft_ms).median;
  return own > 0 ? spread_of(result.rows.front().ttft_ms).median / own : 0;
}

std::string to_json(const Result& result) {
  const Machine& machine = result.machine;
  Json out = {{"anyclaude", result.version},
              {"date", result.date},
              {"machine",
               {{"cpu", machine.cpu},
                {"cores", machine.cores},
                {"memory_gib", rounded(machine.memory_gib)},
                {"system", machine.system},
                {"accelerators", machine.accelerators},
                {"load_before", rounded(result.load_before)},
                {"load_after", rounded(result.load_after)}}},
              {"mode", result.mode},
              {"model", result.model},
              {"is_demo_model", result.is_demo},
              {"client", result.client},
              {"prompt", result.prompt},
              {"wanted_tokens", result.wanted_tokens},
              {"context_tokens", result.context_tokens},
              {"sessions", result.sessions},
              {"repeats", result.repeats},
              {"requests", Json::array()}};
  for (const Row& row : result.rows)
    out["requests"].push_back(row_json(row));
  for (const Row& row : result.rows)
    if (row.name != kCold)
      out["speedup_" + row.name] = rounded(speedup(result, row));
  return out.dump(2) + "\n";
}

std::expected<Result, std::string> parse_result(std::string_view text) {
  const Json json = Json::parse(text, nullptr, false);
  if (!json.is_object())
    return std::unexpected("it is no JSON object");
  try {
    Result result{.version = json.at("anyclaude"),
                  .date = json.at("date"),
                  .machine = machine_of(json.at("machine")),
                  .load_before = json.at("machine").at("load_before"),
                  .load_after = json.at("machine").at("load_after"),
                  .mode = json.at("mode"),
                  .model = json.at("model"),
                  .is_demo = json.at("is_demo_model"),
                  .client = json.at("client"),
                  .prompt = json.at("prompt"),
                  .wanted_tokens = json.at("wanted_tokens"),
                  .context_tokens = json.at("context_tokens"),
                  .sessions = json.at("sessions"),
                  .repeats = json.at("repeats")};
    for (const Json& row : json.at("requests"))
      result.rows.push_back(row_of(row));
    if (!result.row(kCold))
      return std::unexpected("it has no first request");
    return result;
  } catch (const Json::exception& fault) {
    return std::unexpected(
        std::format("it is no result of `anyclaude bench --json`: {}", fault.what()));
  }
}

std::expected<Result, std::string> read_result(const std::filesystem::path& file) {
  std::ifstream stream(file, std::ios::binary);
  const std::string text{std::istreambuf_iterator<char>(stream), {}};
  if (!stream.is_open() || stream.bad())
    return std::unexpected(std::format("cannot read {}", file.native()));
  auto result = parse_result(text);
  if (!result)
    return std::unexpected(std::format("{}: {}", file.native(), result.error()));
  return result;
}

} // namespace anyclaude::bench
