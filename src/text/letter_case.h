#pragma once

#include <string>
#include <string_view>

namespace anyclaude::text {

/// Equal but for the case of ASCII letters, as header names and host names are compared.
bool equal_ignoring_case(std::string_view a, std::string_view b);

/// ASCII's capitals as small letters.
std::string in_lower_case(std::string_view text);

} // namespace anyclaude::text
