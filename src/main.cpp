#include "commands/command_line.h"

#include <cstdio>
#include <exception>

int main(int argc, char** argv) {
  try {
    return anyclaude::commands::run_command_line(argc, argv);
  } catch (const std::exception& failed) {
    std::fprintf(stderr, "anyclaude: unexpected error: %s\n", failed.what());
    return 70; // EX_SOFTWARE of sysexits.h
  }
}
