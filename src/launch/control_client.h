#pragma once

#include "launch/control_protocol.h"
#include "launch/line_channel.h"

#include <chrono>
#include <expected>
#include <filesystem>
#include <functional>
#include <optional>
#include <string>

namespace anyclaude::launch {

enum class ControlFailure { closed, timed_out };

/// A launcher's connection to the daemon; its destruction detaches. Not thread-safe.
class ControlClient {
 public:
  /// Connects and says hello. The error is an errno (ECONNREFUSED, ENOENT: nobody listens; EPERM:
  /// somebody else does).
  static std::expected<ControlClient, int> connect(const std::filesystem::path& socket,
                                                   const Hello& hello);

  /// To poll for reading.
  int descriptor() const { return channel_.descriptor(); }

  /// The last status received.
  const DaemonStatus& status() const { return status_; }

  /// Takes in what has arrived, without blocking. False when the daemon has gone.
  bool receive();

  /// Blocks until another status than the last arrives. A negative time-out is none.
  std::expected<DaemonStatus, ControlFailure> next_status(std::chrono::milliseconds timeout);

  /// Blocks until the daemon has answered.
  std::expected<SessionNumbers, ControlFailure> ask_session(std::chrono::milliseconds timeout);

  /// Blocks until the daemon has sent its document of this name, as JSON: "prompts" (an array, see
  /// prompt::PromptReport), "state" (an object, see dashboard::state_json), "request" (the longest
  /// one, of a daemon that keeps it) or "store" (an object, see docs/cache-command.md; the argument
  /// says what was done to its files: nothing, "files" or "cleared"). An older daemon, which does
  /// not know it, lets the time run out.
  std::expected<std::string, ControlFailure> ask(const std::string& document,
                                                 std::chrono::milliseconds timeout,
                                                 const std::string& argument = {});

  /// Blocks until the daemon has closed the connection; false when it has not in time.
  bool wait_closed(std::chrono::milliseconds timeout);

 private:
  explicit ControlClient(LineChannel channel) : channel_(std::move(channel)) {}
  std::expected<void, ControlFailure> wait(std::chrono::milliseconds timeout,
                                           const std::function<bool()>& arrived);

  LineChannel channel_;
  DaemonStatus status_;
  int statuses_ = 0; // received so far
  std::optional<SessionNumbers> session_;
  std::optional<Document> document_;
};

} // namespace anyclaude::launch
