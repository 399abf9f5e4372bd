#pragma once

#include "commands/daemon.h"
#include "launch/claude_settings.h"
#include "launch/daemon.h"
#include "launch/paths.h"

#include <string>
#include <vector>

namespace anyclaude::commands {

struct LaunchOptions {
  DaemonOptions daemon;               // of the daemon, if one has to be started
  bool insists_on_model = false;      // false: whatever a running daemon serves will do
  bool insists_on_mode = false;       // the same
  std::string claude;                 // path of Claude Code; empty: found in PATH and beside it
  std::vector<std::string> arguments; // for Claude Code
  bool is_private = false;            // nothing that is said is to be kept on the disk
  std::string engine_options{};       // names of those given; a running daemon has its own
};

/// Starts Claude Code on the running daemon, or on one started for it, and returns its exit status;
/// 1 when it could not be started, with a sentence on standard error. To be called with one thread.
int launch_claude(const launch::Paths& paths, const LaunchOptions& options);

/// The daemon that a launcher wants: it ends with its last launcher.
launch::DaemonOrder daemon_order(DaemonOptions options, std::string session);

/// Waits until the daemon has loaded its model or its server has, with a line of progress. The
/// error says why it has none.
std::expected<launch::DaemonStatus, std::string> wait_until_ready(const launch::Paths& paths,
                                                                  launch::Attached& daemon);

/// What Claude Code needs to know of a ready daemon.
launch::ClaudeConnection connection_to(const launch::DaemonStatus& status,
                                       const std::string& session);

} // namespace anyclaude::commands
