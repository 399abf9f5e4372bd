// A block store with a disk: what survives its end, and what happens when the disk does not work.
#include "kv/disk_store.h"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <format>
#include <fstream>
#include <memory>
#include <numeric>
#include <span>
#include <string>
#include <thread>
#include <utility>
#include <vector>

namespace anyclaude::kv {
namespace {

namespace fs = std::filesystem;

TEST_F(DiskStoreTest, WhatWasStoredIsThereInTheNextLife) {
  const auto prefix = words(0, 3 * kBlock + 5);
  keep(*open(), prefix); // whose end writes what waits
  const auto store = open();
  store->check();
  EXPECT_EQ(store->stats().disk_blocks, 4u);
  EXPECT_EQ(store->stats().memory_bytes, 0u);
  const auto pieces = store->find("anna", prefix);
  ASSERT_EQ(pieces.size(), 4u);
  for (const auto& piece : pieces)
    EXPECT_EQ(cells_of(*store, piece),
              std::vector<std::byte>(kBytes, static_cast<std::byte>(prefix[piece.end - 1])));
  EXPECT_TRUE(store->find("bert", prefix).empty());
  keep(*store, prefix); // is there already
  EXPECT_EQ(store->stats().stored, 0u);
}

TEST_F(DiskStoreTest, HostMemoryHoldsCopiesThatCanGo) {
  const auto store = open(3);
  for (int i = 0; i < 5; ++i) {
    keep(*store, words(1000 * i, 2 * kBlock));
    wait_for_blocks(*store, static_cast<std::size_t>(2 * i + 2));
  }
  EXPECT_LE(store->stats().memory_bytes, 3 * kBytes);
  EXPECT_EQ(store->stats().evicted, 0u);
  for (int i = 0; i < 5; ++i)
    for (const auto& piece : store->find("anna", words(1000 * i, 2 * kBlock)))
      EXPECT_EQ(cells_of(*store, piece).size(), kBytes);
}

TEST_F(DiskStoreTest, KeepsItsBudgetOnTheDisk) {
  const std::uint64_t budget = 10'000;
  const auto bytes_on_disk = [this] {
    std::uint64_t bytes = 0;
    for (const auto& model : stored_models(root))
      for (const auto& [file, size] : model.files)
        bytes += size;
    return bytes;
  };
  {
    const auto store = open(100, budget);
    for (std::size_t i = 0; i < 8; ++i) {
      keep(*store, words(static_cast<int>(1000 * i), 2 * kBlock));
      wait_for_blocks(*store, std::min<std::size_t>(2 * i + 2, 4)); // as many as fit
    }
    EXPECT_GT(store->stats().evicted, 0u);
    EXPECT_LE(store->stats().disk_bytes, budget);
  }
  EXPECT_LE(bytes_on_disk(), budget);
  EXPECT_GT(bytes_on_disk(), budget / 2);
  open(100, budget / 2); // a smaller one counts from the start
  EXPECT_LE(bytes_on_disk(), budget / 2);
}

TEST_F(DiskStoreTest, ADamagedBlockIsForgottenWithAllBehindIt) {
  const auto prefix = words(0, 4 * kBlock);
  keep(*open(), prefix);
  const auto store = open();
  const auto pieces = store->find("anna", prefix);
  const std::string name = pieces[1].key.hex();
  for (const auto& model : stored_models(root))
    for (const auto& [file, bytes] : model.files)
      if (file.stem().native() == name)
        fs::resize_file(file, bytes - 1);
  EXPECT_FALSE(cells_of(*store, pieces[0]).empty());
  EXPECT_TRUE(cells_of(*store, pieces[1]).empty());
  store->check();
  EXPECT_EQ(length(*store, prefix), kBlock);
  EXPECT_EQ(store->stats().damaged, 1u);
  keep(*store, prefix); // and can be stored again
  EXPECT_EQ(length(*store, prefix), 4 * kBlock);
}

TEST_F(DiskStoreTest, ABlockWithoutThoseInFrontOfItIsOfNoUse) {
  const auto prefix = words(0, 4 * kBlock);
  std::string name;
  {
    const auto store = open();
    keep(*store, prefix);
    name = store->find("anna", prefix)[1].key.hex();
  }
  for (const auto& model : stored_models(root))
    for (const auto& [file, bytes] : model.files)
      if (file.stem().native() == name)
        fs::remove(file);
  EXPECT_EQ(length(*open(), prefix), kBlock);
  EXPECT_EQ(stored_models(root).front().files.size(), 1u); // the others were removed
}

TEST_F(DiskStoreTest, ADiskThatFailsSwitchesWritingOffUntilItWorks) {
  const auto store = open();
  keep(*store, words(0, kBlock));
  wait_for_blocks(*store, 1);
  // Folders of all blocks to come are files: nobody can write there, root included.
  const fs::path folder = stored_models(root).front().folder;
  std::vector<fs::path> obstacles;
  for (int i = 0; i < 256; ++i) {
    const fs::path shard = folder / std::format("{:02x}", i);
    if (!fs::exists(shard)) {
      std::ofstream(shard) << "in the way";
      obstacles.push_back(shard);
    }
  }
  keep(*store, words(1000, 6 * kBlock));
  while (troubles == 0)
    std::this_thread::yield();
  for (int i = 0; i < 50; ++i)
    store->pump(); // tries again and fails
  EXPECT_EQ(troubles, 1) << "one warning is enough";
  EXPECT_EQ(length(*store, words(1000, 6 * kBlock)), 6 * kBlock); // from memory
  EXPECT_EQ(recoveries, 0);

  for (const fs::path& obstacle : obstacles)
    fs::remove(obstacle);
  wait_for_blocks(*store, 7); // what could not be written then is written now
  EXPECT_EQ(recoveries, 1);
}

// --- stores of models that go on from checkpoints ---

class CheckpointStoreTest : public DiskStoreTest {
 protected:
  CheckpointStoreTest() { checkpoints = true; }

