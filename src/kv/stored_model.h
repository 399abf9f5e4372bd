#pragma once

#include "kv/block_files.h"

#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <utility>
#include <vector>

namespace anyclaude::kv {

/// All that is known of one model's blocks without loading it, for people to look at and for what
/// is done to the files from outside.
struct ModelBlocks {
  struct Block {
    BlockHeader header;
    BlockUse use;
    std::filesystem::path file;
    std::uint64_t bytes = 0;
  };
  std::filesystem::path folder;
  BlockIndex::About about; // empty where the index is lost
  StoreTotals totals;
  std::map<BlockKey, Block> blocks;
  std::vector<std::pair<std::filesystem::path, Damage>> damaged;

  std::uint64_t bytes() const;
};

/// Every model's below a store's root. May run beside the process that writes.
std::vector<ModelBlocks> read_models(const std::filesystem::path& root);

struct PruneLimits {
  std::optional<std::uint64_t> bytes;       // of all models, at most
  std::optional<std::int64_t> unused_since; // seconds since 1970: what was used later stays
};
struct Pruned {
  std::size_t blocks = 0;
  std::uint64_t bytes = 0;
};
/// Removes block files until the limits hold: the ends of prefixes first, those used last the last,
/// tools and stable system text only when nothing else is left. `spared`, a model's folder, is left
/// alone; may be empty.
Pruned prune(std::vector<ModelBlocks> models, const PruneLimits& limits,
             const std::filesystem::path& spared = {});

} // namespace anyclaude::kv
