#pragma once

#include <termios.h>

#include <optional>

namespace anyclaude::launch {

/// The terminal's modes as they were, put back by restore() and on destruction. Does nothing where
/// no standard stream is a terminal.
class TerminalModes {
 public:
  TerminalModes();
  TerminalModes(const TerminalModes&) = delete;
  TerminalModes& operator=(const TerminalModes&) = delete;
  ~TerminalModes() { restore(); }

  void restore() const;

  /// After a program that could not clean up: shows the cursor, leaves the alternate screen, and
  /// turns off bracketed paste, mouse and focus reports and the extended keyboard protocols. Writes
  /// only when standard output is a terminal.
  void reset_after_crash() const;

 private:
  int terminal_ = -1; // one of the standard streams
  std::optional<termios> saved_;
};

} // namespace anyclaude::launch
