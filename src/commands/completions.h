#pragma once

#include "commands/command_text.h"

#include <string>

namespace anyclaude::commands {

/// A script that makes a shell complete commands, options, the names that an option takes, and
/// files. `shell` is "bash", "zsh" or "fish".
std::string completion_script(const std::string& shell, const CommandText& program);

} // namespace anyclaude::commands
