#include "backend/replica.h"

#include <spdlog/spdlog.h>

#include <utility>

namespace anyclaude::backend {

void Replica::note(bool answered) {
  const std::scoped_lock lock(mutex_);
  const bool first_answer = answered && !std::exchange(has_answered_, has_answered_ || answered);
  if (answered == up_) {
    in_a_row_ = 0;
    return;
  }
  if (++in_a_row_ < (answered ? policy_.successes_until_up : policy_.failures_until_down) &&
      !first_answer)
    return;
  in_a_row_ = 0;
  up_ = answered;
  spdlog::info("backend {} is {}", id_, answered ? "up again" : "down");
}

void Replica::note_dead() {
  const std::scoped_lock lock(mutex_);
  in_a_row_ = 0;
  if (up_.exchange(false))
    spdlog::info("backend {} is down", id_);
}

} // namespace anyclaude::backend
