#pragma once

#include "engine/model.h"
#include "kv/block_store.h"

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <string>

namespace anyclaude::engine {

/// Everything beside the model file that changes the bytes of its cells and states. Settings that
/// only change how they are computed, such as threads and batches, do so by no more than batch
/// shapes do; those that choose between kernels are taken in all the same.
struct CellSettings {
  MemoryKind memory = MemoryKind::full_attention;
  std::string kv_type;
  bool uses_gpu = false;
  bool exceeds_original_context = false; // see ModelFacts::original_context_tokens
  bool own_attention = false;            // CpuAttention computes it
  bool extra_buffers = true;             // see Model::uses_extra_buffers()
  /// LLAMA_ATTN_ROT_DISABLE: libggml turns the values of q8_0 caches by a rotation unless it is
  /// set.
  std::string rotation_disabled;
  std::string libraries; // their versions
};

/// Those of this process, as far as they are not a model's.
std::string library_versions();
std::string rotation_disabled();

/// A text that names a model, by a hash of its bytes, and how its cells are computed.
std::string cell_fingerprint(const std::string& model_hash, const CellSettings& settings);

struct StoreSetting {
  std::filesystem::path folder; // of the block files of all models; empty: host memory only
  std::filesystem::path hashes; // where hashes of model files are kept
  std::filesystem::path model;
  std::string name; // of the model, for people
  CellSettings cells;
  std::size_t memory_bytes = 0;
  std::uint64_t disk_bytes = 0; // 0: a share of what is free on the disk
  /// See kv::DiskTierOptions.
  std::function<void()> on_outcome;
};

/// The block store of a model, with its disk where it has one. What keeps it from the disk stands
/// in the log once, and it works without.
std::unique_ptr<kv::BlockStore> open_store(const StoreSetting& setting);

} // namespace anyclaude::engine
