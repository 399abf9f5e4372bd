#pragma once

#include <cstdint>
#include <string>

/// The time of day, as records have it and as people read it.
namespace anyclaude::text {

/// Now, in milliseconds since 1970.
std::int64_t unix_milliseconds();

/// The local time of such a moment: "15:04:05".
std::string clock_time(std::int64_t milliseconds);

} // namespace anyclaude::text
