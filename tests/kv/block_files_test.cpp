#include "demo/gguf_file.h"
#include "kv/block_files.h"
#include "kv/sample_blocks.h"
#include "kv/vandal.h"
#include "rounds.h"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <csignal>
#include <cstring>
#include <fstream>
#include <map>
#include <random>
#include <string>
#include <thread>
#include <utility>
#include <vector>

namespace anyclaude::kv {
namespace {

namespace fs = std::filesystem;

class BlockFilesTest : public testing::Test {
 protected:
  std::unique_ptr<BlockFiles> open(const std::string& fingerprint = "model") const {
    auto files = BlockFiles::open(root, fingerprint);
    EXPECT_TRUE(files) << files.error();
    return files ? std::move(*files) : nullptr;
  }
  fs::path file_of(const BlockFiles& files, const BlockKey& key) const {
    const std::string name = key.hex();
    return files.folder() / name.substr(0, 2) / (name + ".kv");
  }

  demo::ScratchFolder scratch;
  fs::path root = scratch / "store";
  BlockKey parent = root_key("salt", "model", "anna");
};

TEST_F(BlockFilesTest, WhatIsWrittenIsReadAgain) {
  const auto files = open();
  for (const int number : {1, 255, 256}) {
    const Block block = block_of(number, parent);
    ASSERT_TRUE(files->write(block, 12.5));
    EXPECT_EQ(block_file_size(block), fs::file_size(file_of(*files, block.key)));
    const auto read = files->read(block.key);
    ASSERT_TRUE(read) << to_string(read.error());
    EXPECT_TRUE(same(*read, block));
  }
  const auto scan = files->scan();
  EXPECT_EQ(scan.blocks.size(), 3u);
  EXPECT_EQ(scan.blocks.front().header.seconds, 12.5);
  EXPECT_TRUE(scan.damaged.empty());
}

TEST_F(BlockFilesTest, ACheckpointHasTheStateAndMayHaveNoCells) {
  const auto files = open();
  for (const int tokens : {0, 1, 255})
    for (const std::size_t cells : {0, 3000}) {
      Block block = block_of(tokens, parent, cells);
      block.kind = NodeKind::checkpoint;
      block.tokens.resize(static_cast<std::size_t>(tokens));
      block.begin = 512;
      block.state = std::make_shared<const std::vector<std::byte>>(7000 + cells, std::byte{9});
      block.key = node_key(block.kind, parent, block.tokens);
      EXPECT_NE(block.key, block_key(parent, block.tokens));
      ASSERT_TRUE(files->write(block, 3));
      EXPECT_EQ(block_file_size(block), fs::file_size(file_of(*files, block.key)));
      // Read into the room of a larger block.
      const auto read = files->read(block.key, std::vector<std::byte>(9999, std::byte{1}));
      ASSERT_TRUE(read) << to_string(read.error());
      EXPECT_TRUE(same(*read, block));
    }
  EXPECT_TRUE(files->scan().damaged.empty());
}

TEST_F(BlockFilesTest, ABlockOfAMemoryWithoutCellsIsItsTokens) {
  const auto files = open();
  const Block block = block_of(200, parent, 0);
  ASSERT_TRUE(files->write(block, 3));
  const auto read = files->read(block.key, std::vector<std::byte>(9999, std::byte{1}));
  ASSERT_TRUE(read) << to_string(read.error());
  EXPECT_TRUE(same(*read, block));
  EXPECT_EQ(files->scan().blocks.front().header.section_bytes(), 0u);
}

/// A header with another one's fields and a checksum that fits.
TEST_F(BlockFilesTest, SectionsThatDoNotFitTheKindAreDamage) {
  Block block = block_of(30, parent, 100);
  const auto sound = write_header(block, fingerprint_key("model"), 1);
  EXPECT_TRUE(read_header(sound));
  block.state = std::make_shared<const std::vector<std::byte>>(50); // of a block
  EXPECT_FALSE(read_header(write_header(block, fingerprint_key("model"), 1)));
  block.kind = NodeKind::checkpoint;
  block.key = node_key(block.kind, parent, block.tokens);
  EXPECT_TRUE(read_header(write_header(block, fingerprint_key("model"), 1)));
  block.state = nullptr; // a checkpoint without one
  EXPECT_FALSE(read_header(write_header(block, fingerprint_key("model"), 1)));
  block.kind = static_cast<NodeKind>(3);
  EXPECT_FALSE(read_header(write_header(block, fingerprint_key("model"), 1)));
}

/// Of a file that somebody made: its checksums fit, and its name is another prefix's.
TEST_F(BlockFilesTest, AKeyThatIsNotMadeOfParentAndTokensIsDamage) {
  Block block = block_of(30, parent, 100);
  block.tokens.back() += 1;
  EXPECT_FALSE(read_header(write_header(block, fingerprint_key("model"), 1)));
  block.tokens.back() -= 1;
  EXPECT_TRUE(read_header(write_header(block, fingerprint_key("model"), 1)));
  block.parent.bytes[0] ^= 1;
  EXPECT_FALSE(read_header(write_header(block, fingerprint_key("model"), 1)));
}

TEST_F(BlockFilesTest, IsPrivateAndKeepsItsSalt) {
  const std::string salt = open()->salt();
  EXPECT_EQ(salt.size(), 32u);
  EXPECT_EQ(open()->salt(), salt);
  const auto files = open();
  ASSERT_TRUE(files->write(block_of(1, parent), 1));
  for (const auto& entry : fs::recursive_directory_iterator(root)) {
    struct stat status{};
    ASSERT_EQ(::stat(entry.path().c_str(), &status), 0);
    EXPECT_EQ(status.st_mode & 077, 0u) << entry.path();
  }
}

TEST_F(BlockFilesTest, OneWrites) {
  auto first = open();
  const auto second = open();
  EXPECT_TRUE(first->may_write());
  EXPECT_FALSE(second->may_write());
  EXPECT_FALSE(second->acquire());
  const Block block = block_of(1, parent);
  ASSERT_TRUE(first->write(block, 1));
  EXPECT_TRUE(second->read(block.key)); // the others read
  first.reset();
  EXPECT_TRUE(second->acquire());
}

TEST_F(BlockFilesTest, EachModelHasItsOwnWriter) {
  const auto one = open();
  const auto other = open("other model");
  EXPECT_TRUE(one->may_write());
  EXPECT_TRUE(other->may_write());
  EXPECT_EQ(one->salt(), other->salt());
}

/// As the engines of one start do.
TEST_F(BlockFilesTest, OneSaltIsMadeByManyAtOnce) {
  std::vector<std::string> salts(8);
  {
    std::vector<std::jthread> threads;
    for (std::size_t i = 0; i < salts.size(); ++i)
      threads.emplace_back([&, i] { salts[i] = open("model " + std::to_string(i))->salt(); });
  }
  for (const std::string& salt : salts)
    EXPECT_EQ(salt, open()->salt());
}

TEST_F(BlockFilesTest, OtherModelsAndOtherVersionsAreNotRead) {
  const auto files = open();
  const Block block = block_of(7, parent);
  ASSERT_TRUE(files->write(block, 1));
  const auto other = open("other model");
  EXPECT_EQ(other->read(block.key).error(), Damage::unreadable);
  fs::create_directories(file_of(*other, block.key).parent_path());
  fs::copy(file_of(*files, block.key), file_of(*other, block.key));
  EXPECT_EQ(other->read(block.key).error(), Damage::misplaced);
  EXPECT_EQ(other->scan().blocks.size(), 0u);

  std::fstream file(file_of(*files, block.key), std::ios::binary | std::ios::in | std::ios::out);
  file.seekp(8);
  file.put(1);
  file.close();
  EXPECT_EQ(files->read(block.key).error(), Damage::other_version);
}

TEST_F(BlockFilesTest, AnotherBlocksFileIsNotRead) {
  const auto files = open();
  const Block one = block_of(1, parent);
  const Block two = block_of(2, parent);
  ASSERT_TRUE(files->write(one, 1));
  ASSERT_TRUE(files->write(two, 1));
  fs::copy_file(file_of(*files, one.key), file_of(*files, two.key),
                fs::copy_options::overwrite_existing);
  EXPECT_TRUE(files->read(one.key));
  EXPECT_EQ(files->read(two.key).error(), Damage::misplaced);
}

TEST_F(BlockFilesTest, EveryByteOfTheHeaderCounts) {
  const auto files = open();
  const Block block = block_of(30, parent, 100);
  ASSERT_TRUE(files->write(block, 1));
  const fs::path path = file_of(*files, block.key);
  const std::size_t header = 144 + 4 * block.tokens.size() + 56 + 32;
  for (std::size_t at = 0; at < header; ++at) {
    std::fstream file(path, std::ios::binary | std::ios::in | std::ios::out);
    file.seekg(static_cast<std::streamoff>(at));
    const int byte = file.get();
    const auto put = [&](int value) {
      file.seekp(static_cast<std::streamoff>(at));
      file.put(static_cast<char>(value));
      file.flush();
    };
    put(byte ^ 4);
    ASSERT_FALSE(files->read(block.key)) << "byte " << at;
    put(byte);
  }
  EXPECT_TRUE(files->read(block.key));
}

TEST_F(BlockFilesTest, UnfinishedFilesAreRemovedAtTheNextStart) {
  auto files = open();
  const Block block = block_of(7, parent);
  ASSERT_TRUE(files->write(block, 1));
  const fs::path partial = file_of(*files, block.key).native() + ".partial";
  std::ofstream(partial) << "half";
  EXPECT_EQ(files->scan().blocks.size(), 1u);
  EXPECT_FALSE(fs::exists(partial));
}

TEST_F(BlockFilesTest, AnErrorLeavesNothingBehind) {
  const auto files = open();
  const Block block = block_of(7, parent);
  fs::create_directories(files->folder());
  std::ofstream(files->folder() / block.key.hex().substr(0, 2)) << "a file where a folder belongs";
  const auto written = files->write(block, 1);
  ASSERT_FALSE(written);
  EXPECT_EQ(written.error(), ENOTDIR);
}

TEST_F(BlockFilesTest, DamageIsSeenOrHarmless) {
  const int strikes = rounds("ANYCLAUDE_DAMAGE_ROUNDS", 200);
  const auto files = open();
  std::map<BlockKey, Block> blocks;
  std::vector<fs::path> paths;
  for (int i = 0; i < 12; ++i) {
    Block block = block_of(100 + 17 * i, parent, 3000 + 100 * static_cast<std::size_t>(i % 3));
    paths.push_back(file_of(*files, block.key));
    ASSERT_TRUE(files->write(block, 1));
    blocks[block.key] = std::move(block);
  }
  const fs::path sound = scratch / "sound";
  fs::copy(root, sound, fs::copy_options::recursive);
  int seen = 0;
  for (int strike = 0; strike < strikes; ++strike) {
    if (strike % 8 == 0) // as new, so that damage is not only ever added to damage
      fs::copy(sound, root, fs::copy_options::recursive | fs::copy_options::overwrite_existing);
    Vandal(paths, static_cast<unsigned>(strike)).strike();
    for (const auto& [key, block] : blocks) {
      const auto read = files->read(key);
      if (read)
        ASSERT_TRUE(same(*read, block)) << "strike " << strike;
      else
        ++seen;
    }
    for (const auto& found : files->scan().blocks)
      ASSERT_TRUE(blocks.contains(found.header.key)) << "strike " << strike;
  }
  EXPECT_GT(seen, strikes / 2); // or little was damaged
}

constexpr std::size_t kKilledBytes = 4 << 20; // large, so that many a kill meets a half-written one

/// A process that stores without end and says which blocks are durable.
[[noreturn]] void store_without_end(const fs::path& root, const BlockKey& parent, int first,
                                    int report) {
  const auto files = BlockFiles::open(root, "model");
  if (!files || !(*files)->may_write())
    ::_exit(3);
  for (int number = first;; ++number) {
    const Block block = block_of(number, parent, kKilledBytes);
    if (!(*files)->write(block, 1) || ::write(report, &number, sizeof number) != sizeof number)
      ::_exit(4);
  }
}

TEST_F(BlockFilesTest, WhatWasReportedDurableSurvivesKills) {
  const int kills = rounds("ANYCLAUDE_KILLS", 12);
  std::mt19937 random(1);
  std::vector<int> durable;
  for (int kill = 0; kill < kills; ++kill) {
    std::array<int, 2> pipe{};
    ASSERT_EQ(::pipe(pipe.data()), 0);
    const pid_t child = ::fork();
    if (child == 0)
      store_without_end(root, parent, kill * 10'000, pipe[1]);
    ::close(pipe[1]);
    // The moment is drawn among blocks, not milliseconds: some, and a part of one.
    int number = 0;
    for (auto blocks = 1 + random() % 6; blocks > 0; --blocks) {
      ASSERT_EQ(::read(pipe[0], &number, sizeof number), static_cast<ssize_t>(sizeof number));
      durable.push_back(number);
    }
    std::this_thread::sleep_for(std::chrono::microseconds(random() % 8000));
    ::kill(child, SIGKILL);
    int status = 0;
    ::waitpid(child, &status, 0);
    ASSERT_TRUE(WIFSIGNALED(status)) << WEXITSTATUS(status);
    while (::read(pipe[0], &number, sizeof number) == static_cast<ssize_t>(sizeof number))
      durable.push_back(number);
    ::close(pipe[0]);

    const auto files = open(); // the lock went with its process
    ASSERT_TRUE(files->may_write());
    const auto scan = files->scan();
    ASSERT_TRUE(scan.damaged.empty());
    ASSERT_GE(scan.blocks.size(), durable.size());
    for (const int one : durable) {
      const Block block = block_of(one, parent, kKilledBytes);
      const auto read = files->read(block.key);
      ASSERT_TRUE(read && same(*read, block)) << "block " << one << " after kill " << kill;
    }
  }
}

} // namespace
} // namespace anyclaude::kv
