// Prefixes in one file for other machines: what goes in, what is refused, and that damage harms
// nothing.
#include "demo/gguf_file.h"
#include "kv/disk_store.h"
#include "kv/pack.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <fstream>
#include <random>
#include <string>

namespace anyclaude::kv {
namespace {

namespace fs = std::filesystem;

const SigningKey kKey{1, 2, 3};

class PackTest : public testing::Test {
 protected:
  /// A store with a prefix of which two blocks and a half are tools and system text.
  PackTest() {
    const auto store = open(here);
    keep(*store, prefix);
    store->pin("anna", std::span(prefix).first(2 * kBlock + kBlock / 2));
  }

  static std::unique_ptr<BlockStore> open(const fs::path& root) {
    auto files = BlockFiles::open(root, "model 1", "the model");
    EXPECT_TRUE(files) << files.error();
    return std::make_unique<BlockStore>(
        BlockStoreOptions{.block_tokens = kBlock,
                          .memory_bytes = 100 * kBytes,
                          .disk_bytes = 1U << 20,
                          .salt = {},
                          .fingerprint = "model 1"},
        std::make_unique<DiskTier>(std::move(*files), DiskTierOptions{}));
  }

  static void keep(BlockStore& store, const std::vector<Token>& tokens) {
    for (std::size_t end = kBlock; end <= tokens.size(); end += kBlock)
      store.put("anna", std::span(tokens).first(end),
                std::vector<std::byte>(kBytes, static_cast<std::byte>(tokens[end - 1])), 1);
  }

  static ModelBlocks model_in(const fs::path& root) {
    const auto models = read_models(root);
    EXPECT_EQ(models.size(), 1u);
    return models.front();
  }

  PackRead add(const fs::path& root) const {
    const auto manifest = read_manifest(pack);
    EXPECT_TRUE(manifest) << manifest.error();
    const auto files = BlockFiles::open(root, manifest->fingerprint, "the model");
    EXPECT_TRUE(files);
    return add_pack(pack, *manifest, **files, "bert");
  }

