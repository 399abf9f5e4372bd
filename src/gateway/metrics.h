#pragma once

#include "backend/backend.h"
#include "telemetry/stats.h"

#include <cstddef>
#include <optional>
#include <string>

namespace anyclaude::gateway {

/// What GET /metrics shows.
struct MetricsView {
  telemetry::Totals ended{}; // requests that have ended
  telemetry::FirstTokens first_tokens{};
  std::optional<backend::EngineNumbers> engine{};
  std::size_t open_connections = 0;
};

inline constexpr const char* kMetricsType = "text/plain; version=0.0.4; charset=utf-8";

/// In Prometheus's text format.
/// Source: https://prometheus.io/docs/instrumenting/exposition_formats/
std::string metrics_body(const MetricsView& view);

} // namespace anyclaude::gateway
