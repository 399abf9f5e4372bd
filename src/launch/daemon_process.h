#pragma once

#include "launch/daemon.h"

#include <sys/types.h>

#include <expected>
#include <filesystem>
#include <optional>
#include <string>

namespace anyclaude::launch {

struct StartedProcess {
  pid_t pid = -1;
  std::int64_t log_from = 0; // bytes
};

/// Forks the daemon: a session of its own, output appended to the log (kept under 4 MiB, one older
/// file beside it). Closes the caller's copy of the listener, not the daemon's.
std::expected<StartedProcess, std::string>
start_daemon_process(const Paths& paths, DaemonStart start, const DaemonMain& main);

/// The last lines of a log from `from` on, at most 12; empty when there are none.
std::string end_of_log(const std::filesystem::path& log, std::int64_t from);

/// Appends one line for the person who looks why something happened.
void add_to_log(const std::filesystem::path& log, const std::string& line);

/// What waitpid's status says of a process that has ended, as part of a sentence: "exit status 3",
/// "signal 6 (Aborted)".
std::string end_by_status(int status);

/// How a child that has closed its connection ended. Waits for its end, 2 s at most: connections
/// close a moment before. Nothing when it still runs or is no child of ours.
std::optional<std::string> how_it_ended(pid_t child);

} // namespace anyclaude::launch
