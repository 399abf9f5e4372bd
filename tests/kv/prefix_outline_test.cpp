#include "kv/block_store.h"
#include "kv/cell_model.h"
#include "kv/prefix_outline.h"
#include "kv/prefix_tree.h"
#include "kv/token_lists.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <algorithm>
#include <map>
#include <string>
#include <vector>

namespace anyclaude::kv {
namespace {

using testing::ElementsAre;

using Part = PrefixOutline::Part;
using Stretch = PrefixOutline::Stretch;

constexpr std::size_t kAll = 1000;

TEST(PrefixOutline, StretchesAreWhatTheSamePrefixesGoThrough) {
  PrefixOutlineBuilder builder;
  const auto system = range(0, 100);
  const auto one = system + range(500, 10);
  const auto two = system + range(600, 30);
  for (const auto* tokens : {&one, &two})
    builder.add(builder.root("a"), *tokens, {.tier = Tier::pool});
  const PrefixOutline outline = builder.finish(kAll);
  ASSERT_EQ(outline.stretches.size(), 3U);
  EXPECT_EQ(outline.stretches[0].tokens, 100);
  EXPECT_EQ(outline.stretches[0].prefixes, 2);
  EXPECT_EQ(outline.stretches[0].parent, -1);
  EXPECT_EQ(outline.stretches[1].tokens, 30) << "the larger one first";
  EXPECT_EQ(outline.stretches[2].tokens, 10);
  for (const std::size_t behind : {1U, 2U}) {
    EXPECT_EQ(outline.stretches[behind].parent, 0);
    EXPECT_EQ(outline.stretches[behind].begin, 100);
    EXPECT_EQ(outline.stretches[behind].prefixes, 1);
  }
}

TEST(PrefixOutline, TheFastestTierCounts) {
  PrefixOutlineBuilder builder;
  const auto tokens = range(0, 100);
  auto* const root = builder.root("a");
  builder.add(root, tokens, {.is_asked_for = true});
  builder.add(root, std::span(tokens).first(40), {.tier = Tier::pool});
  builder.add(root, std::span(tokens).first(60), {.tier = Tier::memory, .is_on_disk = true});
  builder.add(root, std::span(tokens).first(75), {.tier = Tier::disk, .is_on_disk = true});
  const PrefixOutline outline = builder.finish(kAll);
  ASSERT_EQ(outline.stretches.size(), 1U);
  EXPECT_THAT(outline.stretches[0].parts, ElementsAre(Part{40, Tier::pool}, Part{20, Tier::memory},
                                                      Part{15, Tier::disk}, Part{25, Tier::none}));
  EXPECT_EQ(outline.stretches[0].disk_tokens, 75);
  EXPECT_EQ(outline.stretches[0].requests, 1);
}

TEST(PrefixOutline, WhoGoesOnBehindAnothersEndFindsItThere) {
  PrefixOutlineBuilder builder;
  const auto tokens = range(0, 90);
  const auto shown = std::span(tokens);
  auto* const end = builder.add(builder.root("a"), shown.first(60), {.tier = Tier::pool});
  builder.add(builder.root("a"), shown.first(20), {.tier = Tier::disk}); // divides it
  builder.add(end, shown.subspan(60), {.tier = Tier::memory});
  const PrefixOutline outline = builder.finish(kAll);
  ASSERT_EQ(outline.stretches.size(), 1U);
  EXPECT_THAT(outline.stretches[0].parts,
              ElementsAre(Part{60, Tier::pool}, Part{30, Tier::memory}));
}

TEST(PrefixOutline, ConversationsAreThoseThatGoThrough) {
  PrefixOutlineBuilder builder;
  const auto system = range(0, 100);
  const auto one = system + range(500, 10);
  const auto two = system + range(600, 30);
  auto* const root = builder.root("a");
  builder.add(root, one, {.tier = Tier::pool});
  builder.add(root, two, {.tier = Tier::pool});
  builder.note(root, one, {.conversation = builder.conversation("first"), .last_used = 7});
  builder.note(root, two, {.conversation = builder.conversation("second"), .last_used = 9});
  builder.note(root, range(0, 80), {.is_stable = true});
  builder.note(root, one + range(9000, 50), {.conversation = builder.conversation("first")});
  builder.note(root, range(8000, 50), {.conversation = builder.conversation("gone")});
  const PrefixOutline outline = builder.finish(kAll);
  EXPECT_THAT(outline.conversations, ElementsAre("first", "second", "gone"));
  ASSERT_EQ(outline.stretches.size(), 4U) << "what there is not is not added";
  EXPECT_TRUE(outline.stretches[0].is_stable);
  EXPECT_EQ(outline.stretches[0].tokens, 80);
  EXPECT_EQ(outline.stretches[0].last_used, 9);
  EXPECT_FALSE(outline.stretches[1].is_stable);
  EXPECT_EQ(outline.stretches[1].tokens, 20);
  EXPECT_THAT(outline.stretches[1].conversations, ElementsAre(0, 1));
  EXPECT_THAT(outline.stretches[2].conversations, ElementsAre(1));
  EXPECT_THAT(outline.stretches[3].conversations, ElementsAre(0));
}

TEST(PrefixOutline, TenantsHaveTreesOfTheirOwn) {
  PrefixOutlineBuilder builder;
  const auto tokens = range(0, 100);
  builder.add(builder.root("a"), tokens, {.tier = Tier::pool});
  builder.add(builder.root("b"), tokens, {.tier = Tier::disk});
  const PrefixOutline outline = builder.finish(kAll);
  ASSERT_EQ(outline.stretches.size(), 2U);
  EXPECT_EQ(outline.stretches[1].parent, -1);
}

TEST(PrefixOutline, WhatIsAskedForAndInThePoolIsListedFirst) {
  PrefixOutlineBuilder builder;
  auto* const root = builder.root("a");
  const auto large = range(0, 900);
  const auto in_pool = range(2000, 50);
  const auto asked = range(3000, 20);
  const auto shared = range(5000, 300);
  const auto left = shared + range(6000, 10);
  const auto right = shared + range(7000, 20);
  builder.add(root, large, {.tier = Tier::disk});
  builder.add(root, in_pool, {.tier = Tier::pool});
  builder.add(root, asked, {.is_asked_for = true});
  builder.add(root, left, {.tier = Tier::disk});
  builder.add(root, right, {.tier = Tier::disk});
  const auto sizes = [&builder](std::size_t most) {
    std::vector<int> tokens;
    for (const Stretch& stretch : builder.finish(most).stretches)
      tokens.push_back(stretch.tokens);
    return tokens;
  };
  EXPECT_THAT(sizes(1), ElementsAre(20));
  EXPECT_THAT(sizes(2), ElementsAre(50, 20));
  EXPECT_THAT(sizes(5), ElementsAre(900, 300, 20, 50, 20));
  const PrefixOutline outline = builder.finish(5);
  EXPECT_EQ(outline.stretches[1].left_out, 1);
  EXPECT_EQ(outline.left_out, 0);
  EXPECT_EQ(builder.finish(2).left_out, 3);
}

TEST(PrefixOutline, TreeAndStoreAreOneWhereTheirTokensAre) {
  CellModel memory;
  PrefixTree tree(memory, 1000, 8);
  BlockStore store({.block_tokens = 16, .memory_bytes = 1U << 20, .salt = {}, .fingerprint = {}});
  const auto tokens = range(0, 100);
  const auto lease = tree.begin("anna", tokens, 99);
  memory.compute(lease->sequence, tokens);
  tree.extend(lease->sequence, tokens);
  const auto gone = range(0, 32) + range(500, 16);
  for (const auto* stored : {&tokens, &gone})
    for (std::size_t end = 16; end <= stored->size(); end += 16)
      store.put("anna", std::span(*stored).first(end), std::vector<std::byte>(10), 1);

  PrefixOutlineBuilder builder;
  tree.show(builder);
  store.show(builder);
  const PrefixOutline outline = builder.finish(kAll);
  ASSERT_EQ(outline.stretches.size(), 3U);
  EXPECT_THAT(outline.stretches[0].parts, ElementsAre(Part{32, Tier::pool}));
  EXPECT_THAT(outline.stretches[1].parts, ElementsAre(Part{68, Tier::pool}));
  EXPECT_THAT(outline.stretches[2].parts, ElementsAre(Part{16, Tier::memory}));

  PrefixOutlineBuilder alone; // as behind a restart
  store.show(alone);
  EXPECT_EQ(alone.finish(kAll).stretches.front().tokens, 32);
}

/// Against a map from every prefix to what is known of it.
RC_GTEST_PROP(PrefixOutlineProperty, SaysOfEveryTokenWhatIsKnownOfIt, ()) {
  struct Known {
    Tier tier = Tier::none;
    int requests = 0;
  };
  const auto paths = *rc::gen::container<std::vector<std::vector<Token>>>(
      rc::gen::container<std::vector<Token>>(rc::gen::inRange<Token>(0, 3)));
  PrefixOutlineBuilder builder;
  std::map<std::vector<Token>, Known> known;
  for (const auto& path : paths) {
    const auto tier = *rc::gen::element(Tier::none, Tier::disk, Tier::memory, Tier::pool);
    const bool asked = *rc::gen::arbitrary<bool>();
    builder.add(builder.root("a"), path, {.tier = tier, .is_asked_for = asked});
    for (std::size_t i = 1; i <= path.size(); ++i) {
      Known& one = known[{path.begin(), path.begin() + static_cast<long>(i)}];
      one.tier = std::max(one.tier, tier);
      one.requests += asked ? 1 : 0;
    }
  }
  const PrefixOutline outline = builder.finish(kAll);
  std::map<Tier, int> tokens;
  std::map<Tier, int> expected;
  int requests = 0;
  int expected_requests = 0;
  for (const auto& [prefix, one] : known) {
    ++expected[one.tier];
    expected_requests += one.requests;
  }
  for (std::size_t i = 0; i < outline.stretches.size(); ++i) {
    const Stretch& stretch = outline.stretches[i];
    RC_ASSERT(stretch.parent < static_cast<int>(i));
    const int front = stretch.parent < 0
                          ? 0
                          : outline.stretches[static_cast<std::size_t>(stretch.parent)].begin +
                                outline.stretches[static_cast<std::size_t>(stretch.parent)].tokens;
    RC_ASSERT(stretch.begin == front);
    int sum = 0;
    for (const Part& part : stretch.parts) {
      tokens[part.tier] += part.tokens;
      sum += part.tokens;
    }
    RC_ASSERT(sum == stretch.tokens);
    requests += stretch.requests * stretch.tokens;
  }
  RC_ASSERT(tokens == expected);
  RC_ASSERT(requests == expected_requests);
}

} // namespace
} // namespace anyclaude::kv
