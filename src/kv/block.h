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

/// Tokens of a whole block unless a store is told otherwise. Blocks stand at multiples of it; the
/// last one of a prefix may be shorter.
inline constexpr int kBlockTokens = 256;

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

/// What a store keeps of a prefix.
enum class NodeKind : std::uint32_t {
  block = 1,      // cells of tokens; others go on behind it
  checkpoint = 2, // the state behind a place, with the cells since the last whole block; an end
};

/// A checkpoint has another key than a block of the same tokens.
BlockKey node_key(NodeKind kind, const BlockKey& parent, std::span<const Token> tokens);
inline BlockKey block_key(const BlockKey& parent, std::span<const Token> tokens) {
  return node_key(NodeKind::block, parent, tokens);
}

/// The cells of some tokens, as bytes that the memory they come from takes back; and where requests
/// go on from checkpoints, what is not made of cells. A memory without cells has blocks without.
struct Block {
  NodeKind kind = NodeKind::block;
  BlockKey key;
  BlockKey parent;
  int begin = 0;             // position of the first token
  std::vector<Token> tokens; // of a checkpoint: those behind the last whole block, maybe none
  std::vector<std::byte> cells;
  SavedState state; // behind the last token; null: a block

  int end() const { return begin + static_cast<int>(tokens.size()); }
  std::size_t bytes() const { return cells.size() + (state ? state->size() : 0); }
};

using BlockPointer = std::shared_ptr<const Block>;

} // namespace anyclaude::kv
