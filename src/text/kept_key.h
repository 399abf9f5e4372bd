#pragma once

#include <array>
#include <cstdint>
#include <expected>
#include <filesystem>
#include <string>

namespace anyclaude::text {

using Key = std::array<std::uint8_t, 32>;

/// From the operating system's generator; throws std::runtime_error where it has none.
Key random_key();

/// The key in this file, which is made when it is not there, for its owner only. Whoever finds the
/// name finds a whole key, other processes included. The error says what is wrong with the file.
std::expected<Key, std::string> kept_key(const std::filesystem::path& file);

} // namespace anyclaude::text
