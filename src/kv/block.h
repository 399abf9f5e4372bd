#pragma once

#include "kv/sequence_memory.h"

#include <array>
#include <compare>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace anyclaude::kv {

/// Tokens of a whole block unless a store is told otherwise. The last one of a prefix may be
/// shorter, and one that would end inside an image goes on to the image's end; without images,
/// blocks stand at multiples of it.
inline constexpr int kBlockTokens = 256;

/// Where the whole block ends that begins at `begin`; behind all tokens where they do not fill it.
std::size_t block_end(std::span<const Token> tokens, std::size_t begin, int whole);

/// Where the block begins that the token at `place` stands in.
std::size_t block_begin(std::span<const Token> tokens, std::size_t place, int whole);

/// Names a block by everything that its cells depend on: the model and its settings, the tenant,
/// and every token up to and with its own. Equal keys mean equal cells, up to what batch shapes
/// change in the last bits.
struct BlockKey {
  std::array<std::uint8_t, 32> bytes{};

  auto operator<=>(const BlockKey&) const = default;
  std::string hex() const;
};

struct BlockKeyHash { // a key is a hash already
  std::size_t operator()(const BlockKey& key) const {
    std::size_t value = 0;
    std::memcpy(&value, key.bytes.data(), sizeof value);
    return value;
  }
};

/// What the first block of a tenant's prefixes has as its parent. `salt` is secret, so that nobody
/// finds out from keys what was said; `fingerprint` names the model and every setting that changes
/// the bytes of its cells.
BlockKey root_key(std::string_view salt, std::string_view fingerprint, std::string_view tenant);

BlockKey block_key(const BlockKey& parent, std::span<const Token> tokens);

/// The cells of some tokens, as bytes that the memory they come from takes back.
struct Block {
  BlockKey key;
  BlockKey parent;
  int begin = 0; // position of the first token
  std::vector<Token> tokens;
  std::vector<std::byte> cells;

  int end() const { return begin + static_cast<int>(tokens.size()); }
};

using BlockPointer = std::shared_ptr<const Block>;

} // namespace anyclaude::kv
