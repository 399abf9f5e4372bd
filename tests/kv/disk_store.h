#pragma once

#include "demo/gguf_file.h"
#include "kv/block_store.h"
#include "kv/token_lists.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <format>
#include <fstream>
#include <memory>
#include <span>
#include <string>
#include <thread>
#include <utility>
#include <vector>

/// Small stores with a disk, for tests.
namespace anyclaude::kv {

inline constexpr int kBlock = 16; // tokens
inline constexpr std::size_t kBytes = 2000;

class DiskStoreTest : public testing::Test {
 protected:
  std::unique_ptr<BlockStore>
  open(std::size_t memory_blocks = 100, std::uint64_t disk_bytes = 1U << 20,
       DiskTierOptions options = {.retry = std::chrono::milliseconds(1)}) {
    auto files = BlockFiles::open(root, "model");
    EXPECT_TRUE(files) << files.error();
    options.on_trouble = [this](const std::string&) { ++troubles; };
    options.on_recovery = [this] { ++recoveries; };
    return std::make_unique<BlockStore>(
        BlockStoreOptions{.block_tokens = kBlock,
                          .memory_bytes = memory_blocks * kBytes,
                          .disk_bytes = disk_bytes,
                          .salt = {},
                          .fingerprint = "model",
                          .checkpoints = checkpoints},
        std::make_unique<DiskTier>(std::move(*files), std::move(options)));
  }

  static void keep(BlockStore& store, const std::vector<Token>& tokens) {
    const auto size = static_cast<int>(tokens.size());
    for (int end = kBlock; end < size + kBlock; end += kBlock) {
      const auto prefix = std::span(tokens).first(static_cast<std::size_t>(std::min(end, size)));
      store.put("anna", prefix,
                std::vector<std::byte>(kBytes, static_cast<std::byte>(prefix.back())), 1);
      store.check();
    }
  }

  static int length(const BlockStore& store, const std::vector<Token>& tokens) {
    const auto pieces = store.find("anna", tokens);
    return pieces.empty() ? 0 : pieces.back().end;
  }

  static void wait_until_written(BlockStore& store) {
    const auto limit = std::chrono::steady_clock::now() + std::chrono::seconds(20);
    for (store.pump(); store.stats().unwritten_bytes > 0; store.pump()) {
      ASSERT_LT(std::chrono::steady_clock::now(), limit);
      std::this_thread::yield();
    }
  }

  /// Stores a block, then puts files where the folders of all others are to be, so that nobody can
  /// write there, root included, and stores six that fail. Returns those files.
  std::vector<std::filesystem::path> run_into_obstacles(BlockStore& store) const {
    keep(store, range(0, kBlock));
    wait_for_blocks(store, 1);
    const std::filesystem::path folder = stored_models(root).front().folder;
    std::vector<std::filesystem::path> obstacles;
    for (int i = 0; i < 256; ++i) {
      const std::filesystem::path shard = folder / std::format("{:02x}", i);
      if (!std::filesystem::exists(shard)) {
        std::ofstream(shard) << "in the way";
        obstacles.push_back(shard);
      }
    }
    keep(store, range(1000, 6 * kBlock));
    while (troubles == 0)
      std::this_thread::yield();
    return obstacles;
  }

  /// Waits until the disk has taken so many blocks.
  static void wait_for_blocks(BlockStore& store, std::size_t blocks) {
    const auto limit = std::chrono::steady_clock::now() + std::chrono::seconds(20);
    for (store.pump(); store.stats().disk_blocks != blocks; store.pump()) {
      ASSERT_LT(std::chrono::steady_clock::now(), limit) << store.stats().disk_blocks;
      std::this_thread::yield();
    }
    store.check();
  }

  /// A block from wherever it is; null when it cannot be had.
  static BlockPointer fetch(BlockStore& store, const BlockKey& key) {
    for (;;) {
      auto fetched = store.fetch(key);
      if (fetched.have != BlockStore::Have::coming)
        return fetched.block;
      store.wait(key, std::chrono::seconds(20));
    }
  }

  /// Its cells; empty when it cannot be had.
  static std::vector<std::byte> cells_of(BlockStore& store, const BlockStore::Piece& piece) {
    auto block = fetch(store, piece.key);
    if (!block)
      return {};
    auto cells = block->cells;
    store.done(std::move(block));
    return cells;
  }

  demo::ScratchFolder scratch;
  std::filesystem::path root = scratch / "store";
  bool checkpoints = false;
  std::atomic<int> troubles = 0;
  std::atomic<int> recoveries = 0;
};

} // namespace anyclaude::kv
