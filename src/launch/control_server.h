#pragma once

#include "launch/control_listener.h"
#include "launch/control_protocol.h"

#include <chrono>
#include <cstddef>
#include <expected>
#include <functional>
#include <memory>
#include <optional>
#include <string>

namespace anyclaude::launch {

/// What the daemon tells its launchers. Called on the control server's thread; must not block.
struct ControlCallbacks {
  /// `pid`, `version` and everything known so far; `attached` is filled in by the server.
  std::function<DaemonStatus()> status;
  std::function<SessionNumbers(const std::string& session)> session;
  /// The last launcher has gone and none came within the grace, or none came at all: the daemon is
  /// to end. Called once; launchers that come later are turned away and start a daemon of their own
  /// once this one has ended. Empty for a daemon that stays (`anyclaude serve`).
  std::function<void()> on_last_detached;
  /// The JSON of the document of this name; nothing where there is none. May be empty.
  std::function<std::optional<std::string>(const std::string& name, const std::string& argument)>
      document{};
};

struct ControlTimes {
  std::chrono::milliseconds grace{2000}; // a launcher that restarts finds its daemon again
  std::chrono::milliseconds first_launcher{30'000}; // the one that started us was killed at once
};

/// The daemon's side of the control socket, on a thread of its own.
class ControlServer {
 public:
  /// The error says why no thread could be started or descriptors are used up.
  static std::expected<std::unique_ptr<ControlServer>, std::string>
  start(ControlListener listener, ControlCallbacks callbacks, ControlTimes times = {});

  virtual ~ControlServer() = default; // closes every connection, removes the socket, frees the lock

  /// Sends the status to every launcher. Thread-safe.
  virtual void status_changed() = 0;

  /// Launchers now attached. Thread-safe.
  virtual std::size_t attached() const = 0;
};

} // namespace anyclaude::launch
