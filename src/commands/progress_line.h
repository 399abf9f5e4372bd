#pragma once

#include "commands/terminal_line.h"

#include <chrono>
#include <string>
#include <utility>

namespace anyclaude::commands {

/// Shows at the terminal how far something is:
///
///     loading qwen3-30b  ██████████▎               43%
class ProgressLine {
 public:
  /// What is done sooner than `after` shows nothing.
  explicit ProgressLine(std::string what, std::chrono::milliseconds after = {})
      : what_(std::move(what)), from_(std::chrono::steady_clock::now() + after) {}

  /// `part` of 1. What stands in `behind` comes after the percentage.
  void show(double part, const std::string& behind = {});

  void rename(std::string what) { what_ = std::move(what); }
  void clear() { line_.clear(); }

 private:
  std::string what_;
  std::chrono::steady_clock::time_point from_;
  TerminalLine line_;
};

} // namespace anyclaude::commands
