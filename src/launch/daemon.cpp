#include "launch/daemon.h"

#include "launch/daemon_process.h"

#include <poll.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstring>
#include <format>

namespace anyclaude::launch {

namespace {

using Clock = std::chrono::steady_clock;
using namespace std::chrono_literals;

/// How long a daemon that is ending may still hold its lock.
constexpr auto kEndingTime = 15s;

std::string with_log(const Paths& paths, std::int64_t from, const std::string& sentence) {
  const std::string lines = end_of_log(paths.daemon_log(), from);
  if (lines.empty())
    return std::format("{} Its log is {}.", sentence, paths.daemon_log().native());
  return std::format("{} The end of its log, {}:\n{}", sentence, paths.daemon_log().native(),
                     lines);
}

std::string ended_while_starting(const Paths& paths, const StartedProcess& daemon) {
  const auto how = how_it_ended(daemon.pid);
  return with_log(paths, daemon.log_from,
                  how ? std::format("The daemon ended while it was starting, with {}.", *how)
                      : "The daemon ended while it was starting.");
}

std::string how_to_stop(const DaemonStatus& status) {
  return std::format("Stop it with `anyclaude stop`{}, then try again.",
                     status.launcher_started ? " (it also ends with its last `anyclaude`)" : "");
}

/// Why the running daemon is not the one that was asked for; empty when it is.
std::string mismatch(const DaemonStatus& running, const DaemonOrder& order) {
  if (running.version != order.version)
    return std::format("The running daemon (process {}) is anyclaude {}, this is anyclaude {}. ",
                       running.pid, running.version, order.version);
  if (!order.mode.empty() && running.mode != order.mode)
    return std::format("The running daemon (process {}) is in mode {}, not {}. ", running.pid,
                       running.mode, order.mode);
  if (!order.model_path.empty() && running.model_path != order.model_path)
    return std::format("The running daemon (process {}) serves {}, not {}. ", running.pid,
                       running.model_path.empty() ? "no model" : running.model_path,
                       order.model_path);
  return {};
}

/// Nobody but the caller is attached to a daemon that would have ended by itself.
bool is_replaceable(const DaemonStatus& running) {
  return running.launcher_started && running.attached <= 1;
}

std::expected<void, std::string> end_process(const Paths& paths, std::int64_t pid,
                                             std::chrono::milliseconds timeout) {
  if (pid <= 1)
    return std::unexpected("the running daemon did not say which process it is");
  if (::kill(static_cast<pid_t>(pid), SIGTERM) != 0 && errno != ESRCH)
    return std::unexpected(
        std::format("cannot stop the daemon (process {}): {}", pid, std::strerror(errno)));
  if (!wait_for_daemon_end(paths, timeout))
    return std::unexpected(std::format(
        "the daemon (process {}) has not ended {} s after SIGTERM; end it with `kill -9 {}`", pid,
        std::chrono::ceil<std::chrono::seconds>(timeout).count(), pid));
  return {};
}

Hello hello_of(const DaemonOrder& order) {
  return Hello{order.version, ::getpid(), order.session, true};
}

/// One attempt to become the daemon's parent or its client. Nothing: a daemon is just ending, or
/// has died in between, and the next attempt will tell.
std::expected<std::optional<Attached>, std::string> attempt(const Paths& paths,
                                                            const DaemonOrder& order) {
  StartedProcess started;
  auto listener = open_control_listener(paths);
  if (!listener && !listener.error().busy)
    return std::unexpected(listener.error().message);
  if (listener) {
    auto process = start_daemon_process(
        paths, DaemonStart{std::move(*listener), order.port, order.token}, order.main);
    if (!process)
      return std::unexpected(process.error());
    started = *process;
  }
  auto client = ControlClient::connect(paths.control_socket(), hello_of(order));
  if (!client && client.error() == EPERM)
    return std::unexpected(std::format("the process listening at {} is not yours; set "
                                       "ANYCLAUDE_HOME to a folder of your own",
                                       paths.control_socket().native()));
  if (client) {
    Attached daemon{std::move(*client), started.pid, started.log_from};
    const auto status = daemon.client.next_status(order.answer_timeout);
    if (status)
      return daemon;
    if (status.error() == ControlFailure::timed_out)
      return std::unexpected(
          with_log(paths, started.log_from,
                   "The daemon does not answer. End its process (`pgrep -u $USER anyclaude` lists "
                   "it) and try again."));
  }
  if (started.pid > 0)
    return std::unexpected(ended_while_starting(paths, started));
  return std::nullopt;
}

} // namespace

std::expected<Attached, std::string> attach_or_start(const Paths& paths, const DaemonOrder& order) {
  const auto deadline = Clock::now() + kEndingTime;
  for (;;) {
    auto tried = attempt(paths, order);
    if (!tried)
      return std::unexpected(tried.error());
    if (*tried) {
      const DaemonStatus& running = (*tried)->client.status();
      const bool is_ours = (*tried)->child > 0;
      const std::string wrong = is_ours ? "" : mismatch(running, order);
      if (wrong.empty())
        return std::move(**tried);
      if (!is_replaceable(running))
        return std::unexpected(wrong + how_to_stop(running));
      if (auto ended = end_process(paths, running.pid, kEndingTime); !ended)
        return std::unexpected(wrong + ended.error());
    } else if (Clock::now() >= deadline) {
      return std::unexpected(std::format(
          "a daemon holds {} but takes no connections; end its process (`pgrep -u $USER anyclaude` "
          "lists it) and try again",
          (paths.runtime / "daemon.lock").native()));
    } else {
      ::poll(nullptr, 0, 10); // a daemon is ending: look again
    }
  }
}

std::expected<DaemonStatus, std::string>
wait_ready(const Paths& paths, Attached& daemon,
           const std::function<void(const DaemonStatus&)>& on_progress) {
  for (;;) {
    const DaemonStatus& status = daemon.client.status();
    if (status.state == DaemonState::ready)
      return status;
    if (status.state == DaemonState::failed)
      return std::unexpected(with_log(
          paths, daemon.log_from, std::format("The daemon could not start: {}", status.detail)));
    if (on_progress)
      on_progress(status);
    if (!daemon.client.next_status(-1ms))
      return std::unexpected(
          ended_while_starting(paths, StartedProcess{daemon.child, daemon.log_from}));
  }
}

std::expected<bool, std::string> stop_daemon(const Paths& paths,
                                             std::chrono::milliseconds timeout) {
  if (wait_for_daemon_end(paths, 0ms))
    return false;
  auto client = ControlClient::connect(paths.control_socket(), Hello{"", ::getpid(), "", false});
  const auto status = client ? client->next_status(timeout)
                             : std::unexpected<ControlFailure>(ControlFailure::closed);
  if (!status) {
    if (wait_for_daemon_end(paths, timeout)) // it was ending already
      return true;
    return std::unexpected("the running daemon does not answer; end its process by hand "
                           "(`pgrep -u $USER anyclaude` lists it)");
  }
  if (auto ended = end_process(paths, status->pid, timeout); !ended)
    return std::unexpected(ended.error());
  return true;
}

} // namespace anyclaude::launch
