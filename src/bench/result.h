#pragma once

#include "bench/machine.h"

#include <cstdint>
#include <expected>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

namespace anyclaude::bench {

/// One kind of request. reused + computed = prompt tokens; computed ones were passed to
/// llama_decode, or to another server's like.
struct Row {
  std::string name;               // "cold", "followup", "new_session", "sessions", "after_restart"
  std::int64_t prompt_tokens = 0; // these three of the repeat that reused least
  std::int64_t reused_tokens = 0;
  std::int64_t computed_tokens = 0;
  std::vector<double> ttft_ms{}; // one value a repeat: request sent until the first token came
};

/// A measurement: numbers and names, nothing of any prompt.
struct Result {
  std::string version; // of the program
  std::string date;    // when it began: "2026-11-25T17:40:00Z"
  Machine machine;
  double load_before = 0; // see load_average()
  double load_after = 0;
  std::string mode;
  std::string model;
  bool is_demo = false;           // a stand-in: true costs, made-up answers
  std::string client;             // "replay", or "claude-code 2.1.330"
  std::string prompt;             // "synthetic", or whose: "claude-code 2.1.330"
  std::int64_t wanted_tokens = 0; // 0: the prompt has its own length
  int context_tokens = 0;         // 0: not known
  int sessions = 0;               // at once; 0: not measured
  int repeats = 0;
  std::vector<Row> rows{}; // "cold" is the first

  const Row* row(std::string_view name) const;
};

/// "first request", "8 sessions at once"
std::string title(const Result& result, const Row& row);

/// How many times sooner than the first request's the answer began, by the medians.
double speedup(const Result& result, const Row& row);

/// As result.h has it, with median, min and max beside the values, and speedup_<row>.
std::string to_json(const Result& result);

/// The error says what is missing.
std::expected<Result, std::string> parse_result(std::string_view json);

/// The error says why the file could not be read, or what is wrong with it.
std::expected<Result, std::string> read_result(const std::filesystem::path& file);

} // namespace anyclaude::bench
