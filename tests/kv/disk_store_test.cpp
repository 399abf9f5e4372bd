// A block store with a disk: what survives its end, and what happens when the disk does not work.
#include "kv/disk_store.h"
#include "kv/failing_disk.h"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <format>
#include <fstream>
#include <latch>
#include <memory>
#include <semaphore>
#include <span>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

namespace anyclaude::kv {
namespace {

namespace fs = std::filesystem;

TEST_F(DiskStoreTest, WhatWasStoredIsThereInTheNextLife) {
  const auto prefix = range(0, 3 * kBlock + 5);
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

TEST_F(DiskStoreTest, WhatNobodyWaitsForAnyMoreIsNotKept) {
  const auto prefix = range(0, 2 * kBlock);
  keep(*open(), prefix);
  const auto store = open();
  const auto pieces = store->find("anna", prefix);
  ASSERT_EQ(pieces.size(), 2u);
  const BlockKey& key = pieces.front().key;
  for (const bool is_read : {true, false}) {
    store->expect(std::span(&key, 1));
    if (is_read)
      store->wait(key, std::chrono::seconds(20));
    store->forget_read(key);
    EXPECT_EQ(store->fetch(key).have, BlockStore::Have::coming); // it is read anew
    store->wait(key, std::chrono::seconds(20));
    EXPECT_TRUE(store->fetch(key).block);
  }
}

TEST_F(DiskStoreTest, HostMemoryHoldsCopiesThatCanGo) {
  const auto store = open(3);
  for (int i = 0; i < 5; ++i) {
    keep(*store, range(1000 * i, 2 * kBlock));
    wait_for_blocks(*store, static_cast<std::size_t>(2 * i + 2));
  }
  EXPECT_LE(store->stats().memory_bytes, 3 * kBytes);
  EXPECT_EQ(store->stats().evicted, 0u);
  for (int i = 0; i < 5; ++i)
    for (const auto& piece : store->find("anna", range(1000 * i, 2 * kBlock)))
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
      keep(*store, range(static_cast<int>(1000 * i), 2 * kBlock));
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

TEST_F(DiskStoreTest, WhatIsGivenUpWhileItIsWrittenCountsUntilThen) {
  root = scratch / "disk/store";
  fs::create_directory(root.parent_path());
  FailingDisk disk(root.parent_path());
  const auto store = open();
  std::latch may_write(1);
  std::atomic<int> begun = 0;
  disk.fail([&](std::string_view call, const fs::path& path) {
    begun += call == "open" && path.extension() == ".partial" ? 1 : 0;
    if (call == "fdatasync")
      may_write.wait();
    return 0;
  });
  const auto prefix = range(0, 2 * kBlock);
  keep(*store, prefix);
  EXPECT_GT(store->stats().unwritten_bytes, 2 * kBytes);
  while (begun == 0)
    std::this_thread::yield();
  store->clear();
  EXPECT_EQ(store->stats().blocks, 0u);
  EXPECT_EQ(store->stats().memory_bytes, 2 * kBytes);
  keep(*store, prefix); // the same keys once more
  EXPECT_EQ(store->stats().memory_bytes, 4 * kBytes);
  may_write.count_down();
  wait_for_blocks(*store, 2);
  wait_until_written(*store);
  EXPECT_EQ(store->stats().memory_bytes, 2 * kBytes);
  EXPECT_EQ(store->stats().written, 2u) << "what was given up is no block that is durable";
  EXPECT_EQ(begun, 3) << "what was given up while it waited is not written";
  EXPECT_EQ(stored_models(root).front().files.size(), 2u);
}

/// A share that is as good as nothing: the first block is written, and what it took is never over.
TEST_F(DiskStoreTest, WhileOthersComputeWritingTakesItsShareOnly) {
  const auto prefix = range(0, 5 * kBlock);
  const auto store = open(100, 1U << 20, {.share = 1e-9});
  store->computing(true);
  keep(*store, prefix);
  wait_for_blocks(*store, 1);
  root = scratch / "other"; // as long as five blocks take
  const auto other = open();
  keep(*other, prefix);
  wait_for_blocks(*other, 5);
  store->pump();
  EXPECT_EQ(store->stats().disk_blocks, 1u);
  store->computing(false);
  wait_for_blocks(*store, 5);
}

TEST_F(DiskStoreTest, WhileOthersComputeAnEighthOfWhatMayWaitDoesAtMost) {
  const auto store = open(100, 1U << 20, {.queue_bytes = 32 * kBytes, .share = 1e-9});
  store->computing(true);
  keep(*store, range(0, 8 * kBlock));
  wait_for_blocks(*store, 4);
}

TEST_F(DiskStoreTest, WhatWaitsForOthersToComputeIsWrittenAtTheEnd) {
  const auto prefix = range(0, 5 * kBlock);
  {
    const auto store = open(100, 1U << 20, {.share = 1e-9});
    store->computing(true);
    keep(*store, prefix);
  }
  EXPECT_EQ(open()->stats().disk_blocks, 5u);
}

TEST_F(DiskStoreTest, ADamagedBlockIsForgottenWithAllBehindIt) {
  const auto prefix = range(0, 4 * kBlock);
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
  const auto prefix = range(0, 4 * kBlock);
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

TEST_F(DiskStoreTest, ABlockThatSaysAnotherPlaceThanBehindItsParentIsOfNoUse) {
  const auto prefix = range(0, 2 * kBlock);
  keep(*open(), range(0, kBlock));
  {
    const auto files = BlockFiles::open(root, "model");
    ASSERT_TRUE(files) << files.error();
    Block block;
    block.parent = (*files)->names().front();
    block.begin = kBlock + 1;
    block.tokens.assign(prefix.begin() + kBlock, prefix.end());
    block.key = block_key(block.parent, block.tokens);
    block.cells.resize(kBytes);
    ASSERT_TRUE((*files)->write(block, 1));
  }
  const auto store = open();
  store->check();
  EXPECT_EQ(length(*store, prefix), kBlock);
}

TEST_F(DiskStoreTest, ADiskThatFailsSwitchesWritingOffUntilItWorks) {
  const auto store = open();
  const auto obstacles = run_into_obstacles(*store);
  for (int i = 0; i < 50; ++i)
    store->pump(); // tries again and fails
  EXPECT_EQ(troubles, 1) << "one warning is enough";
  EXPECT_EQ(length(*store, range(1000, 6 * kBlock)), 6 * kBlock); // from memory
  EXPECT_EQ(recoveries, 0);

  for (const fs::path& obstacle : obstacles)
    fs::remove(obstacle);
  wait_for_blocks(*store, 7); // what could not be written then is written now
  EXPECT_EQ(recoveries, 1);
}

/// The engine sleeps while nobody asks: it has to be woken when what waits can be written.
TEST_F(DiskStoreTest, SaysWhenWritingMayBeTriedAgain) {
  std::counting_semaphore<> news(0);
  const auto store =
      open(100, 1U << 20,
           {.retry = std::chrono::milliseconds(200), .on_outcome = [&] { news.release(); }});
  const auto obstacles = run_into_obstacles(*store);
  for (const fs::path& obstacle : obstacles)
    fs::remove(obstacle);
  while (store->stats().disk_blocks < 7) {
    ASSERT_TRUE(news.try_acquire_for(std::chrono::seconds(20)));
    store->pump();
  }
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
  const auto prefix = range(0, 4 * kBlock + 5);
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
  const auto old = range(0, 2 * kBlock + 3);
  ASSERT_TRUE(keep_checkpoint(*store, old));
  const auto useless = range(5000, 6 * kBlock);
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
  ASSERT_TRUE(keep_checkpoint(*store, range(9000, 5 * kBlock + 1)));
  EXPECT_EQ(length_of(*store, old), 2 * kBlock + 3);
  EXPECT_EQ(length_of(*store, range(9000, 5 * kBlock + 1)), 5 * kBlock + 1);
}

TEST_F(CheckpointStoreTest, AreNotKnownToAStoreThatHasNone) {
  ASSERT_TRUE(keep_checkpoint(*open(), range(0, kBlock + 3)));
  checkpoints = false;
  const auto store = open();
  store->check();
  EXPECT_EQ(store->stats().checkpoints, 0u);
}

TEST_F(DiskStoreTest, UsesAreKnownInTheNextLife) {
  const auto prefix = range(0, 3 * kBlock);
  {
    const auto store = open();
    keep(*store, prefix);
    for (int i = 0; i < 12; ++i)
      store->count_hit(store->find("anna", std::span(prefix).first(2 * kBlock)), 2 * kBlock,
                       3 * kBlock);
    EXPECT_DOUBLE_EQ(store->stats().totals.saved_seconds, 24); // a block is said to take a second
  }
  {
    BlockIndex index(stored_models(root).front().folder / kIndexName, false);
    EXPECT_EQ(index.totals().requests, 12u);
    EXPECT_EQ(index.totals().found_tokens, 12u * 2 * kBlock);
    EXPECT_DOUBLE_EQ(index.totals().saved_seconds, 24);
  }
  const auto store = open();
  const auto pieces = store->find("anna", prefix);
  ASSERT_EQ(pieces.size(), 3u);
  EXPECT_EQ(pieces[1].hits, 12u);
  EXPECT_EQ(pieces[2].hits, 0u);
  // What was used often outlives what was not, though it is older.
  keep(*store, range(5000, 3 * kBlock));
  wait_for_blocks(*store, 6);
  const std::uint64_t half = store->stats().disk_bytes / 2;
  const auto smaller = open(100, half);
  EXPECT_GE(length(*smaller, prefix), 2 * kBlock);
  EXPECT_LE(smaller->stats().disk_bytes, half);
}

TEST_F(DiskStoreTest, WithoutItsIndexItFindsTheSame) {
  const auto prefix = range(0, 3 * kBlock + 5);
  keep(*open(), prefix);
  const fs::path index = stored_models(root).front().folder / kIndexName;
  for (const char* with : {"", "no database at all, but longer than a header of one would be"}) {
    fs::remove(index);
    if (*with)
      std::ofstream(index) << with;
    const auto store = open();
    store->check();
    EXPECT_EQ(length(*store, prefix), 3 * kBlock + 5);
    EXPECT_EQ(store->stats().damaged, 0u);
  }
  EXPECT_EQ(BlockIndex(index, false).read().size(), 4u); // made again
}

TEST_F(DiskStoreTest, AnIndexThatKnowsABlockWithoutAFileIsCorrected) {
  const auto prefix = range(0, 3 * kBlock);
  keep(*open(), prefix);
  const auto model = stored_models(root).front();
  std::string last;
  {
    const auto store = open();
    last = store->find("anna", prefix).back().key.hex();
  }
  for (const auto& [file, bytes] : model.files)
    if (file.stem().native() == last)
      fs::remove(file);
  EXPECT_EQ(length(*open(), prefix), 2 * kBlock);
  EXPECT_EQ(BlockIndex(model.folder / kIndexName, false).read().size(), 2u);
}

TEST_F(DiskStoreTest, ToolsAndSystemTextStayWhateverElseIsAskedFor) {
  const auto shared = range(0, 3 * kBlock); // with the conversation behind it
  const std::uint64_t budget = 8 * 2300;
  const auto store = open(100, budget);
  keep(*store, shared);
  store->pin("anna", std::span(shared).first(2 * kBlock + 3));
  for (int i = 1; i <= 40; ++i) { // never asked for again
    keep(*store, range(1000 * i, 2 * kBlock));
    wait_until_written(*store);
    store->check();
    ASSERT_LE(store->stats().disk_bytes, budget);
  }
  EXPECT_EQ(length(*open(100, budget), shared), 2 * kBlock); // on the disk, not in memory alone
  EXPECT_GT(store->stats().evicted, 60u);
}

TEST_F(DiskStoreTest, PinsCannotFillTheDisk) {
  const std::uint64_t budget = 8 * 2300;
  const auto store = open(1000, budget);
  for (int i = 0; i < 20; ++i) {
    const auto prefix = range(1000 * i, 2 * kBlock);
    keep(*store, prefix);
    store->pin("anna", prefix);
    store->count_hit(store->find("anna", prefix), 0, 0);
    wait_until_written(*store);
    store->check();
    // One prefix more than half of it, until something has to go.
    ASSERT_LE(store->stats().pinned_bytes, budget / 2 + 2 * 2400);
    keep(*store, range(100'000 + 1000 * i, 2 * kBlock));
    wait_until_written(*store);
  }
  EXPECT_GT(store->stats().pinned_bytes, 0u);
  EXPECT_EQ(length(*store, range(19'000, 2 * kBlock)), 2 * kBlock); // the newest
}

TEST_F(DiskStoreTest, SmallOneOffsDoNotEvictABigPrefixThatIsInUse) {
  const std::uint64_t budget = 12 * 2300;
  const auto big = range(0, 8 * kBlock);
  {
    const auto store = open(100, budget);
    keep(*store, big);
    for (int i = 0; i < 5; ++i)
      store->count_hit(store->find("anna", big), 8 * kBlock, 8 * kBlock);
    for (int i = 1; i <= 16; ++i) { // as much again as the budget, and a third
      keep(*store, range(1000 * i, kBlock));
      wait_until_written(*store);
    }
  }
  EXPECT_EQ(length(*open(100, budget), big), 8 * kBlock);
}

TEST_F(DiskStoreTest, WhatIsUnkeptReachesNoDisk) {
  const auto prefix = range(0, 2 * kBlock);
  const auto store = open();
  for (std::size_t end = kBlock; end <= prefix.size(); end += kBlock)
    EXPECT_TRUE(store->put(unkept("anna"), std::span(prefix).first(end),
                           std::vector<std::byte>(kBytes), 1));
  EXPECT_EQ(store->find(unkept("anna"), prefix).size(), 2u);
  EXPECT_TRUE(store->find("anna", prefix).empty());
  keep(*store, range(500, kBlock));
  wait_for_blocks(*store, 1);
  store->pump();
  store->check();
  EXPECT_EQ(stored_models(root).front().files.size(), 1u);
}

TEST_F(DiskStoreTest, SeesWhatOthersRemoveAndAdd) {
  const auto prefix = range(0, 3 * kBlock);
  const auto store = open();
  keep(*store, prefix);
  wait_for_blocks(*store, 3);
  const auto pieces = store->find("anna", prefix);
  const auto files = stored_models(root).front().files;
  const auto file_of = [&](const BlockKey& key) {
    return std::ranges::find(files, key.hex(),
                             [](const auto& file) { return file.first.stem().native(); })
        ->first;
  };
  const fs::path last = file_of(pieces[2].key);
  fs::rename(last, scratch / "aside");
  store->look_again();
  store->check();
  EXPECT_EQ(length(*store, prefix), 2 * kBlock);
  EXPECT_EQ(store->stats().damaged, 0u);
  fs::rename(scratch / "aside", last);
  store->look_again();
  store->check();
  EXPECT_EQ(length(*store, prefix), 3 * kBlock);

  fs::remove_all(stored_models(root).front().folder);
  store->clear();
  store->check();
  EXPECT_EQ(store->stats().blocks, 0u);
  EXPECT_EQ(store->stats().disk_bytes, 0u);
  keep(*store, prefix); // and begins again
  wait_for_blocks(*store, 3);
  store->clear(); // its files go behind its back
  const auto limit = std::chrono::steady_clock::now() + std::chrono::seconds(20);
  while (length(*open(), prefix) > 0)
    ASSERT_LT(std::chrono::steady_clock::now(), limit);
}

TEST_F(DiskStoreTest, AFolderThatOthersRemoveWhileABlockIsWrittenIsNoTrouble) {
  const auto store = open();
  {
    FailingDisk disk(root);
    const fs::path folder = stored_models(root).front().folder;
    int removals = 0;
    disk.fail([&](std::string_view call, const fs::path& path) {
      if (call == "open" && path.extension() == ".partial" && ++removals <= 2)
        fs::remove_all(folder);
      return 0;
    });
    keep(*store, range(0, kBlock));
    wait_for_blocks(*store, 1);
    EXPECT_EQ(removals, 3);
  }
  EXPECT_EQ(troubles, 0);
  EXPECT_EQ(stored_models(root).front().files.size(), 1u);
}

/// What a file takes on the disk, and not how long it says it is.
std::uint64_t disk_usage(const fs::path& folder) {
  std::uint64_t bytes = 0;
  for (const auto& entry : fs::recursive_directory_iterator(folder)) {
    struct stat status{};
    if (entry.is_regular_file() && ::stat(entry.path().c_str(), &status) == 0)
      bytes += static_cast<std::uint64_t>(status.st_blocks) * 512;
  }
  return bytes;
}

TEST_F(DiskStoreTest, SpaceGoesBackToTheFileSystem) {
  const auto before = [&] {
    const auto store = open();
    for (int i = 0; i < 20; ++i)
      keep(*store, range(1000 * i, 2 * kBlock));
    wait_until_written(*store);
    return disk_usage(root);
  }();
  ASSERT_GT(before, 40 * kBytes);
  open(100, 10 * 2300)->check();
  EXPECT_LT(disk_usage(root), before / 2);
}

} // namespace
} // namespace anyclaude::kv
