#include "engine/open_store.h"

#include "engine/model_fingerprint.h"
#include "kv/stored_model.h"

#include <ggml.h>
#include <llama.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <format>
#include <functional>
#include <system_error>
#include <utility>

namespace anyclaude::engine {

namespace {

constexpr std::uint64_t kMostDiskBytes = std::uint64_t{64} << 30; // unless told otherwise

/// Tokens of a block of a memory without cells, which is but these tokens.
constexpr int kBareBlockTokens = 4096;

/// A quarter of what is free, with what the store has already.
std::uint64_t default_disk_bytes(const std::filesystem::path& folder) {
  std::error_code error;
  const auto space = std::filesystem::space(folder, error);
  std::uint64_t stored = 0;
  for (const kv::StoredModel& model : kv::stored_models(folder))
    for (const auto& [path, bytes] : model.files)
      stored += bytes;
  return error ? 0 : std::min(kMostDiskBytes, (space.available + stored) / 4);
}

/// What the budget of all models leaves for this one, whose folder is `own`: the others keep at
/// most half of it.
std::uint64_t share_of(std::uint64_t budget, const std::filesystem::path& root,
                       const std::filesystem::path& own, bool may_write) {
  std::uint64_t others = 0;
  for (const kv::StoredModel& model : kv::stored_models(root))
    for (const auto& [path, bytes] : model.files)
      others += model.folder == own ? 0 : bytes;
  if (others > budget / 2 && may_write) {
    const kv::Pruned pruned =
        kv::prune(kv::read_models(root), {.bytes = budget / 2, .unused_since = {}}, own);
    spdlog::info("{} blocks of other models were removed to make room", pruned.blocks);
    others -= std::min(others, pruned.bytes);
  }
  return budget - std::min(budget, others);
}

std::unique_ptr<kv::DiskTier> open_disk(const StoreSetting& setting, const std::string& name) {
  auto files = kv::BlockFiles::open(setting.folder, name, setting.name);
  if (!files) {
    spdlog::warn("prefixes are not kept on the disk: {}", files.error());
    return nullptr;
  }
  const std::string folder = setting.folder.native();
  kv::DiskTierOptions options;
  options.on_trouble = [folder](const std::string& what) {
    spdlog::warn("cannot store prefixes in {}: {}; what is computed is kept in memory only until "
                 "that has changed",
                 folder, what);
  };
  options.on_recovery = [folder] { spdlog::info("prefixes are stored in {} again", folder); };
  options.on_outcome = setting.on_outcome;
  return std::make_unique<kv::DiskTier>(std::move(*files), std::move(options));
}

/// Says it of the first: where a disk is ill there may be thousands.
std::function<void(kv::Damage)> damage_warning(const std::filesystem::path& folder) {
  return [folder, told = false](kv::Damage damage) mutable {
    if (!std::exchange(told, true))
      spdlog::warn(
          "a block file in {} {}: what it held is computed again; `anyclaude cache verify` "
          "says whether there are more",
          folder.native(), kv::to_string(damage));
  };
}

} // namespace

std::string library_versions() {
  return std::format("llama {}, ggml {} {}", llama_version(), ggml_version(), ggml_commit());
}

std::string rotation_disabled() {
  const char* rotation = std::getenv("LLAMA_ATTN_ROT_DISABLE");
  return rotation ? rotation : "";
}

std::string cell_fingerprint(const std::string& model_hash, const CellSettings& settings) {
  return std::format(
      "2 model={} memory={} kv={} device={} rope={} attention={} buffers={} "
      "rotation={} libraries={}",
      model_hash, to_string(settings.memory), settings.kv_type, settings.uses_gpu ? "gpu" : "cpu",
      settings.exceeds_original_context ? "long" : "short", settings.own_attention ? "own" : "ggml",
      settings.extra_buffers ? "extra" : "plain", settings.rotation_disabled, settings.libraries);
}

std::unique_ptr<kv::BlockStore> open_store(const StoreSetting& setting) {
  kv::BlockStoreOptions options;
  options.memory_bytes = setting.memory_bytes;
  options.checkpoints = setting.cells.memory != MemoryKind::full_attention;
  options.on_damage = damage_warning(setting.folder);
  if (setting.cells.memory == MemoryKind::recurrent)
    options.block_tokens = kBareBlockTokens;
  std::unique_ptr<kv::DiskTier> disk;
  if (!setting.folder.empty()) {
    const std::string content = model_content_hash(setting.model, setting.hashes);
    if (content.empty())
      spdlog::warn("prefixes are not kept on the disk: {} cannot be read to its end",
                   setting.model.native());
    else {
      options.fingerprint = cell_fingerprint(content, setting.cells);
      disk = open_disk(setting, options.fingerprint);
      if (disk)
        options.disk_bytes = share_of(
            setting.disk_bytes > 0 ? setting.disk_bytes : default_disk_bytes(setting.folder),
            setting.folder, disk->files().folder(), disk->files().may_write());
    }
  }
  const bool has_disk = disk != nullptr;
  const auto begin = std::chrono::steady_clock::now();
  auto store = std::make_unique<kv::BlockStore>(std::move(options), std::move(disk));
  const std::chrono::duration<double, std::milli> took = std::chrono::steady_clock::now() - begin;
  const kv::BlockStoreStats stats = store->stats();
  if (has_disk)
    spdlog::info("{} blocks ({:.0f} MiB) of this model in {}, found in {:.0f} ms", stats.blocks,
                 static_cast<double>(stats.disk_bytes) / (1 << 20), setting.folder.native(),
                 took.count());
  if (stats.damaged > 0)
    spdlog::warn("{} block files are damaged or cannot be read, and are not used; `anyclaude cache "
                 "verify` says why",
                 stats.damaged);
  return store;
}

} // namespace anyclaude::engine
