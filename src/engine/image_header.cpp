#include "engine/image_header.h"

#include <cstdint>
#include <optional>

namespace anyclaude::engine {

namespace {

using Bytes = std::span<const std::byte>;

bool stands(Bytes file, std::size_t at, std::string_view text) {
  if (file.size() < at + text.size())
    return false;
  for (std::size_t i = 0; i < text.size(); ++i)
    if (file[at + i] != static_cast<std::byte>(text[i]))
      return false;
  return true;
}

std::uint32_t byte(Bytes file, std::size_t at) {
  return at < file.size() ? static_cast<std::uint32_t>(file[at]) : 0;
}

int big_endian(Bytes file, std::size_t at, std::size_t count) {
  std::uint32_t value = 0;
  for (std::size_t i = 0; i < count; ++i)
    value = value << 8 | byte(file, at + i);
  return static_cast<int>(value & 0x7FFF'FFFF);
}

int little_endian(Bytes file, std::size_t at, std::size_t count) {
  std::uint32_t value = 0;
  for (std::size_t i = count; i-- > 0;)
    value = value << 8 | byte(file, at + i);
  return static_cast<int>(value & 0x7FFF'FFFF);
}

/// Segments of two marker bytes and a length, up to the one that begins a frame (ITU-T T.81, B.1).
std::optional<ImageHeader> jpeg_frame(Bytes file) {
  for (std::size_t at = 2; at + 9 < file.size() && byte(file, at) == 0xFF;) {
    const std::uint32_t marker = byte(file, at + 1);
    if (marker == 0xFF) { // filled up
      ++at;
      continue;
    }
    const bool is_frame =
        marker >= 0xC0 && marker <= 0xCF && marker != 0xC4 && marker != 0xC8 && marker != 0xCC;
    if (is_frame)
      return ImageHeader{"image/jpeg", big_endian(file, at + 7, 2), big_endian(file, at + 5, 2)};
    at += 2 + static_cast<std::size_t>(big_endian(file, at + 2, 2));
  }
  return std::nullopt;
}

/// The three kinds of a WebP's first chunk (RFC 9649).
std::optional<ImageHeader> webp_chunk(Bytes file) {
  constexpr std::string_view kType = "image/webp";
  if (file.size() < 30)
    return std::nullopt;
  if (stands(file, 12, "VP8X"))
    return ImageHeader{kType, little_endian(file, 24, 3) + 1, little_endian(file, 27, 3) + 1};
  if (stands(file, 12, "VP8 "))
    return ImageHeader{kType, little_endian(file, 26, 2) & 0x3FFF,
                       little_endian(file, 28, 2) & 0x3FFF};
  if (stands(file, 12, "VP8L")) {
    const int sizes = little_endian(file, 21, 4);
    return ImageHeader{kType, (sizes & 0x3FFF) + 1, ((sizes >> 14) & 0x3FFF) + 1};
  }
  return std::nullopt;
}

std::optional<ImageHeader> header_of(Bytes file) {
  if (stands(file, 0, "\x89PNG\r\n\x1A\n") && stands(file, 12, "IHDR") && file.size() >= 24)
    return ImageHeader{"image/png", big_endian(file, 16, 4), big_endian(file, 20, 4)};
  if ((stands(file, 0, "GIF87a") || stands(file, 0, "GIF89a")) && file.size() >= 10)
    return ImageHeader{"image/gif", little_endian(file, 6, 2), little_endian(file, 8, 2)};
  if (stands(file, 0, "\xFF\xD8"))
    return jpeg_frame(file);
  if (stands(file, 0, "RIFF") && stands(file, 8, "WEBP"))
    return webp_chunk(file);
  return std::nullopt;
}

} // namespace

std::expected<ImageHeader, std::string> read_image_header(Bytes file) {
  const auto header = header_of(file);
  if (!header)
    return std::unexpected("it is no PNG, JPEG, GIF or WebP file");
  if (header->width <= 0 || header->height <= 0)
    return std::unexpected("its header is damaged");
  return *header;
}

} // namespace anyclaude::engine
