#include "kv/stored_model.h"

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <queue>
#include <tuple>

namespace anyclaude::kv {
namespace fs = std::filesystem;

std::uint64_t ModelBlocks::bytes() const {
  std::uint64_t all = 0;
  for (const auto& [key, block] : blocks)
    all += block.bytes;
  return all;
}

std::vector<ModelBlocks> read_models(const fs::path& root) {
  std::vector<ModelBlocks> models;
  for (const StoredModel& stored : stored_models(root)) {
    ModelBlocks model;
    model.folder = stored.folder;
    BlockIndex index(stored.folder / kIndexName, false);
    model.about = index.about();
    model.totals = index.totals();
    const auto rows = index.read();
    for (const auto& [file, bytes] : stored.files) {
      auto header = read_block_header(file);
      if (header && file.stem().native() != header->key.hex())
        header = std::unexpected(Damage::misplaced);
      if (!header) {
        if (header.error() != Damage::unreadable || fs::exists(file)) // or it has gone since
          model.damaged.emplace_back(file, header.error());
        continue;
      }
      ModelBlocks::Block block{std::move(*header), {}, file, bytes};
      struct stat status{};
      if (::stat(file.c_str(), &status) == 0)
        block.use.last_used = status.st_mtim.tv_sec;
      if (const auto row = rows.find(block.header.key); row != rows.end()) {
        block.use.hits = row->second.use.hits;
        block.use.is_stable = row->second.use.is_stable;
        block.use.last_used = std::max(block.use.last_used, row->second.use.last_used);
      }
      const BlockKey key = block.header.key;
      model.blocks.emplace(key, std::move(block));
    }
    models.push_back(std::move(model));
  }
  return models;
}

namespace {

/// A block among those of all models, and how many go on behind it.
struct Candidate {
  const ModelBlocks::Block* block = nullptr;
  Candidate* parent = nullptr;
  int children = 0;
};

struct GoesLater {
  static auto rank(const Candidate* candidate) {
    const BlockUse& use = candidate->block->use;
    return std::tuple(use.is_stable, use.last_used, use.hits);
  }
  bool operator()(const Candidate* a, const Candidate* b) const { return rank(a) > rank(b); }
};

} // namespace

Pruned prune(std::vector<ModelBlocks> models, const PruneLimits& limits, const fs::path& spared) {
  std::erase_if(models, [&](const ModelBlocks& model) { return model.folder == spared; });
  std::uint64_t left = 0;
  std::vector<std::map<BlockKey, Candidate>> candidates(models.size());
  std::priority_queue<Candidate*, std::vector<Candidate*>, GoesLater> ends;
  for (std::size_t i = 0; i < models.size(); ++i) {
    left += models[i].bytes();
    auto& own = candidates[i];
    for (const auto& [key, block] : models[i].blocks)
      own[key].block = &block;
    for (auto& [key, candidate] : own)
      if (const auto parent = own.find(candidate.block->header.parent); parent != own.end()) {
        candidate.parent = &parent->second;
        ++parent->second.children;
      }
    for (auto& [key, candidate] : own)
      if (candidate.children == 0)
        ends.push(&candidate);
  }
  Pruned pruned;
  const auto must_go = [&](const Candidate& end) {
    return (limits.bytes && left > *limits.bytes) ||
           (limits.unused_since && end.block->use.last_used < *limits.unused_since);
  };
  while (!ends.empty()) {
    const Candidate& end = *ends.top();
    ends.pop();
    if (!must_go(end) || ::unlink(end.block->file.c_str()) != 0)
      continue;
    left -= end.block->bytes;
    pruned.bytes += end.block->bytes;
    ++pruned.blocks;
    if (end.parent && --end.parent->children == 0)
      ends.push(end.parent);
  }
  return pruned;
}

} // namespace anyclaude::kv