  demo::ScratchFolder scratch;
  fs::path here = scratch / "here";
  fs::path there = scratch / "there";
  fs::path pack = scratch / "prefix.pack";
  std::vector<Token> prefix = range(0, 5 * kBlock);
};

TEST_F(PackTest, TakesToolsAndSystemTextToAnotherStoreAndTenant) {
  const auto written = write_pack(pack, model_in(here), false, kKey);
  ASSERT_TRUE(written) << written.error();
  EXPECT_EQ(written->blocks, 2u);
  EXPECT_EQ(written->bytes, fs::file_size(pack));
  const auto manifest = read_manifest(pack);
  ASSERT_TRUE(manifest) << manifest.error();
  EXPECT_EQ(manifest->fingerprint, "model 1");
  EXPECT_EQ(manifest->model, "the model");
  EXPECT_EQ(manifest->signer, public_key(kKey));

  const PackRead read = add(there);
  EXPECT_EQ(read.problem, "");
  EXPECT_EQ(read.added, 2u);
  const auto store = open(there);
  store->check();
  EXPECT_TRUE(store->find("anna", prefix).empty()); // the maker's tenant is nobody here
  const auto pieces = store->find("bert", prefix);
  ASSERT_EQ(pieces.size(), 2u);
  EXPECT_EQ(pieces.back().end, 2 * kBlock);
  EXPECT_EQ(store->stats().pinned_bytes, store->stats().disk_bytes);
  const auto files = BlockFiles::open(there, "model 1");
  const auto block = (*files)->read(pieces[1].key);
  ASSERT_TRUE(block);
  EXPECT_EQ(block->cells, std::vector<std::byte>(kBytes, static_cast<std::byte>(2 * kBlock - 1)));
  EXPECT_EQ(add(there).known, 2u);
  EXPECT_EQ(add(there).added, 0u);
}

TEST_F(PackTest, ConversationsOnlyWhenAskedFor) {
  const auto written = write_pack(pack, model_in(here), true, kKey);
  ASSERT_TRUE(written);
  EXPECT_EQ(written->blocks, 5u);
  EXPECT_EQ(add(there).added, 5u);
  EXPECT_EQ(open(there)->find("bert", prefix).back().end, 5 * kBlock);
}

TEST_F(PackTest, ADamagedBlockIsNotExported) {
  const ModelBlocks model = model_in(here);
  const auto& file = model.blocks.begin()->second.file;
  std::fstream(file, std::ios::in | std::ios::out).seekp(-5, std::ios::end) << 'x';
  const auto written = write_pack(pack, model, true, kKey);
  ASSERT_FALSE(written);
  EXPECT_TRUE(written.error().starts_with(file.native())) << written.error();
  EXPECT_FALSE(fs::exists(pack));
  EXPECT_FALSE(fs::exists(pack.native() + ".partial"));
}

TEST_F(PackTest, WhatHasNothingInFrontOfItIsNotExported) {
  for (const auto& [key, block] : model_in(here).blocks)
    if (block.header.begin == kBlock)
      fs::remove(block.file);
  const auto written = write_pack(pack, model_in(here), true, kKey);
  ASSERT_TRUE(written);
  EXPECT_EQ(written->blocks, 1u);
  const PackRead read = add(there);
  EXPECT_EQ(read.added, 1u);
  EXPECT_EQ(read.problem, "");
}

TEST_F(PackTest, WhatIsSignedCannotBeChangedAndWhatIsCutOffAddsWhatIsWhole) {
  ASSERT_TRUE(write_pack(pack, model_in(here), true, kKey));
  std::ifstream in(pack, std::ios::binary);
  const std::string sound(std::istreambuf_iterator<char>(in), {});
  const auto manifest = read_manifest(pack);
  ASSERT_TRUE(manifest);
  std::mt19937 random(3);
  int refused = 0;
  for (int round = 0; round < 400; ++round) {
    std::string bytes = sound;
    const bool cut = round % 2 == 0;
    if (cut)
      bytes.resize(random() % bytes.size());
    else
      bytes[random() % bytes.size()] ^= static_cast<char>(1 << random() % 8);
    std::ofstream(pack, std::ios::binary | std::ios::trunc) << bytes;
    fs::remove_all(there);
    const auto read = read_manifest(pack);
    if (!read) {
      EXPECT_TRUE(read.error().starts_with(pack.native()));
      ++refused;
      continue;
    }
    const PackRead added = add(there);
    EXPECT_NE(added.problem, "") << "round " << round;
    EXPECT_LT(added.added, 5u);
    const auto store = open(there);
    store->check();
    EXPECT_EQ(store->stats().disk_blocks, added.added); // all of them sound, and connected
    EXPECT_EQ(store->stats().damaged, 0u);
  }
  EXPECT_GT(refused, 20);
  EXPECT_LT(refused, 380);
}

TEST_F(PackTest, AKeyIsReadAgain) {
  const PublicKey key = public_key(kKey);
  EXPECT_EQ(parse_public_key(to_text(key)), key);
  for (const char* wrong : {"", "anyclaude-key-", "anyclaude-key-00", "ssh-ed25519 AAAA"})
    EXPECT_FALSE(parse_public_key(wrong)) << wrong;
  EXPECT_FALSE(parse_public_key(to_text(key).replace(20, 1, "g")));
}

TEST_F(PackTest, PruningRemovesEndsAndWhatIsPinnedLast) {
  const std::uint64_t all = model_in(here).bytes();
  EXPECT_EQ(prune(read_models(here), {.bytes = all, .unused_since = {}}).blocks, 0u);
  const Pruned pruned = prune(read_models(here), {.bytes = all / 2, .unused_since = {}});
  EXPECT_EQ(pruned.blocks, 3u);
  const auto store = open(here);
  EXPECT_EQ(store->find("anna", prefix).back().end, 2 * kBlock);
  EXPECT_EQ(prune(read_models(here), {.bytes = {}, .unused_since = 1}).blocks, 0u);
  EXPECT_EQ(prune(read_models(here), {.bytes = {}, .unused_since = std::int64_t{1} << 60}).blocks,
            2u);
}

} // namespace
} // namespace anyclaude::kv
