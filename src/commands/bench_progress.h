#pragma once

#include "commands/progress_line.h"

#include <chrono>
#include <map>
#include <string>
#include <vector>

namespace anyclaude::commands {

/// The line that tells how far a benchmark is:
///
///     repeat 2 of 5: first request  █████▎       22%  about 40 s left
///
/// How long each step takes is guessed in the first repeat, and known from it in the others.
class BenchProgress {
 public:
  using Clock = std::chrono::steady_clock;

  /// `steps` in their order, the same in each repeat.
  BenchProgress(int repeats, std::vector<std::string> steps);

  void begin(int repeat, const std::string& step); // repeats are counted from 0
  void show(double part);                          // of the step; less than 0: not known
  void end();

 private:
  double seconds_of(const std::string& step) const;
  bool knows_all() const;

  int repeats_;
  std::vector<std::string> steps_;
  std::map<std::string, double> measured_; // seconds
  int repeat_ = 0;
  std::string step_;
  Clock::time_point began_;
  ProgressLine line_;
};

} // namespace anyclaude::commands
