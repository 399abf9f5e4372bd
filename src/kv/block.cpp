#include "kv/block.h"

#include <blake3.h>

#include <format>

namespace anyclaude::kv {

namespace {

constexpr const char* kRootContext = "anyclaude kv root 1";
constexpr const char* kBlockContext = "anyclaude kv block 1";
constexpr const char* kCheckpointContext = "anyclaude kv checkpoint 1";

BlockKey digest(const blake3_hasher& hasher) {
  BlockKey key;
  blake3_hasher_finalize(&hasher, key.bytes.data(), key.bytes.size());
  return key;
}

} // namespace

std::string BlockKey::hex() const {
  std::string text;
  for (const std::uint8_t byte : bytes)
    text += std::format("{:02x}", byte);
  return text;
}

BlockKey root_key(std::string_view salt, std::string_view fingerprint, std::string_view tenant) {
  blake3_hasher hasher;
  blake3_hasher_init_derive_key(&hasher, kRootContext);
  for (const std::string_view part : {salt, fingerprint, tenant}) {
    const std::uint64_t size = part.size(); // so that no two lists of parts run together alike
    blake3_hasher_update(&hasher, &size, sizeof size);
    blake3_hasher_update(&hasher, part.data(), part.size());
  }
  return digest(hasher);
}

BlockKey node_key(NodeKind kind, const BlockKey& parent, std::span<const Token> tokens) {
  blake3_hasher hasher;
  blake3_hasher_init_derive_key(&hasher,
                                kind == NodeKind::block ? kBlockContext : kCheckpointContext);
  blake3_hasher_update(&hasher, parent.bytes.data(), parent.bytes.size());
  blake3_hasher_update(&hasher, tokens.data(), tokens.size_bytes());
  return digest(hasher);
}

} // namespace anyclaude::kv
