#include "telemetry/records_json.h"

#include <nlohmann/json.hpp>

#include <cmath>

namespace anyclaude::telemetry {

/// Microseconds are enough: 12.345 rather than 12.345000000000001.
Json milliseconds(const std::optional<double>& value) {
  return value ? Json(std::round(*value * 1000) / 1000) : Json(nullptr);
}

Json records_json(const std::vector<RequestRecord>& records) {
  Json out = Json::array();
  for (const RequestRecord& record : records) {
    out.push_back({{"id", record.id},
                   {"model", record.model},
                   {"prompt_tokens", record.prompt_tokens},
                   {"reused_tokens", record.reused_tokens},
                   {"computed_tokens", record.computed_tokens},
                   {"output_tokens", record.output_tokens},
                   {"prefill_ms", milliseconds(record.prefill_ms)},
                   {"ttft_ms", milliseconds(record.ttft_ms)},
                   {"total_ms", milliseconds(record.total_ms)},
                   {"saved_ms", record.saved_ms},
                   {"status", record.status},
                   {"started_at", record.started_at}});
  }
  return out;
}

std::string to_json(const std::vector<RequestRecord>& records) {
  return records_json(records).dump(-1, ' ', false, Json::error_handler_t::replace);
}

Json to_json(const Period& period) {
  const Totals& totals = period.totals;
  return {{"name", period.name},
          {"requests", totals.requests},
          {"errors", totals.errors},
          {"prompt_tokens", totals.prompt_tokens},
          {"reused_tokens", totals.reused_tokens},
          {"computed_tokens", totals.computed_tokens},
          {"output_tokens", totals.output_tokens},
          {"saved_ms", totals.saved_ms},
          {"cold_ms", milliseconds(period.cold_ms)},
          {"warm_ms", milliseconds(period.warm_ms)}};
}

} // namespace anyclaude::telemetry
