#pragma once

#include <string>

namespace anyclaude::commands {

/// Sets the default logger's pattern (spdlog's, with %* for the message): one line a message, and
/// no control character of what others said in it, since logs are read on terminals.
void set_log_pattern(const std::string& pattern);

} // namespace anyclaude::commands
