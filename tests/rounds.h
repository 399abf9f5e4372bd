#pragma once

#include <cstdint>
#include <cstdlib>
#include <optional>

namespace anyclaude {

/// The number that the environment asks for.
inline std::optional<std::uint64_t> asked_number(const char* variable) {
  const char* text = std::getenv(variable);
  return text ? std::optional(std::strtoull(text, nullptr, 10)) : std::nullopt;
}

/// How often a test of what is random goes round: as usual, or as the environment asks for.
inline int rounds(const char* variable, int usual) {
  const auto asked = asked_number(variable);
  return asked ? static_cast<int>(*asked) : usual;
}

} // namespace anyclaude
