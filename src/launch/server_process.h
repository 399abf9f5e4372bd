#pragma once

#include "launch/server_kind.h"

#include <sys/types.h>

#include <expected>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <utility>

namespace anyclaude::launch {

/// A server that this process has started, with everything that it starts itself. Ends with this
/// object, and, on Linux, with the thread that started it, however that ends. Not thread-safe.
class ServerProcess {
 public:
  /// Its output is appended to `log`. The error says why it could not be run.
  static std::expected<std::unique_ptr<ServerProcess>, std::string>
  start(const ServerCommand& command, const std::filesystem::path& log);
  /// SIGTERM, and SIGKILL to what is left after 10 seconds.
  ~ServerProcess();
  ServerProcess(const ServerProcess&) = delete;
  ServerProcess& operator=(const ServerProcess&) = delete;

  pid_t pid() const { return pid_; }

  /// "exit status 1" once it has ended. Programs that leave a daemon behind (`lms server start`) do
  /// so at once, with exit status 0, which counts as running.
  std::optional<std::string> how_it_ended();

  /// The last lines that it wrote; `lines` at most.
  std::string last_lines(std::size_t lines) const;

 private:
  ServerProcess(ServerCommand command, std::filesystem::path log, std::int64_t log_from, pid_t pid)
      : command_(std::move(command)), log_(std::move(log)), log_from_(log_from), pid_(pid) {}
  bool wait_for_end(int milliseconds);

  ServerCommand command_;
  std::filesystem::path log_;
  std::int64_t log_from_; // bytes
  pid_t pid_;
  std::optional<int> status_;
};

} // namespace anyclaude::launch
