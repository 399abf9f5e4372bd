#include "text/base64.h"

#include <array>
#include <cstdint>

namespace anyclaude::text {

namespace {

constexpr std::uint8_t kOther = 0xFF;

constexpr std::array<std::uint8_t, 256> kValues = [] {
  std::array<std::uint8_t, 256> values{};
  values.fill(kOther);
  constexpr std::string_view kAlphabet =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  for (std::size_t i = 0; i < kAlphabet.size(); ++i)
    values[static_cast<unsigned char>(kAlphabet[i])] = static_cast<std::uint8_t>(i);
  return values;
}();

} // namespace

std::optional<std::vector<std::byte>> decode_base64(std::string_view text) {
  std::vector<std::byte> bytes;
  bytes.reserve(text.size() / 4 * 3 + 3);
  std::uint32_t bits = 0;
  int count = 0;   // characters since the last whole group
  int padding = 0; // "=" characters
  for (const char c : text) {
    if (c == '\n' || c == '\r')
      continue;
    if (c == '=') {
      ++padding;
      continue;
    }
    const std::uint8_t value = kValues[static_cast<unsigned char>(c)];
    if (value == kOther || padding > 0)
      return std::nullopt;
    bits = bits << 6 | value;
    if (++count < 4)
      continue;
    for (const int shift : {16, 8, 0})
      bytes.push_back(static_cast<std::byte>(bits >> shift & 0xFF));
    bits = 0;
    count = 0;
  }
  // Two characters are a byte and four bits of nothing, three are two bytes and two bits.
  const bool is_whole =
      count == 0 ? padding == 0 : count > 1 && (padding == 0 || count + padding == 4);
  if (!is_whole)
    return std::nullopt;
  if (count == 2)
    bytes.push_back(static_cast<std::byte>(bits >> 4 & 0xFF));
  if (count == 3)
    for (const int shift : {10, 2})
      bytes.push_back(static_cast<std::byte>(bits >> shift & 0xFF));
  return bytes;
}

} // namespace anyclaude::text
