#pragma once

#include <chrono>
#include <string>

namespace anyclaude::commands {

/// One line at the terminal that is written over and over. Uses standard error, and writes nothing
/// where that is no terminal. The destructor takes the line away. One thread.
class TerminalLine {
 public:
  TerminalLine();
  ~TerminalLine() { clear(); }
  TerminalLine(const TerminalLine&) = delete;
  TerminalLine& operator=(const TerminalLine&) = delete;

  /// At most ten times a second; what comes more often is left out.
  void write(const std::string& text);
  void clear();

 private:
  bool is_terminal_;
  bool drawn_ = false;
  std::chrono::steady_clock::time_point last_;
};

} // namespace anyclaude::commands
