#pragma once

#include <cstdint>
#include <expected>
#include <filesystem>
#include <string>
#include <vector>

namespace anyclaude::bench {

/// One question: reused + computed = prompt tokens; computed ones were passed to llama_decode.
struct Measured {
  std::string name; // "cold", "followup", "new_session"
  std::int64_t prompt_tokens = 0;
  std::int64_t reused_tokens = 0;
  std::int64_t computed_tokens = 0;
  double ttft_ms = 0; // request sent until the first text, seen by the client
};

struct Report {
  std::string client;
  std::vector<Measured> requests; // cold, followup, new_session
};

/// A table for people, one line for each request, how many times sooner than the first it began.
std::string table(const Report& report);

/// {"client":…,"requests":[{"name":…,"prompt_tokens":…,…}],"speedup_followup":…,
/// "speedup_new_session":…}
std::string json(const Report& report);

/// The error says why the file could not be written.
std::expected<void, std::string> write_json(const Report& report,
                                            const std::filesystem::path& file);

} // namespace anyclaude::bench
