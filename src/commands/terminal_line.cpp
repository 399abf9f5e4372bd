#include "commands/terminal_line.h"

#include "text/printable.h"

#include <unistd.h>

#include <cstdio>

namespace anyclaude::commands {

namespace {
constexpr std::chrono::milliseconds kBetweenWrites{100};
}

TerminalLine::TerminalLine() : is_terminal_(::isatty(STDERR_FILENO) == 1) {}

void TerminalLine::write(const std::string& text) {
  const auto now = std::chrono::steady_clock::now();
  if (!is_terminal_ || now - last_ < kBetweenWrites)
    return;
  last_ = now;
  drawn_ = true;
  std::fprintf(stderr, "\r%s\x1b[K", text::printable_line(text).c_str());
  std::fflush(stderr);
}

void TerminalLine::clear() {
  if (drawn_)
    std::fputs("\r\x1b[K", stderr);
  drawn_ = false;
}

} // namespace anyclaude::commands
