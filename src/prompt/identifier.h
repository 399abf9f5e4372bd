#pragma once

#include <string>
#include <string_view>

namespace anyclaude::prompt {

/// "toolu_" and 24 random characters of base 62 (142 bits): nobody can guess another's.
std::string new_tool_use_id();

/// Marks a thinking block as made here. It tells ours from foreign ones and from edited ones; it
/// is not a proof against forgery.
std::string sign_thinking(std::string_view thinking);

} // namespace anyclaude::prompt
