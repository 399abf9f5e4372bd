#pragma once

#include "commands/daemon.h"
#include "launch/paths.h"

#include <string>

namespace anyclaude::commands {

struct WarmOptions {
  DaemonOptions daemon; // of the daemon, if one has to be started
  bool insists_on_model = false;
  std::string claude; // path of Claude Code; empty: found in PATH and beside it
};

/// Asks something small through the installed Claude Code, headless, with the person's own
/// settings, and waits until what was computed for it is on the disk. Returns the exit status.
int warm_cache(const launch::Paths& paths, const WarmOptions& options);

} // namespace anyclaude::commands
