#pragma once

#include "bench/client.h"
#include "bench/result.h"
#include "commands/bench.h"
#include "commands/bench_progress.h"
#include "launch/daemon.h"
#include "launch/paths.h"

#include <expected>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace anyclaude::commands {

/// A folder that only its owner can read, and that is gone with this object. What a benchmark that
/// was killed has left is removed by the next one.
class BenchFolder {
 public:
  /// Below `cache`, where models and prefixes have room.
  explicit BenchFolder(const std::filesystem::path& cache);
  ~BenchFolder();
  BenchFolder(const BenchFolder&) = delete;
  BenchFolder& operator=(const BenchFolder&) = delete;

  bool exists() const { return !path_.empty(); }
  const std::filesystem::path& path() const { return path_; }
  std::filesystem::path folder(const char* name) const; // a new one in it

 private:
  std::filesystem::path path_;
};

/// Makes the measurement that run_bench() tells of. Ctrl-C ends it, and everything that was started
/// for it. One thread.
class BenchMeasurement {
 public:
  BenchMeasurement(const BenchOptions& options, const BenchFolder& folder, launch::Paths own);
  ~BenchMeasurement();
  BenchMeasurement(const BenchMeasurement&) = delete;
  BenchMeasurement& operator=(const BenchMeasurement&) = delete;

  /// The error says at which step what went wrong.
  std::expected<bench::Result, std::string> run();

 private:
  using Failure = std::unexpected<std::string>;
  template <class T>
  using Expected = std::expected<T, std::string>;

  /// One request, as both sides saw it.
  struct Asked {
    double ttft_ms = 0;
    std::int64_t prompt_tokens = 0;
    std::int64_t reused_tokens = 0;
    std::int64_t computed_tokens = 0;
  };

  Expected<void> start_daemon();
  void kill_daemon();
  Expected<void> restart_daemon();
  Expected<void> make_client();
  Expected<void> make_synthetic_prompt();
  Expected<void> capture_prompt();
  Expected<void> repeat(int number);
  Expected<Asked> ask(bench::Client& client, const bench::Question& question);
  Expected<Asked> count(const std::string& session) const;
  Expected<std::vector<Asked>> ask_at_once(int repeat);
  /// Runs `work` on a thread of its own, with the progress shown, until it has ended.
  void wait_for(const std::function<void()>& work);
  void show_progress();
  double prefilled() const;
  void add(const char* row, const std::vector<Asked>& asked);

  const BenchOptions& options_;
  const BenchFolder& folder_;
  const launch::Paths own_; // of the daemon that is measured
  BenchProgress progress_;
  std::unique_ptr<bench::Client> client_;
  std::optional<launch::Attached> daemon_;
  launch::DaemonStatus status_;
  bench::Result result_;
};

} // namespace anyclaude::commands
