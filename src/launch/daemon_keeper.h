#pragma once

#include "launch/daemon.h"

#include <chrono>
#include <deque>
#include <expected>
#include <string>

namespace anyclaude::launch {

/// Keeps a daemon behind a running `claude`: notices that it died (its control connection closes)
/// and starts it again on the same port with the same token, so that the client's next attempt
/// finds it. Writes what happened to the daemon's log, since the terminal is the client's. Not
/// thread-safe; lives in the launcher's one thread.
class DaemonKeeper {
 public:
  /// `daemon` must be ready: its port and token are what restarts keep.
  DaemonKeeper(Paths paths, DaemonOrder order, Attached daemon);

  /// To poll for reading; negative once the daemon could not be kept.
  int descriptor() const { return lost_ ? -1 : daemon_.client.descriptor(); }

  /// Takes in what arrived. When the daemon has gone, blocks until another one listens (tens of
  /// milliseconds: the model is loaded later).
  void on_readable();

  const DaemonStatus& status() const { return daemon_.client.status(); }

  /// The session's numbers; a daemon started anew begins at nothing.
  std::expected<SessionNumbers, ControlFailure> ask_session(std::chrono::milliseconds timeout) {
    return daemon_.client.ask_session(timeout);
  }

  /// What the person should know when the client has ended, one sentence each.
  const std::vector<std::string>& notes() const { return notes_; }

 private:
  bool may_restart();
  void restart();
  void give_up(const std::string& why);

  Paths paths_;
  DaemonOrder order_;
  Attached daemon_;
  bool lost_ = false;
  std::deque<std::chrono::steady_clock::time_point> restarts_; // of the last minute
  std::vector<std::string> notes_;
};

} // namespace anyclaude::launch
