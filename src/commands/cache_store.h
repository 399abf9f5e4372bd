#pragma once

#include "anthropic/json.h"
#include "commands/tell.h"
#include "launch/paths.h"

#include <nlohmann/json.hpp>

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>

/// What the parts of `anyclaude cache` have in common.
namespace anyclaude::commands {

inline std::filesystem::path prefix_folder(const launch::Paths& paths) {
  return paths.cache / "prefixes";
}
inline std::filesystem::path replay_folder(const launch::Paths& paths) {
  return paths.cache / "replay";
}

/// What the running daemon says of its store; nothing where none runs, or none that answers.
std::optional<Json> ask_store(const launch::Paths& paths);

/// Waits until everything that was computed is on the disk; false when that does not come about in
/// two minutes, or there is no daemon.
bool wait_until_stored(const launch::Paths& paths);

/// Tells a running daemon that the files of the store were changed, "files", or that all of them
/// were removed, "cleared", and waits until it has looked. Where it does not, a sentence on
/// standard error says what follows.
void tell_store_changed(const launch::Paths& paths, const std::string& change);

std::string human_bytes(std::uint64_t bytes); // "1.2 GiB"
std::string human_time(std::int64_t unix_seconds);
std::string human_seconds(double seconds);

} // namespace anyclaude::commands
