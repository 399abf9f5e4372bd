#include "launch/terminal.h"

#include <unistd.h>

#include <csignal>
#include <string_view>

namespace anyclaude::launch {

namespace {

/// Source: https://invisible-island.net/xterm/ctlseqs/ctlseqs.html and
/// https://sw.kovidgoyal.net/kitty/keyboard-protocol/ (pop the keyboard mode).
/// The cursor is saved first, since leaving the alternate screen restores a saved one even where
/// that screen was not in use.
constexpr std::string_view kReset =
    "\x1b"
    "7\x1b[?1049l"                                            // alternate screen
    "\x1b[?25h\x1b[0m"                                        // cursor, colours
    "\x1b[?2004l\x1b[?2026l"                                  // paste, synchronised output
    "\x1b[?1000l\x1b[?1002l\x1b[?1003l\x1b[?1006l\x1b[?1004l" // mouse, focus
    "\x1b[<u\x1b[>4;0m"                                       // kitty's and xterm's keyboard modes
    "\r\n";

} // namespace

TerminalModes::TerminalModes() {
  for (const int stream : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO}) {
    termios modes{};
    if (::tcgetattr(stream, &modes) == 0) {
      terminal_ = stream;
      saved_ = modes;
      return;
    }
  }
}

void TerminalModes::restore() const {
  if (!saved_)
    return;
  // From the background the call would stop this process.
  sigset_t background;
  sigset_t before;
  sigemptyset(&background);
  sigaddset(&background, SIGTTOU);
  ::sigprocmask(SIG_BLOCK, &background, &before);
  ::tcsetattr(terminal_, TCSADRAIN, &*saved_);
  ::sigprocmask(SIG_SETMASK, &before, nullptr);
}

void TerminalModes::reset_after_crash() const {
  if (::isatty(STDOUT_FILENO)) [[maybe_unused]]
    const auto written = ::write(STDOUT_FILENO, kReset.data(), kReset.size());
}

} // namespace anyclaude::launch
