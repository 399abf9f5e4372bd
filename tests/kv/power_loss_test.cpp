// The power fails while blocks are stored, again and again: what was reported durable is there and
// right behind it, and the store opens. kv/failing_disk.h says what a power failure may do.
#include "demo/gguf_file.h"
#include "kv/disk_tier.h"
#include "kv/failing_disk.h"
#include "kv/sample_blocks.h"
#include "rounds.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <functional>
#include <iterator>
#include <map>
#include <memory>
#include <random>
#include <set>
#include <string>
#include <thread>
#include <utility>
#include <vector>

namespace anyclaude::kv {
namespace {

namespace fs = std::filesystem;

using Lie = std::function<bool(const fs::path&)>;

/// What lives that each ended with a power failure came to.
struct Fate {
  int expected = 0; // blocks that were durable, each counted behind every failure it was to survive
  int lost = 0;     // of these: not there, or never found because the salt is another one
  int wrong = 0;    // blocks that were read and are not what was written
  int torn = 0;     // files with a block's name that are damaged, and were not said to be durable
};

/// One life: how far the disk had come when a block was said to be durable, or was given up.
struct Life {
  std::map<BlockKey, std::size_t> durable;
  std::map<BlockKey, std::size_t> removed;

  std::set<BlockKey> kept(std::size_t at) const {
    std::set<BlockKey> kept;
    for (const auto& [key, since] : durable)
      if (since <= at && (!removed.contains(key) || removed.at(key) > at))
        kept.insert(key);
    return kept;
  }
};

class PowerLoss : public testing::Test {
 protected:
  /// So many lives over one store, in each of which the power fails at any moment.
  Fate live(int lives, const Lie& lie = {}) {
    std::mt19937 random(7);
    std::set<BlockKey> kept;
    for (int number = 0; number < lives; ++number) {
      const fs::path folder = scratch_ / std::to_string(number).c_str();
      if (number % 6 == 0) { // a new store: its own folders are made in it
        fs::remove_all(folder);
        kept.clear();
      }
      fs::create_directories(folder);
      FailingDisk disk(folder);
      disk.lie(lie);
      Life life;
      for (const BlockKey& key : kept)
        life.durable[key] = 0;
      store(folder, disk, life, random);
      EXPECT_TRUE(disk.saw_everything());

      const std::size_t at = random() % (disk.now() + 1);
      const fs::path left = scratch_ / std::to_string(number + 1).c_str();
      disk.power_failure(at, static_cast<unsigned>(random()), left);
      kept = life.kept(at);
      examine(left, kept);
      fs::remove_all(folder);
    }
    return fate_;
  }

 private:
  /// Blocks and checkpoints of any size.
  static Block block(int number) {
    const BlockKey parent = root_key("salt", "model", "anna");
    const std::size_t bytes = 1 + static_cast<std::size_t>(number) * 977 % 9000;
    return number % 3 == 0 ? checkpoint_of(number, parent, bytes) : block_of(number, parent, bytes);
  }

  std::unique_ptr<BlockFiles> open(const fs::path& folder) {
    auto files = BlockFiles::open(folder / "prefixes", "model");
    EXPECT_TRUE(files) << files.error();
    return std::move(*files);
  }

  /// Stores blocks one after the other, so that nothing that comes later helps one to the disk, and
  /// gives some up, as the budget does.
  void store(const fs::path& folder, const FailingDisk& disk, Life& life, std::mt19937& random) {
    DiskTier tier(open(folder), {});
    salt_ = tier.files().salt();
    for (auto actions = 2 + random() % 12; actions > 0; --actions) {
      if (random() % 20 < life.durable.size()) {
        const auto gone =
            std::next(life.durable.begin(), static_cast<int>(random() % life.durable.size()));
        life.removed.try_emplace(gone->first, disk.now());
        tier.remove(gone->first);
        continue;
      }
      const int number = static_cast<int>(numbers_.size()) + 1;
      const auto next = std::make_shared<Block>(block(number));
      numbers_[next->key] = number;
      EXPECT_TRUE(tier.write(next, 1));
      std::vector<DiskTier::Outcome> outcomes;
      while ((outcomes = tier.outcomes()).empty())
        std::this_thread::yield();
      EXPECT_TRUE(outcomes.front().is_durable && outcomes.front().key == next->key);
      life.durable[next->key] = disk.now();
    }
  }

  /// Looks for what was to survive, and at whatever else is there; forgets what was lost.
  void examine(const fs::path& folder, std::set<BlockKey>& kept) {
    const auto files = open(folder);
    const auto is_lost = [&](const BlockKey& key) {
      return files->salt() != salt_ || !files->read(key);
    };
    fate_.expected += static_cast<int>(kept.size());
    fate_.lost += static_cast<int>(std::erase_if(kept, is_lost));
    const auto scan = files->scan();
    for (const auto& found : scan.blocks)
      if (const auto read = files->read(found.header.key);
          read && !same(*read, block(numbers_.at(found.header.key))))
        ++fate_.wrong;
    fate_.torn += static_cast<int>(scan.damaged.size());
  }

  demo::ScratchFolder scratch_;
  Fate fate_;
  std::map<BlockKey, int> numbers_;
  std::string salt_;
};

TEST_F(PowerLoss, WhatWasReportedDurableIsThereAndRight) {
  const Fate fate = live(rounds("ANYCLAUDE_POWER_FAILURES", 200));
  EXPECT_EQ(fate.lost, 0);
  EXPECT_EQ(fate.wrong, 0);
  EXPECT_GT(fate.expected, 500); // or little was tried
  EXPECT_EQ(fate.torn, 0);       // what has its name is whole
}

/// A disk that says that it has written what it has not: the model must be one that sees it.
class LyingDisk : public PowerLoss,
                  public testing::WithParamInterface<std::pair<const char*, Lie>> {};

TEST_P(LyingDisk, LosesBlocksAndNeverAnswersWrong) {
  const Fate fate = live(60, GetParam().second);
  EXPECT_GT(fate.lost, 0);
  EXPECT_EQ(fate.wrong, 0);
}

bool is_file(const fs::path& path) {
  return path.extension() == ".partial";
}
/// How many folders stand around it: the store's own has none, a model's one, a shard two.
auto is_folder(std::ptrdiff_t depth) {
  return [depth](const fs::path& path) {
    return !is_file(path) && (path == "." ? 0 : std::distance(path.begin(), path.end())) == depth;
  };
}

INSTANTIATE_TEST_SUITE_P(About, LyingDisk,
                         testing::Values(std::pair("Files", Lie(is_file)),
                                         std::pair("TheFolderAroundTheStore", Lie(is_folder(0))),
                                         std::pair("TheStore", Lie(is_folder(1))),
                                         std::pair("Models", Lie(is_folder(2))),
                                         std::pair("Shards", Lie(is_folder(3)))),
                         [](const auto& about) { return std::string(about.param.first); });

} // namespace
} // namespace anyclaude::kv