  static SavedState state_of(int place) {
    return std::make_shared<const std::vector<std::byte>>(3 * kBytes,
                                                          static_cast<std::byte>(place));
  }
  /// The whole blocks of `tokens` and the checkpoint behind them.
  static bool keep_checkpoint(BlockStore& store, const std::vector<Token>& tokens) {
    const std::size_t begin = tokens.size() / kBlock * kBlock;
    for (std::size_t end = kBlock; end <= begin; end += kBlock)
      store.put("anna", std::span(tokens).first(end), std::vector<std::byte>(kBytes), 1);
    std::vector<std::byte> cells(tokens.size() > begin ? 100 : 0, std::byte{5});
    const bool stored = store.put_checkpoint("anna", tokens, std::move(cells),
                                             state_of(static_cast<int>(tokens.size())), 1);
    store.check();
    return stored;
  }
  static int length_of(const BlockStore& store, const std::vector<Token>& tokens) {
    const auto pieces = store.find_checkpoint("anna", tokens);
    return pieces.empty() ? 0 : pieces.back().end;
  }
};

TEST_F(CheckpointStoreTest, APrefixIsFoundUpToItsDeepestCheckpoint) {
  const auto prefix = words(0, 4 * kBlock + 5);
  const auto first = [&](int count) { return std::vector(prefix.begin(), prefix.begin() + count); };
  {
    const auto store = open();
    EXPECT_TRUE(keep_checkpoint(*store, first(3)));
    EXPECT_TRUE(keep_checkpoint(*store, first(2 * kBlock))); // at the end of a block
    EXPECT_TRUE(keep_checkpoint(*store, first(3 * kBlock + 7)));
    EXPECT_FALSE(keep_checkpoint(*store, first(3 * kBlock + 7)));
    EXPECT_EQ(length_of(*store, prefix), 3 * kBlock + 7);
  }
  for (int life = 0; life < 2; ++life) {
    const auto store = open();
    store->check();
    EXPECT_EQ(store->stats().checkpoints, 3u);
    EXPECT_EQ(store->stats().disk_blocks, 6u);
    EXPECT_EQ(length_of(*store, prefix), 3 * kBlock + 7);
    EXPECT_EQ(length_of(*store, first(3 * kBlock + 7)), 3 * kBlock + 7);
    EXPECT_EQ(length_of(*store, first(3 * kBlock + 6)), 2 * kBlock);
    EXPECT_EQ(length_of(*store, first(kBlock)), 3);
    EXPECT_EQ(length_of(*store, first(2)), 0);
    EXPECT_TRUE(store->find_checkpoint("bert", prefix).empty());
    const auto pieces = store->find_checkpoint("anna", prefix);
    ASSERT_EQ(pieces.size(), 4u); // three blocks, and the checkpoint
    EXPECT_EQ(pieces.back().kind, NodeKind::checkpoint);
    EXPECT_EQ(cells_of(*store, pieces.back()), std::vector<std::byte>(100, std::byte{5}));
    store->expect(std::span(&pieces.back().key, 1));
    store->wait(pieces.back().key, std::chrono::seconds(20));
    const auto fetched = store->fetch(pieces.back().key);
    ASSERT_TRUE(fetched.block);
    EXPECT_EQ(*fetched.block->state, *state_of(3 * kBlock + 7));
  }
}

TEST_F(CheckpointStoreTest, WhatNoCheckpointStandsBehindGoesFirst) {
  const auto store = open(1000, 40'000);
  const auto old = words(0, 2 * kBlock + 3);
  ASSERT_TRUE(keep_checkpoint(*store, old));
  const auto useless = words(5000, 6 * kBlock);
  for (int end = kBlock; end <= 6 * kBlock; end += kBlock)
    store->put("anna", std::span(useless).first(static_cast<std::size_t>(end)),
               std::vector<std::byte>(kBytes), 100);
  wait_for_blocks(*store, 9);
  EXPECT_EQ(length_of(*store, useless), 0);
  ASSERT_TRUE(keep_checkpoint(*store, useless));
  const auto place = store->checkpoints("anna", useless);
  ASSERT_EQ(place.size(), 1u);
  store->forget(place.front().key); // a long prefix that is of no use any more
  store->check();
  store->pump();
  ASSERT_TRUE(keep_checkpoint(*store, words(9000, 5 * kBlock + 1)));
  EXPECT_EQ(length_of(*store, old), 2 * kBlock + 3);
  EXPECT_EQ(length_of(*store, words(9000, 5 * kBlock + 1)), 5 * kBlock + 1);
}

TEST_F(CheckpointStoreTest, AreNotKnownToAStoreThatHasNone) {
  ASSERT_TRUE(keep_checkpoint(*open(), words(0, kBlock + 3)));
  checkpoints = false;
  const auto store = open();
  store->check();
  EXPECT_EQ(store->stats().checkpoints, 0u);
}

} // namespace
} // namespace anyclaude::kv
