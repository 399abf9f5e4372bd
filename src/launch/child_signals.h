#pragma once

#include "launch/descriptor.h"

#include <array>
#include <csignal>
#include <optional>
#include <vector>

namespace anyclaude::launch {

/// The launcher's signal dispositions while its child has the terminal: SIGINT and SIGQUIT ignored;
/// SIGCHLD, SIGTERM, SIGHUP, SIGTSTP and SIGCONT written to a pipe. What was ignored before (nohup)
/// stays so, SIGCHLD and SIGCONT excepted. The former dispositions come back with its destruction.
/// One instance at a time.
class ChildSignals {
 public:
  /// Nothing when the process has no descriptors left.
  static std::optional<ChildSignals> install();
  ChildSignals(ChildSignals&& other) noexcept;
  ChildSignals& operator=(ChildSignals&&) = delete;
  ~ChildSignals();

  /// To poll for reading.
  int descriptor() const { return pipe_.read.get(); }

  /// The signals that have come since the last call.
  std::vector<int> take();

  /// The former dispositions, for the child before its exec. Safe between fork and exec.
  void restore() const;

 private:
  ChildSignals() = default;
  static constexpr std::array kSignals = {SIGINT, SIGQUIT, SIGCHLD, SIGTERM,
                                          SIGHUP, SIGTSTP, SIGCONT};
  Pipe pipe_;
  std::array<struct sigaction, kSignals.size()> former_{};
  bool installed_ = false;
};

} // namespace anyclaude::launch
