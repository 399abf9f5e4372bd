#include "answer/thinking_seal.h"

#include <blake3.h>

#include <array>
#include <cstddef>

namespace anyclaude::answer {

namespace {

constexpr std::string_view kPrefix = "anyclaude2.";
constexpr std::size_t kBytes = 16;

/// Keyed BLAKE3, in hexadecimal digits.
std::string mac(const text::Key& key, std::string_view text, std::size_t bytes) {
  constexpr std::string_view kHex = "0123456789abcdef";
  blake3_hasher hasher;
  blake3_hasher_init_keyed(&hasher, key.data());
  blake3_hasher_update(&hasher, text.data(), text.size());
  std::array<std::uint8_t, kBytes> digest{};
  blake3_hasher_finalize(&hasher, digest.data(), bytes);
  std::string out;
  for (std::size_t i = 0; i < bytes; ++i) {
    out += kHex[digest[i] >> 4];
    out += kHex[digest[i] & 15];
  }
  return out;
}

/// Compares without telling by its time where the difference is.
bool same(std::string_view a, std::string_view b) {
  unsigned difference = a.size() == b.size() ? 0 : 1;
  for (std::size_t i = 0; i < a.size() && i < b.size(); ++i)
    difference |= static_cast<unsigned char>(a[i]) ^ static_cast<unsigned char>(b[i]);
  return difference == 0;
}

} // namespace

ThinkingSeal::ThinkingSeal() : ThinkingSeal(text::random_key()) {}

ThinkingSeal::ThinkingSeal(const text::Key& key)
    : key_(key), prefix_(std::string(kPrefix) + mac(key, "which key", 4) + ".") {}

std::string ThinkingSeal::sign(std::string_view thinking) const {
  return prefix_ + mac(key_, thinking, kBytes);
}

ThinkingSeal::Origin ThinkingSeal::origin(std::string_view thinking,
                                          std::string_view signature) const {
  if (!signature.starts_with(prefix_))
    return Origin::foreign;
  return same(signature, sign(thinking)) ? Origin::ours : Origin::edited;
}

} // namespace anyclaude::answer
