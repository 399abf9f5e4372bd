#pragma once

#include "commands/terminal_line.h"

#include <string>

namespace anyclaude::commands {

/// Shows at the terminal how far something is:
///
///     loading qwen3-30b  ██████████▎               43%
class ProgressLine {
 public:
  explicit ProgressLine(std::string what) : what_(std::move(what)) {}

  /// `part` of 1.
  void show(double part);

 private:
  std::string what_;
  TerminalLine line_;
};

} // namespace anyclaude::commands
