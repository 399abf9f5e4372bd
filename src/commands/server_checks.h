#pragma once

#include "commands/reuse_measurement.h"
#include "launch/server_probe.h"

#include <expected>
#include <string>
#include <vector>

namespace anyclaude::commands {

enum class Verdict { ok, note, wrong };

/// One thing that was looked at: what was found, and how to mend it.
struct Finding {
  Verdict verdict = Verdict::ok;
  std::string sentence;
};

/// What a server says of itself, against the traps that are known: a context too small for Claude
/// Code, other machines let in, nothing loaded.
std::vector<Finding> check_server(const launch::FoundServer& server);

/// What a measurement says: whether it reuses, whether it takes tools, whether it says what it
/// reused.
Finding judge_reuse(const launch::FoundServer& server,
                    const std::expected<ReuseMeasurement, RefusedMeasurement>& measured);

/// Whether somebody listens on this port on every interface, by /proc/net/tcp; false where there is
/// no such file.
bool is_open_to_other_machines(std::uint16_t port);

} // namespace anyclaude::commands
