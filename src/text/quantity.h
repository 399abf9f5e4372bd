#pragma once

#include <cstdint>
#include <string>

/// Quantities as people read them.
namespace anyclaude::text {

/// 18490 as "18,490".
std::string grouped(std::int64_t number);

/// "830 ms", "3.1 s", "5 min 7 s", "2 h 10 min".
std::string duration(std::int64_t milliseconds);

/// "512 B", "1.5 MiB".
std::string bytes(std::uint64_t count);

/// Of a whole, rounded down so that "100%" is only said of all of it: "99%". "-" of nothing.
std::string percent(std::int64_t part, std::int64_t whole);

} // namespace anyclaude::text
