#include "launch/daemon_keeper.h"

#include "launch/daemon_process.h"

#include <unistd.h>

#include <format>

namespace anyclaude::launch {

namespace {
constexpr std::size_t kRestartsPerMinute = 3;
}

DaemonKeeper::DaemonKeeper(Paths paths, DaemonOrder order, Attached daemon)
    : paths_(std::move(paths)), order_(std::move(order)), daemon_(std::move(daemon)) {
  order_.port = status().port;
  order_.token = status().token;
}

void DaemonKeeper::on_readable() {
  if (daemon_.client.receive())
    return;
  if (may_restart())
    restart();
  else
    give_up(std::format("it died {} times within a minute", kRestartsPerMinute + 1));
}

bool DaemonKeeper::may_restart() {
  const auto now = std::chrono::steady_clock::now();
  while (!restarts_.empty() && now - restarts_.front() > std::chrono::minutes(1))
    restarts_.pop_front();
  if (restarts_.size() >= kRestartsPerMinute)
    return false;
  restarts_.push_back(now);
  return true;
}

void DaemonKeeper::restart() {
  const std::int64_t old = status().pid;
  const pid_t old_child = daemon_.child;
  auto started = attach_or_start(paths_, order_);
  // Another launcher's daemon cannot be waited for.
  const std::string how = how_it_ended(old_child).value_or("an unknown cause");
  if (!started) {
    give_up(started.error());
    return;
  }
  daemon_ = std::move(*started);
  const std::string note = std::format(
      "The daemon (process {}) ended with {}; process {} {} its "
      "place, on port {}.",
      old, how, status().pid, daemon_.child > 0 ? "was started in" : "has taken", order_.port);
  add_to_log(paths_.daemon_log(), std::format("launcher {}: {}", ::getpid(), note));
  notes_.push_back(std::format("{} Its log: {}", note, paths_.daemon_log().native()));
}

void DaemonKeeper::give_up(const std::string& why) {
  lost_ = true;
  const std::string note = std::format("The daemon was not started again: {}", why);
  add_to_log(paths_.daemon_log(), std::format("launcher {}: {}", ::getpid(), note));
  notes_.push_back(note);
}

} // namespace anyclaude::launch
