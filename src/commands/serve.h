#pragma once

#include "commands/daemon.h"
#include "launch/paths.h"

namespace anyclaude::commands {

/// Runs the daemon in the foreground until Ctrl-C or SIGTERM; launchers attach to it. Prints how
/// to reach it on standard output, and its log on standard error. Returns the exit status.
int serve(const launch::Paths& paths, const DaemonOptions& options);

/// Ends the running daemon. Returns the exit status.
int stop(const launch::Paths& paths);

} // namespace anyclaude::commands
