#pragma once

#include <cstddef>
#include <string>

namespace anyclaude::text {

/// Letters and digits from the operating system's generator, 5.95 bits each: 22 of them cannot be
/// guessed. Thread-safe.
std::string random_text(std::size_t length);

} // namespace anyclaude::text
