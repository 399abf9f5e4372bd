#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <mutex>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace anyclaude::prompt {

/// How far a prompt begins like one before it, and what stands where they part.
struct PromptReport {
  std::size_t tokens = 0;
  std::size_t shared = 0; // of them, with the prompt before that it shares most with
  int turn = 0;           // where they part: 0 is the first turn of the template, mostly the tools
  int turns = 0;
  std::string common; // the last words of what they share
  std::string here;   // how this prompt goes on
  std::string before; // how the earlier one went on; both empty where it is all in this one
};

/// Watches prompts for what breaks their common prefix. Remembers the tokens of the last few, of
/// all tenants together, and compares within a tenant. Thread-safe.
class PromptWatch {
 public:
  static constexpr std::size_t kPrompts = 32;

  /// `piece` gives a token's text.
  explicit PromptWatch(std::function<std::string(std::int32_t)> piece);

  void add(const std::string& tenant, std::span<const std::int32_t> tokens,
           std::span<const int> boundaries);

  /// Oldest first.
  std::vector<PromptReport> reports() const;

 private:
  struct Seen {
    std::string tenant;
    std::vector<std::int32_t> tokens;
    PromptReport report;
  };
  std::string text(std::span<const std::int32_t> tokens) const;

  std::function<std::string(std::int32_t)> piece_;
  mutable std::mutex mutex_;
  std::deque<Seen> seen_;
};

/// A JSON array with one object per report: its fields by their names.
std::string to_json(std::span<const PromptReport> reports);

} // namespace anyclaude::prompt
