#include "kv/block_store.h"
#include "kv/token_lists.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <span>
#include <string>
#include <utility>
#include <vector>

namespace anyclaude::kv {
namespace {

constexpr std::size_t kBlockBytes = 1000; // of every one

/// A store for so many blocks.
class BlockStoreTest : public testing::Test {
 protected:
  static BlockStoreOptions options(std::size_t blocks) {
    return {.memory_bytes = blocks * kBlockBytes, .salt = "salt", .fingerprint = "model"};
  }

  /// Stores all blocks of a prefix; the cells tell which.
  void keep(const std::vector<Token>& tokens, const std::string& tenant = "anna",
            double seconds = 1) {
    for (std::size_t begin = 0; begin < tokens.size(); begin += kBlockTokens) {
      const auto prefix = std::span(tokens).first(std::min(tokens.size(), begin + kBlockTokens));
      std::vector<std::byte> cells(kBlockBytes, static_cast<std::byte>(tokens[begin]));
      store.put(tenant, prefix, std::move(cells), seconds);
      store.check();
    }
  }

  int length(const std::vector<Token>& tokens, const std::string& tenant = "anna") const {
    const auto pieces = store.find(tenant, tokens);
    return pieces.empty() ? 0 : pieces.back().end;
  }

  BlockStore store{options(100)};
};

TEST_F(BlockStoreTest, FindsThePiecesOfAPrefixInOrder) {
  const auto prefix = range(0, 2 * kBlockTokens + 58);
  keep(prefix);
  const auto pieces = store.find("anna", prefix + range(9000, 20));
  ASSERT_EQ(pieces.size(), 3u);
  EXPECT_EQ(pieces[0].begin, 0);
  EXPECT_EQ(pieces[1].begin, 256);
  EXPECT_EQ(pieces[1].end, 512);
  EXPECT_EQ(pieces[2].end, 570);
  EXPECT_EQ(pieces[2].block_end, 570);
  for (const auto& piece : pieces) {
    const BlockPointer block = store.fetch(piece.key).block;
    ASSERT_TRUE(block);
    EXPECT_EQ(block->begin, piece.begin);
    EXPECT_EQ(block->cells.front(), static_cast<std::byte>(prefix[piece.begin]));
    EXPECT_TRUE(std::ranges::equal(block->tokens,
                                   std::span(prefix).subspan(block->begin, block->tokens.size())));
  }
}

TEST_F(BlockStoreTest, AShortBlockTakesNoMoreMemoryThanItsCells) {
  std::vector<std::byte> long_buffer;
  long_buffer.reserve(10 * kBlockBytes);
  long_buffer.resize(kBlockBytes);
  const auto prefix = range(0, 5);
  ASSERT_TRUE(store.put("anna", prefix, std::move(long_buffer), 1));
  const auto fetched = store.fetch(store.find("anna", prefix).front().key);
  ASSERT_TRUE(fetched.block);
  EXPECT_LE(fetched.block->cells.capacity(), kBlockBytes * 5 / 4);
}

TEST_F(BlockStoreTest, ABlockServesAPrefixThatLeavesItInTheMiddle) {
  keep(range(0, kBlockTokens) + range(1000, kBlockTokens));
  const auto other = range(0, kBlockTokens) + range(1000, 100) + range(7000, 300);
  const auto pieces = store.find("anna", other);
  ASSERT_EQ(pieces.size(), 2u);
  EXPECT_EQ(pieces[1].end, 356);
  EXPECT_EQ(pieces[1].block_end, 512);
  EXPECT_FALSE(store.has("anna", other));
  EXPECT_TRUE(store.has("anna", range(0, kBlockTokens) + range(1000, 100)));
  EXPECT_FALSE(store.has("anna", range(0, kBlockTokens) + range(1000, 100) + range(7000, 1)));
}

TEST_F(BlockStoreTest, EqualTokensBehindOthersAreOtherBlocks) {
  keep(range(0, kBlockTokens) + range(5000, kBlockTokens));
  EXPECT_EQ(length(range(1, kBlockTokens) + range(5000, kBlockTokens)), 0);
  keep(range(1, kBlockTokens));
  EXPECT_EQ(length(range(1, kBlockTokens) + range(5000, kBlockTokens)), 256);
}

TEST_F(BlockStoreTest, TenantsFindTheirOwnOnly) {
  keep(range(0, kBlockTokens), "anna");
  EXPECT_EQ(length(range(0, kBlockTokens), "bert"), 0);
  const auto key = [](const char* salt, const char* model, const char* tenant) {
    return root_key(salt, model, tenant);
  };
  EXPECT_NE(key("s", "m", "anna"), key("s", "m", "bert"));
  EXPECT_NE(key("s", "m", "anna"), key("t", "m", "anna"));
  EXPECT_NE(key("s", "m", "anna"), key("s", "n", "anna"));
  EXPECT_NE(key("s", "ma", "nna"), key("s", "m", "anna"));
}

TEST_F(BlockStoreTest, WhatHasNothingInFrontOfItIsNotStored) {
  const auto prefix = range(0, 2 * kBlockTokens);
  EXPECT_FALSE(store.put("anna", prefix, std::vector<std::byte>(kBlockBytes), 1));
  EXPECT_EQ(store.stats().blocks, 0u);
  store.check();
}

TEST_F(BlockStoreTest, ALongerEndTakesTheShorterOnesPlace) {
  keep(range(0, kBlockTokens + 40));
  keep(range(0, kBlockTokens + 90));
  EXPECT_EQ(store.stats().blocks, 2u);
  EXPECT_EQ(length(range(0, kBlockTokens + 200)), 346);
  keep(range(0, 2 * kBlockTokens));
  EXPECT_EQ(store.stats().blocks, 2u);
  keep(range(0, kBlockTokens) + range(4000, 30)); // another end, beside it
  EXPECT_EQ(store.stats().blocks, 3u);
}

TEST_F(BlockStoreTest, GivesUpEndsFirstAndKeepsTheBudget) {
  BlockStore small(options(4));
  const auto put = [&](const std::vector<Token>& tokens) {
    for (std::size_t end = kBlockTokens; end <= tokens.size(); end += kBlockTokens)
      small.put("anna", std::span(tokens).first(end), std::vector<std::byte>(kBlockBytes), 1);
    small.check();
  };
  put(range(0, 3 * kBlockTokens));
  put(range(5000, 2 * kBlockTokens));
  EXPECT_EQ(small.stats().memory_bytes, 4 * kBlockBytes);
  EXPECT_EQ(small.stats().evicted, 1u);
  EXPECT_EQ(small.find("anna", range(0, 3 * kBlockTokens)).size(), 2u);
  EXPECT_EQ(small.find("anna", range(5000, 2 * kBlockTokens)).size(), 2u);
}

TEST_F(BlockStoreTest, WhatManyBeginWithOutlivesWhatWasAskedOnce) {
  BlockStore small(options(6));
  const auto put = [&](const std::vector<Token>& tokens) {
    for (std::size_t end = kBlockTokens; end <= tokens.size(); end += kBlockTokens)
      small.put("anna", std::span(tokens).first(end), std::vector<std::byte>(kBlockBytes), 1);
  };
  const auto shared = range(0, 3 * kBlockTokens);
  put(shared);
  for (int i = 0; i < 8; ++i)
    small.count_hit(small.find("anna", shared), 0, 0);
  for (int i = 1; i < 10; ++i)
    put(range(10'000 * i, 2 * kBlockTokens));
  small.check();
  EXPECT_EQ(small.find("anna", shared).size(), 3u);
  // Not for ever: what nobody wants any more ages.
  for (int i = 10; i < 60; ++i)
    put(range(10'000 * i, 2 * kBlockTokens));
  EXPECT_LT(small.find("anna", shared).size(), 3u);
}

TEST_F(BlockStoreTest, WhatIsHeldStaysValidWhileItIsGivenUp) {
  keep(range(0, kBlockTokens));
  const BlockPointer block =
      store.fetch(store.find("anna", range(0, kBlockTokens)).front().key).block;
  store.forget(block->key);
  EXPECT_EQ(block->cells.size(), kBlockBytes);
  EXPECT_EQ(store.stats().blocks, 0u);
}

TEST_F(BlockStoreTest, ForgettingABlockForgetsAllBehindIt) {
  keep(range(0, 4 * kBlockTokens));
  keep(range(0, 2 * kBlockTokens) + range(3000, kBlockTokens));
  store.forget(store.find("anna", range(0, 4 * kBlockTokens))[1].key);
  store.check();
  EXPECT_EQ(store.stats().blocks, 1u);
  EXPECT_EQ(store.stats().memory_bytes, kBlockBytes);
}

TEST_F(BlockStoreTest, UsesTheMemoryOfWhatItGaveUpAgain) {
  keep(range(0, kBlockTokens));
  EXPECT_EQ(store.buffer().capacity(), 0u);
  store.forget(store.find("anna", range(0, kBlockTokens)).front().key);
  EXPECT_GE(store.buffer().capacity(), kBlockBytes);
}

} // namespace
} // namespace anyclaude::kv
