#include "commands/command_line.h"

#include <fcntl.h>
#include <unistd.h>

#include <cstdio>
#include <exception>

namespace {

/// A program started without standard input, output or error would give their numbers to files of
/// its own, and write messages into them.
void open_standard_streams() {
  int opened = 0;
  do {
    opened = ::open("/dev/null", O_RDWR);
  } while (opened >= 0 && opened <= STDERR_FILENO);
  if (opened > STDERR_FILENO)
    ::close(opened);
}

} // namespace

int main(int argc, char** argv) {
  open_standard_streams();
  try {
    return anyclaude::commands::run_command_line(argc, argv);
  } catch (const std::exception& failed) {
    std::fprintf(stderr, "anyclaude: unexpected error: %s\n", failed.what());
    return 70; // EX_SOFTWARE of sysexits.h
  }
}
