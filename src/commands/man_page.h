#pragma once

#include "commands/command_text.h"

#include <string>

namespace anyclaude::commands {

/// The manual page anyclaude(1), as man(7) wants it.
std::string man_page(const CommandText& program, const std::string& version);

} // namespace anyclaude::commands
