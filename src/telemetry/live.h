#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

namespace anyclaude::telemetry {

enum class Phase { queued, prefill, generating };
const char* to_string(Phase phase);

/// One request for a message that has not ended.
struct LiveRequest {
  std::string id; // "req_…"
  std::string session;
  std::string model;
  bool background = false; // nobody looks at the answer while it is made
  Phase phase = Phase::queued;
  std::int64_t prompt_tokens = 0; // 0: not known yet
  std::int64_t done_tokens = 0;   // of them, reused or computed
  std::int64_t reused_tokens = 0; // known from Phase::generating on
  std::int64_t pieces = 0;        // of the answer that were sent, mostly a token each
  double waited_ms = 0;           // since it was received
  double phase_ms = 0;            // since the phase began
  std::optional<double> ttft_ms;
  /// How long prefill will still take at its pace so far; nothing until that can be told.
  std::optional<double> left_ms;
};

/// The requests under way, for whoever wants to look. Thread-safe, and quick: the engine's thread
/// reports every token.
class Live {
 public:
  using Clock = std::chrono::steady_clock;

  void began(const std::string& id, std::string session, std::string model,
             Clock::time_point received);
  void is_background(const std::string& id);
  void prefilled(const std::string& id, std::int64_t done, std::int64_t total);
  void answering(const std::string& id, std::int64_t reused, std::int64_t prompt);
  void sent_piece(const std::string& id);
  void ended(const std::string& id);

  /// In the order in which they began.
  std::vector<LiveRequest> requests() const { return requests(Clock::now()); }
  std::vector<LiveRequest> requests(Clock::time_point now) const;

 private:
  struct Entry {
    LiveRequest request;
    std::uint64_t number = 0;
    Clock::time_point received;
    Clock::time_point phase_began;
    std::int64_t first_done = 0; // when prefill was first heard of
  };
  void enter(Entry& entry, Phase phase);

  mutable std::mutex mutex_;
  std::uint64_t count_ = 0;
  std::map<std::string, Entry> entries_;
};

} // namespace anyclaude::telemetry
