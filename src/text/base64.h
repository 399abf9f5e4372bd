#pragma once

#include <cstddef>
#include <optional>
#include <string_view>
#include <vector>

namespace anyclaude::text {

/// The bytes that a base64 text stands for (RFC 4648, section 4; line breaks may stand in it, and
/// padding may be missing). Nothing where it has other characters or is cut short.
std::optional<std::vector<std::byte>> decode_base64(std::string_view text);

} // namespace anyclaude::text
