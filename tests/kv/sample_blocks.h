#pragma once

#include "kv/block.h"

#include <algorithm>
#include <cstddef>
#include <memory>
#include <random>
#include <vector>

namespace anyclaude::kv {

/// A block that is told by its number: tokens, place in a chain and cells.
inline Block block_of(int number, const BlockKey& parent, std::size_t bytes = 5000) {
  Block block;
  block.parent = parent;
  block.begin = 0;
  std::mt19937 random(static_cast<unsigned>(number));
  block.tokens.resize(static_cast<std::size_t>(1 + number % kBlockTokens));
  for (Token& token : block.tokens)
    token = static_cast<Token>(random() % 100'000);
  block.key = block_key(parent, block.tokens);
  block.cells.resize(bytes);
  for (std::size_t i = 0; i < bytes; ++i) // the first ones are drawn, for speed
    block.cells[i] = i < 4096 ? static_cast<std::byte>(random()) : block.cells[i - 4096];
  return block;
}

/// The same as a checkpoint, with a state that is told by its number as well.
inline Block checkpoint_of(int number, const BlockKey& parent, std::size_t bytes = 5000) {
  Block block = block_of(number, parent, bytes);
  block.kind = NodeKind::checkpoint;
  block.state =
      std::make_shared<const std::vector<std::byte>>(bytes / 2 + 1, static_cast<std::byte>(number));
  block.key = node_key(block.kind, parent, block.tokens);
  return block;
}

inline bool same(const Block& a, const Block& b) {
  return a.key == b.key && a.parent == b.parent && a.begin == b.begin && a.tokens == b.tokens &&
         a.cells == b.cells && a.kind == b.kind &&
         (a.state ? b.state && *a.state == *b.state : !b.state);
}

} // namespace anyclaude::kv
