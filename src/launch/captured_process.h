#pragma once

#include "launch/claude_process.h"

#include <chrono>
#include <expected>
#include <filesystem>
#include <functional>
#include <string>

namespace anyclaude::launch {

struct CapturedProcess {
  ClaudeCommand command;
  std::filesystem::path working_directory;
  std::chrono::seconds timeout{600};
  /// Called a few times a second while the program runs; may be empty.
  std::function<void()> while_running;
};

struct Captured {
  int status = 0; // exit status; 128 + n when signal n ended it
  std::string output;
  std::string errors; // standard error
};

/// Runs a program without a terminal and with nothing on its standard input, and returns what it
/// wrote. The error says that it could not be run, or that it and its children were killed when
/// its time was over. To be called in a process with one thread.
std::expected<Captured, std::string> run_captured(const CapturedProcess& process);

} // namespace anyclaude::launch
