#pragma once

#include "backend/backend.h"

#include <atomic>
#include <memory>
#include <mutex>
#include <string>

namespace anyclaude::backend {

/// How often a replica must fail, or answer, before it is believed.
struct HealthPolicy {
  int failures_until_down = 2; // in a row
  int successes_until_up = 2;  // in a row; the first ever counts at once: it has been loading
};

/// One of the servers that answer for a backend's name, and whether it is up. Thread-safe.
class Replica {
 public:
  /// `id` must stay the same for the same server, since it chooses whose conversations go there:
  /// its address. Up until something says otherwise.
  Replica(std::string id, std::shared_ptr<Backend> backend, HealthPolicy policy = {})
      : id_(std::move(id)), backend_(std::move(backend)), policy_(policy) {}

  const std::string& id() const { return id_; }
  Backend& backend() const { return *backend_; }
  bool is_up() const { return up_; }

  /// A health check's result, or a request's: true when it answered.
  void note(bool answered);

  /// It refused a connection, or was cut off: nothing to wait for.
  void note_dead();

  /// Requests under way.
  std::atomic<int> running = 0;

 private:
  const std::string id_;
  const std::shared_ptr<Backend> backend_;
  const HealthPolicy policy_;
  std::mutex mutex_;
  int in_a_row_ = 0; // results that speak against up_
  bool has_answered_ = false;
  std::atomic<bool> up_ = true;
};

} // namespace anyclaude::backend
