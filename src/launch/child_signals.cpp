#include "launch/child_signals.h"

#include <unistd.h>

#include <cerrno>
#include <cstddef>

namespace anyclaude::launch {

namespace {

volatile std::sig_atomic_t signal_pipe = -1; // where the handler writes

/// What the parent has us ignore, as nohup does SIGHUP; the other two tell about the child.
bool stays_ignored(int signal) {
  return signal != SIGCHLD && signal != SIGCONT;
}

extern "C" void write_signal(int signal) {
  const int saved = errno;
  const auto byte = static_cast<unsigned char>(signal);
  [[maybe_unused]] const auto written = ::write(signal_pipe, &byte, 1);
  errno = saved;
}

} // namespace

std::optional<ChildSignals> ChildSignals::install() {
  ChildSignals signals;
  signals.pipe_ = make_pipe();
  if (!signals.pipe_.write)
    return std::nullopt;
  signal_pipe = signals.pipe_.write.get();
  for (std::size_t i = 0; i < kSignals.size(); ++i) {
    struct sigaction action{};
    const bool ignored = kSignals[i] == SIGINT || kSignals[i] == SIGQUIT;
    action.sa_handler = ignored ? SIG_IGN : write_signal;
    action.sa_flags = SA_RESTART;
    sigemptyset(&action.sa_mask);
    ::sigaction(kSignals[i], &action, &signals.former_[i]);
    if (signals.former_[i].sa_handler == SIG_IGN && stays_ignored(kSignals[i]))
      ::sigaction(kSignals[i], &signals.former_[i], nullptr);
  }
  signals.installed_ = true;
  return signals;
}

ChildSignals::ChildSignals(ChildSignals&& other) noexcept
    : pipe_(std::move(other.pipe_)), former_(other.former_),
      installed_(std::exchange(other.installed_, false)) {}

ChildSignals::~ChildSignals() {
  if (installed_)
    restore();
}

void ChildSignals::restore() const {
  for (std::size_t i = 0; i < kSignals.size(); ++i)
    ::sigaction(kSignals[i], &former_[i], nullptr);
}

std::vector<int> ChildSignals::take() {
  std::vector<int> signals;
  unsigned char buffer[64];
  for (ssize_t got = 0; (got = ::read(pipe_.read.get(), buffer, sizeof buffer)) > 0;)
    signals.insert(signals.end(), buffer, buffer + got);
  return signals;
}

} // namespace anyclaude::launch
