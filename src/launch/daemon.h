#pragma once

#include "launch/control_client.h"
#include "launch/control_listener.h"
#include "launch/paths.h"

#include <sys/types.h>

#include <chrono>
#include <expected>
#include <functional>
#include <string>

namespace anyclaude::launch {

/// What the daemon's main function gets when a launcher starts it.
struct DaemonStart {
  ControlListener listener;
  std::uint16_t port = 0; // 0: any; otherwise the port of the daemon it replaces
  std::string token;      // empty: make one
};

/// Runs the daemon until it is to end; its result is the process's exit status. Called in a process
/// of its own, forked from the launcher without an exec: standard output and error go to the log,
/// the working directory is "/" (so paths must be absolute), every other descriptor is closed and
/// every signal has its default action. It should start its ControlServer first and load the model
/// then, since launchers wait for the first status.
using DaemonMain = std::function<int(DaemonStart)>;

struct DaemonOrder {
  std::string version;    // of this program
  std::string session;    // of this launcher
  std::string mode;       // empty: whatever a running daemon serves will do
  std::string model_path; // absolute, or a server's name of it; empty: as above
  DaemonMain main;
  std::uint16_t port = 0;
  std::string token;
  std::chrono::milliseconds answer_timeout{20'000}; // for a daemon's first status
};

struct Attached {
  ControlClient client;
  pid_t child = -1;          // the daemon, when this process started it
  std::int64_t log_from = 0; // where in the log this daemon's lines begin, bytes
};

/// Attaches to the running daemon or starts one; two callers at once share one daemon. Returns
/// after the daemon's first status, which may still be `loading`. Must be called from a process
/// with one thread. The error is for a person: a daemon of another version or with another model
/// (replaced without asking when a launcher started it and none is attached any more), one that
/// does not answer, or one that ended while it was starting, with the end of its log.
std::expected<Attached, std::string> attach_or_start(const Paths& paths, const DaemonOrder& order);

/// Waits until the daemon is ready, for as long as it says that it is loading. `on_progress` may be
/// empty. The error says why it failed, with the end of its log.
std::expected<DaemonStatus, std::string>
wait_ready(const Paths& paths, Attached& daemon,
           const std::function<void(const DaemonStatus&)>& on_progress);

/// Ends the running daemon with SIGTERM and waits until it has gone. False: none was running. The
/// error says that it did not end in time.
std::expected<bool, std::string> stop_daemon(const Paths& paths, std::chrono::milliseconds timeout);

} // namespace anyclaude::launch
