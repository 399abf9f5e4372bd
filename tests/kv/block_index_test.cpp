// What stands beside the block files: never trusted, never missed for long.
#include "demo/gguf_file.h"
#include "kv/block_index.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <fstream>
#include <random>
#include <string>

namespace anyclaude::kv {
namespace {

namespace fs = std::filesystem;

BlockKey key_of(int number) {
  return root_key("salt", "model", std::to_string(number));
}

std::vector<std::byte> header_of(int number) {
  return std::vector<std::byte>(100, static_cast<std::byte>(number));
}

class BlockIndexTest : public testing::Test {
 protected:
  demo::ScratchFolder scratch;
  fs::path file = scratch / "index.sqlite";
};

TEST_F(BlockIndexTest, KnowsInItsNextLifeWhatItWasTold) {
  {
    BlockIndex index(file, true);
    for (int i = 0; i < 10; ++i)
      index.put(key_of(i), header_of(i), {.hits = 0, .last_used = 5, .is_stable = false});
    EXPECT_TRUE(index.flush());
    index.set_use(key_of(3), {.hits = 7, .last_used = 99, .is_stable = true});
    index.remove(key_of(4));
    index.set_use(key_of(77), {.hits = 1, .last_used = 1, .is_stable = true}); // has no header
    index.set_about({"fingerprint", "a model"});
    index.add({.requests = 1, .asked_tokens = 100, .found_tokens = 90, .saved_seconds = 1.5});
    index.add({.requests = 1, .asked_tokens = 100, .found_tokens = 0, .saved_seconds = 0.25});
  } // whose end writes
  BlockIndex index(file, false);
  const auto rows = index.read();
  EXPECT_EQ(rows.size(), 9u);
  EXPECT_EQ(rows.at(key_of(3)).header, header_of(3));
  EXPECT_EQ(rows.at(key_of(3)).use, (BlockUse{7, 99, true}));
  EXPECT_EQ(rows.at(key_of(5)).use, (BlockUse{0, 5, false}));
  EXPECT_EQ(index.about(), (BlockIndex::About{"fingerprint", "a model"}));
  EXPECT_EQ(index.totals().requests, 2u);
  EXPECT_EQ(index.totals().asked_tokens, 200u);
  EXPECT_EQ(index.totals().found_tokens, 90u);
  EXPECT_DOUBLE_EQ(index.totals().saved_seconds, 1.75);
  struct stat status{};
  ASSERT_EQ(::stat(file.c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0777, 0600u);
}

TEST_F(BlockIndexTest, ABlockThatComesAgainIsThere) {
  BlockIndex index(file, true);
  index.put(key_of(1), header_of(1), {});
  index.remove(key_of(1));
  index.put(key_of(1), header_of(2), {});
  EXPECT_TRUE(index.flush());
  EXPECT_EQ(index.read().at(key_of(1)).header, header_of(2));
  index.remove(key_of(1));
  EXPECT_TRUE(index.flush());
  EXPECT_TRUE(index.read().empty());
}

TEST_F(BlockIndexTest, AReaderWritesNothing) {
  {
    BlockIndex index(file, false);
    index.put(key_of(1), header_of(1), {});
    index.add({.requests = 1});
    EXPECT_FALSE(index.flush());
    EXPECT_TRUE(index.read().empty());
  }
  EXPECT_FALSE(fs::exists(file));
  BlockIndex writer(file, true);
  writer.put(key_of(1), header_of(1), {});
  EXPECT_TRUE(writer.flush());
  BlockIndex reader(file, false); // beside it
  EXPECT_EQ(reader.read().size(), 1u);
}

TEST_F(BlockIndexTest, BeginsAnewWhereItsFileWasRemovedOrIsOfAnotherVersion) {
  BlockIndex index(file, true);
  index.put(key_of(1), header_of(1), {});
  ASSERT_TRUE(index.flush());
  fs::remove(file);
  index.put(key_of(2), header_of(2), {});
  EXPECT_TRUE(index.flush());
  EXPECT_EQ(index.read().size(), 1u);
  EXPECT_TRUE(index.read().contains(key_of(2)));

  const fs::path other = scratch / "other.sqlite";
  {
    auto made = database::Connection::open(other);
    ASSERT_TRUE(made);
    ASSERT_TRUE(made->run("CREATE TABLE blocks(a); PRAGMA user_version = 9;"));
  }
  BlockIndex later(other, true);
  later.put(key_of(1), header_of(1), {});
  EXPECT_TRUE(later.flush());
  EXPECT_EQ(later.read().size(), 1u);
}

/// Its header names a version that SQLite may read only.
TEST_F(BlockIndexTest, AFileThatForbidsWritingIsMadeAnew) {
  constexpr int kWriteVersion = 18; // https://www.sqlite.org/fileformat2.html, the header
  {
    BlockIndex index(file, true);
    index.put(key_of(1), header_of(1), {});
    ASSERT_TRUE(index.flush());
  }
  {
    std::fstream bytes(file, std::ios::in | std::ios::out | std::ios::binary);
    bytes.seekp(kWriteVersion).put(3);
  }
  BlockIndex index(file, true);
  index.put(key_of(2), header_of(2), {});
  EXPECT_TRUE(index.flush() || index.flush());
  EXPECT_TRUE(index.read().contains(key_of(2)));
}

TEST_F(BlockIndexTest, WhateverIsInTheFileIsHarmless) {
  constexpr int kRounds = 300;
  std::mt19937 random(7);
  std::string sound;
  {
    BlockIndex index(file, true);
    for (int i = 0; i < 200; ++i)
      index.put(key_of(i), header_of(i), {.hits = 1, .last_used = i, .is_stable = true});
    ASSERT_TRUE(index.flush());
    std::ifstream in(file, std::ios::binary);
    sound.assign(std::istreambuf_iterator<char>(in), {});
  }
  ASSERT_GT(sound.size(), 10'000u);
  for (int round = 0; round < kRounds; ++round) {
    std::string bytes = sound;
    if (round % 3 == 0)
      bytes.resize(random() % bytes.size());
    else
      for (int i = 0; i < 1 + round % 40; ++i)
        bytes[round % 3 == 1 ? random() % bytes.size() : random() % 4096] =
            static_cast<char>(random());
    std::ofstream(file, std::ios::binary | std::ios::trunc) << bytes;
    BlockIndex index(file, true);
    index.read();
    index.about();
    index.totals();
    index.put(key_of(1000), header_of(1), {});
    // It may take two attempts: one finds out, the next begins anew.
    EXPECT_TRUE(index.flush() || index.flush()) << "round " << round;
    index.read();
  }
}

} // namespace
} // namespace anyclaude::kv
