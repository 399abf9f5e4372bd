#pragma once

#include "kv/block_store.h"

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>

namespace anyclaude::engine {

struct StoreSetting {
  std::filesystem::path folder; // of the block files of all models; empty: host memory only
  std::filesystem::path hashes; // where hashes of model files are kept
  std::filesystem::path model;
  std::string name; // of the model, for people
  std::string kv_type;
  bool uses_gpu = false;
  bool exceeds_original_context = false; // see ModelFacts::original_context_tokens
  std::size_t memory_bytes = 0;
  std::uint64_t disk_bytes = 0; // 0: a share of what is free on the disk
};

/// The block store of a model, with its disk where it has one. What keeps it from the disk stands
/// in the log once, and it works without.
std::unique_ptr<kv::BlockStore> open_store(const StoreSetting& setting);

} // namespace anyclaude::engine
