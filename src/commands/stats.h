#pragma once

#include "launch/paths.h"

#include <string>

namespace anyclaude::commands {

struct StatsOptions {
  std::string since = "7d"; // see telemetry::parse_since()
  bool json = false;
};

/// `anyclaude stats`: what past requests cost, and what reuse saved; one line a day. Returns the
/// exit status.
int print_stats(const launch::Paths& paths, const StatsOptions& options);

} // namespace anyclaude::commands
