#pragma once

#include <algorithm>
#include <cstddef>
#include <set>

namespace anyclaude::kv {

// What the trees of prefixes say of their holders, one for each sequence: `node` is where it ends,
// null while it is not used, and `running` whether a request computes it.

/// Cells that running sequences hold, those of a shared prefix once.
template <typename Holders>
std::size_t held_cells(const Holders& holders) {
  std::set<const void*> seen;
  std::size_t cells = 0;
  for (const auto& holder : holders)
    if (holder.running)
      for (const auto* node = holder.node; node && seen.insert(node).second; node = node->parent)
        cells += node->tokens.size();
  return cells;
}

template <typename Holders>
int running_sequences(const Holders& holders) {
  return static_cast<int>(
      std::ranges::count_if(holders, [](const auto& one) { return one.node && one.running; }));
}

} // namespace anyclaude::kv
