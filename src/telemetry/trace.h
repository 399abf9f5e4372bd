#pragma once

#include <cstddef>
#include <cstdint>
#include <expected>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

namespace anyclaude::telemetry {

/// Requests and answers with all that is said in them, as text files (0600) in a folder: for
/// finding out what went wrong, and only where a person asked for it. All functions are
/// thread-safe.
class Trace {
 public:
  struct Limits {
    std::uint64_t folder_bytes = std::uint64_t{1} << 30; // then the oldest files go
    std::size_t waiting_bytes = std::size_t{64} << 20;   // of files to be written; more are not
  };

  /// One file to be.
  struct File {
    std::string name; // without a folder; equal moments sort by it
    std::string text;
    std::vector<std::string> secrets; // that the request brought along
  };

  /// `folder` exists and is its owner's alone. Files of an earlier trace there count to the limit.
  static std::unique_ptr<Trace> open(std::filesystem::path folder, Limits limits);

  /// Writes what waits.
  virtual ~Trace() = default;

  /// Takes a file to be written by a thread of its own, without the credentials in it. When that
  /// fails (disk full) there is one warning, and the file is not kept.
  virtual void write(File file) = 0;

  /// The beginning of the names of a request's files: the time in UTC, and its id.
  static std::string name_of(const std::string& request_id);
};

} // namespace anyclaude::telemetry
