#pragma once

#include "launch/claude_process.h"

#include <filesystem>
#include <string>
#include <vector>

namespace anyclaude::launch {

/// A command's arguments and environment as exec takes them; to be made before the fork. It points
/// into this process's environment.
class ExecArguments {
 public:
  explicit ExecArguments(const ClaudeCommand& command);

  /// Returns only when it failed, with -1 and errno. Safe between fork and exec.
  [[nodiscard]] int exec() const;

 private:
  std::vector<std::string> text_;
  std::vector<std::string> set_;
  std::vector<char*> arguments_;
  std::vector<char*> environment_;
};

/// Why exec failed with this errno. That a file is not there may be said of the interpreter in its
/// first line, as in a virtual environment that was moved.
std::string exec_failure(const std::filesystem::path& program, int error);

} // namespace anyclaude::launch
