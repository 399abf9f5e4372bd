#pragma once

#include "commands/daemon.h"

#include <string>

namespace anyclaude::commands {

struct BenchOptions {
  DaemonOptions daemon;
  bool replays = false; // a synthetic request instead of the real Claude Code
  std::string claude;   // path of Claude Code; empty: found in PATH and beside it
  std::string json;     // file for the figures; empty: none
};

/// Starts a daemon of its own and asks it a first question, a follow-up and, in a new session,
/// another question. Prints what each cost. Returns the exit status; one that reused nothing is a
/// failure. To be called with one thread.
int run_bench(const BenchOptions& options);

} // namespace anyclaude::commands
