#include "prompt/identifier.h"

#include "text/random_text.h"

#include <blake3.h>

#include <array>
#include <cstdint>

namespace anyclaude::prompt {

std::string new_tool_use_id() {
  return "toolu_" + text::random_text(24);
}

std::string sign_thinking(std::string_view thinking) {
  constexpr std::string_view kHex = "0123456789abcdef";
  blake3_hasher hasher;
  blake3_hasher_init_derive_key(&hasher, "anyclaude thinking signature v1");
  blake3_hasher_update(&hasher, thinking.data(), thinking.size());
  std::array<std::uint8_t, 16> digest{};
  blake3_hasher_finalize(&hasher, digest.data(), digest.size());
  std::string signature = "anyclaude1.";
  for (const std::uint8_t byte : digest) {
    signature += kHex[byte >> 4];
    signature += kHex[byte & 15];
  }
  return signature;
}

} // namespace anyclaude::prompt
