#pragma once

#include "commands/daemon.h"
#include "launch/paths.h"

#include <cstdint>
#include <string>
#include <vector>

namespace anyclaude::commands {

struct BenchOptions {
  DaemonOptions daemon;             // complete; it is started with folders of its own
  std::string client = "replay";    // or "claude": the real Claude Code asks
  std::string prompt = "synthetic"; // or "claude": what it sends in this folder is asked again
  std::string claude;               // path of Claude Code; empty: found in PATH and beside it
  std::int64_t tokens = 18'490;     // of a synthetic prompt
  int sessions = 4;                 // at once; 0: none
  int repeats = 5;
  std::string json;                 // file for the figures; empty: none; "-": standard output
  std::string markdown;             // the same, for pasting
  std::string svg;                  // the same, as a chart
  std::string png;                  // the same
  std::vector<std::string> compare; // two files of figures: nothing is measured
};

/// How much sooner an answer begins because of what is kept: starts a daemon of its own and asks it
/// a first question, follow-ups, a question in a new session, several sessions at once, and a
/// follow-up after the daemon was killed and started again; all that `repeats` times. Prints a
/// table and writes what was asked for. Returns the exit status; a follow-up that reused nothing is
/// a failure. `paths` are the person's own; nothing in them is used but room on the disk. To be
/// called with one thread.
int run_bench(const BenchOptions& options, const launch::Paths& paths);

} // namespace anyclaude::commands
