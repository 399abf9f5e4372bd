#include "kv/image_tokens.h"

#include <blake3.h>

namespace anyclaude::kv {

namespace {

constexpr const char* kContext = "anyclaude image tokens 1";
constexpr std::uint32_t kImage = 0x8000'0000;
constexpr std::uint32_t kFirst = 0x4000'0000;
constexpr std::uint32_t kHashBits = 0x3FFF'FFFF;
constexpr int kPositionShift = 14;
constexpr std::uint32_t kHashBitsBeside = (1U << kPositionShift) - 1;

} // namespace

std::vector<Token> image_tokens(const ImageHash& content, int count, int positions) {
  std::vector<std::uint32_t> bits(static_cast<std::size_t>(count));
  blake3_hasher hasher;
  blake3_hasher_init_derive_key(&hasher, kContext);
  blake3_hasher_update(&hasher, content.data(), content.size());
  blake3_hasher_finalize(&hasher, reinterpret_cast<std::uint8_t*>(bits.data()),
                         bits.size() * sizeof bits.front());
  std::vector<Token> tokens;
  tokens.reserve(bits.size());
  for (std::size_t i = 0; i < bits.size(); ++i) {
    std::uint32_t token = kImage | (bits[i] & kHashBits);
    if (i == 0)
      token |= kFirst;
    else if (i == 1)
      token = kImage | (static_cast<std::uint32_t>(positions) << kPositionShift) |
              (bits[i] & kHashBitsBeside);
    tokens.push_back(static_cast<Token>(token));
  }
  return tokens;
}

std::size_t image_end(std::span<const Token> tokens, std::size_t begin) {
  std::size_t end = begin + 1;
  while (end < tokens.size() && continues_image(tokens[end]))
    ++end;
  return end;
}

int image_positions(std::span<const Token> tokens, std::size_t begin) {
  if (begin + 1 >= tokens.size() || !continues_image(tokens[begin + 1]))
    return 1;
  return static_cast<int>((static_cast<std::uint32_t>(tokens[begin + 1]) & kHashBits) >>
                          kPositionShift);
}

std::size_t whole_images(std::span<const Token> tokens, std::size_t length) {
  while (length > 0 && length < tokens.size() && continues_image(tokens[length]))
    --length;
  return length;
}

} // namespace anyclaude::kv
