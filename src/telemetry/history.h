#pragma once

#include "telemetry/stats.h"

#include <chrono>
#include <cstdint>
#include <expected>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

namespace anyclaude::telemetry {

/// The records of past requests, in a SQLite file that outlives the daemon. Numbers and names only.
/// One process writes it and others may read meanwhile (write-ahead logging). All functions are
/// thread-safe.
class History {
 public:
  static constexpr std::chrono::days kKept{90};

  /// Opens or makes the file (0600). One that is no database of ours is moved aside, to
  /// <file>.damaged, with a warning. Records older than `kept` go. The error says why it cannot
  /// be used.
  static std::expected<std::unique_ptr<History>, std::string>
  open(const std::filesystem::path& file, std::chrono::milliseconds kept = kKept);

  /// Writes what waits.
  virtual ~History() = default;

  /// Takes a record to be written by a thread of its own within about a second. When that fails
  /// (disk full) there is one warning, and the record waits, as long as few do.
  virtual void add(RequestRecord record) = 0;
};

/// The records of requests that began at `since` (milliseconds since 1970) or later, oldest first.
/// None where there is no file. The error says why it cannot be read.
std::expected<std::vector<RequestRecord>, std::string>
read_history(const std::filesystem::path& file, std::int64_t since);

} // namespace anyclaude::telemetry
