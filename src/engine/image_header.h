#pragma once

#include <cstddef>
#include <expected>
#include <span>
#include <string>
#include <string_view>

namespace anyclaude::engine {

/// What an image file says of itself in its first bytes.
struct ImageHeader {
  std::string_view type; // "image/png", "image/jpeg", "image/gif" or "image/webp"
  int width = 0;         // pixels
  int height = 0;
};

/// Reads it without decoding anything, so that an image that would take gigabytes is known before.
/// The bytes decide, whatever type somebody says they have. The error is part of a sentence: "it is
/// no PNG, JPEG, GIF or WebP file".
std::expected<ImageHeader, std::string> read_image_header(std::span<const std::byte> file);

} // namespace anyclaude::engine
