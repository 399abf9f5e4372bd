#pragma once

#include "telemetry/first_token_times.h"
#include "telemetry/live.h"

#include <cstdint>
#include <deque>
#include <list>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

/// What requests cost. Numbers and names only: no text of any conversation comes here, but for
/// Trace, which a person asks for.
namespace anyclaude::telemetry {

/// One request that asked for a message, after its end. prompt = reused + computed tokens.
struct RequestRecord {
  std::string id;      // "req_…"
  std::string session; // of the launcher; empty: none
  std::string model;   // the backend's name of the model that answered
  std::int64_t prompt_tokens = 0;
  std::int64_t reused_tokens = 0;
  std::int64_t computed_tokens = 0;
  std::int64_t output_tokens = 0;
  std::optional<double> prefill_ms; // spent on the computed tokens, without the time in a queue
  std::optional<double> ttft_ms;    // request read until the first content sent; absent: none was
  double total_ms = 0;
  std::int64_t saved_ms = 0;   // as in Totals, by what had been measured when it ended
  int status = 0;              // as the client saw it; 499: the client left before the end
  std::int64_t started_at = 0; // milliseconds since 1970
};

class History;

struct Totals {
  std::int64_t requests = 0;
  std::int64_t errors = 0; // status 400 and up, clients that left not counted
  std::int64_t prompt_tokens = 0;
  std::int64_t reused_tokens = 0;
  std::int64_t computed_tokens = 0;
  std::int64_t output_tokens = 0;
  /// What computing the reused tokens would have taken: reused tokens times the measured time of
  /// one computed token. 0 until something was measured. Rather too little, since a token takes
  /// longer the more stand before it.
  std::int64_t saved_ms = 0;
};

/// Adds all but the time saved.
void accumulate(Totals& totals, const RequestRecord& record);

/// Sums over all requests and over each launcher's session. Bounded: the last kRecords requests,
/// and the kSessions sessions used last. Thread-safe.
class Stats {
 public:
  static constexpr std::size_t kRecords = 256;
  static constexpr std::size_t kSessions = 256;

  Stats();
  /// Every record goes to the history as well; null: there is none.
  explicit Stats(std::unique_ptr<History> history);
  ~Stats();
  Stats(const Stats&) = delete;
  Stats& operator=(const Stats&) = delete;

  void add(RequestRecord record);

  /// The requests that have not ended.
  Live& live() { return live_; }
  const Live& live() const { return live_; }

  Totals total() const;
  FirstTokens first_tokens() const;
  /// Zero for a session never seen.
  Totals session(const std::string& id) const;

  /// The last requests, oldest first; of one session if `session` is given.
  std::vector<RequestRecord> records(std::optional<std::string_view> session = std::nullopt) const;

 private:
  struct Session {
    std::string id;
    Totals totals;
  };

  std::int64_t estimate(std::int64_t reused_tokens) const; // locked
  Totals with_estimate(Totals totals) const;               // locked

  mutable std::mutex mutex_;
  Totals total_;
  FirstTokens first_tokens_;
  std::list<Session> sessions_; // the one used last in front
  std::unordered_map<std::string, std::list<Session>::iterator> by_id_;
  std::deque<RequestRecord> records_;
  double measured_ms_ = 0;
  std::int64_t measured_tokens_ = 0;
  std::unique_ptr<History> history_;
  Live live_;
};

/// A JSON array with one object per record: the fields of RequestRecord by their names, without the
/// session; absent ones are null.
std::string to_json(const std::vector<RequestRecord>& records);

} // namespace anyclaude::telemetry
