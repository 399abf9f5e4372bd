#pragma once

#include "backend/backend.h"
#include "backend/replica.h"

#include <condition_variable>
#include <deque>
#include <expected>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

namespace anyclaude::backend {

/// Runs what must not run on the thread that reports a failure: that thread belongs to a backend,
/// and starting a request takes time. Its destructor drops what has not begun.
class RetryThread {
 public:
  RetryThread();
  ~RetryThread();
  RetryThread(const RetryThread&) = delete;
  RetryThread& operator=(const RetryThread&) = delete;

  void post(std::function<void()> work);

 private:
  void run();

  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<std::function<void()>> work_;
  bool ending_ = false;
  std::thread thread_;
};

/// Where a request may be answered.
struct Candidate {
  std::string name; // for messages: "gpu (http://10.0.0.2:8000)"
  std::shared_ptr<Replica> replica;
  std::string model; // to ask for; empty: its own
};

/// Asks the first candidate, and the next one when it fails before the client has been sent any
/// part of the answer, in a way that another server may not: it is dead, full, or at fault. Each
/// failure and success is noted with its replica. What start() of Backend says of threads and the
/// sink holds here too. `candidates` must not be empty; `retries` must outlive the Generation.
std::expected<std::unique_ptr<Generation>, anthropic::Error>
start_with_failover(std::vector<Candidate> candidates, const anthropic::Request& request,
                    const Caller& caller, EventSink sink, RetryThread& retries);

} // namespace anyclaude::backend
