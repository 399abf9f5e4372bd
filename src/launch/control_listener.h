#pragma once

#include "launch/descriptor.h"
#include "launch/paths.h"

#include <chrono>
#include <expected>
#include <string>

namespace anyclaude::launch {

/// The right to be this user's daemon: a lock (flock) that lasts as long as its descriptor, in this
/// process or in one forked from it, and the listening control socket. The system drops the lock
/// with the process, so whoever holds it may replace a socket that a killed daemon left behind.
struct ControlListener {
  Descriptor lock;
  Descriptor socket;
  std::filesystem::path path; // of the socket
};

struct ListenFailure {
  bool busy = false;   // another daemon lives, or is just ending
  std::string message; // for a person
};

/// Takes the lock and listens. Never waits for another daemon; two callers at once are served in
/// turn, and the later one finds the earlier one's socket listening.
std::expected<ControlListener, ListenFailure> open_control_listener(const Paths& paths);

/// Waits until no daemon holds the lock; false when one still does after `timeout`.
bool wait_for_daemon_end(const Paths& paths, std::chrono::milliseconds timeout);

} // namespace anyclaude::launch
