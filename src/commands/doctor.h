#pragma once

#include "launch/paths.h"

namespace anyclaude::commands {

/// Tells, for each of the running daemon's last prompts, how far it begins like an earlier one, and
/// what stands where they part. Returns the exit status.
int print_prompt_reports(const launch::Paths& paths);

} // namespace anyclaude::commands
