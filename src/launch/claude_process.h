#pragma once

#include "launch/daemon_keeper.h"

#include <filesystem>
#include <string>
#include <utility>
#include <vector>

namespace anyclaude::launch {

struct ClaudeCommand {
  std::filesystem::path program;
  std::vector<std::string> arguments; // without the program's name
  /// Set in its environment, on top of this process's; an empty value removes the variable.
  std::vector<std::pair<std::string, std::string>> variables;
};

/// Runs Claude Code in the foreground, in this process's session and process group, and returns its
/// exit status: 128 + n when signal n ended it, 126 or 127 (with a line on standard error) when it
/// could not be run.
///
/// Meanwhile SIGINT and SIGQUIT are left to it (the terminal sends them to both), SIGTERM and
/// SIGHUP are passed on unless they were ignored from the start (nohup), and when it stops
/// (SIGTSTP) this process stops with it, and both go on together. Afterwards the terminal's modes
/// are what they were. `daemon` is kept alive meanwhile and may be null. One thread; not to be
/// called twice at once.
int run_claude(const ClaudeCommand& command, DaemonKeeper* daemon);

} // namespace anyclaude::launch
