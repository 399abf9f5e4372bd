#pragma once

#include <string>

namespace anyclaude::answer {

/// "toolu_" and 24 random characters of base 62 (142 bits): nobody can guess another's.
std::string new_tool_use_id();

/// The same for a tool that the server itself is asked for: "srvtoolu_…".
std::string new_server_tool_use_id();

} // namespace anyclaude::answer
