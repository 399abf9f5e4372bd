#pragma once

#include <expected>
#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

namespace anyclaude::launch {

/// Where things live, by the XDG base directory rules
/// (https://specifications.freedesktop.org/basedir-spec/latest/). $ANYCLAUDE_HOME, when set, holds
/// everything instead: run/, state/, cache/ and config.toml.
struct Paths {
  static constexpr const char* kHistory = "history.db"; // what requests cost

  std::filesystem::path runtime;     // sockets, locks, settings files with a token in them
  std::filesystem::path state;       // the daemon's log
  std::filesystem::path cache;       // what can be made again
  std::filesystem::path config_file; // config.toml; it and its folder may be absent

  std::filesystem::path control_socket() const { return runtime / "control.sock"; }
  std::filesystem::path daemon_log() const { return state / "daemon.log"; }
  std::filesystem::path history() const { return state / kHistory; }
};

/// Reads a variable of the environment; nothing when it is unset.
using EnvironmentLookup = std::function<std::optional<std::string>(const char* name)>;

/// The process's own environment.
std::optional<std::string> process_environment(const char* name);

/// Finds the folders and creates runtime, state and cache with mode 0700. Where the runtime
/// folder's name is too long for a Unix socket (108 bytes), a folder of this user's in /tmp takes
/// its place. The error says which folder cannot be used, why, and what to do.
std::expected<Paths, std::string>
prepare_paths(const EnvironmentLookup& environment = process_environment);

/// Creates `folder` (0700) or checks that it is a folder of this user's which nobody else may write
/// to; one that others may only read is made private. A symbolic link is refused. `otherwise`: what
/// a person may do instead of removing it, for the error.
std::expected<void, std::string>
make_private_folder(const std::filesystem::path& folder,
                    std::string_view otherwise = "set ANYCLAUDE_HOME to a folder of your own");

} // namespace anyclaude::launch
