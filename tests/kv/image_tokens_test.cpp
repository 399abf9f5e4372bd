// Tokens that stand for images: told apart by content, whole everywhere, with positions of their
// own.
#include "kv/block_store.h"
#include "kv/cell_model.h"
#include "kv/image_tokens.h"
#include "kv/prefix_tree.h"
#include "kv/token_lists.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <algorithm>
#include <set>

namespace anyclaude::kv {
namespace {

std::vector<Token> image(std::uint8_t content, int count, int positions) {
  ImageHash hash{};
  hash.front() = content;
  return image_tokens(hash, count, positions);
}

TEST(ImageTokens, SayWhereTheImageBeginsAndEndsAndWhatItTakes) {
  for (const auto& [count, positions] : {std::pair{1, 1}, {2, 2}, {2, 65535}, {300, 20}}) {
    const auto tokens = range(5, 3) + image(1, count, positions) + image(2, 4, 4) + range(9, 2);
    EXPECT_TRUE(begins_image(tokens[3]));
    EXPECT_EQ(image_end(tokens, 3), 3u + static_cast<unsigned>(count));
    EXPECT_EQ(image_positions(tokens, 3), positions);
    EXPECT_TRUE(begins_image(tokens[image_end(tokens, 3)]));
    EXPECT_EQ(std::ranges::count_if(tokens, is_image), count + 4);
    for (std::size_t i = 4; i < 3u + static_cast<unsigned>(count); ++i)
      EXPECT_EQ(whole_images(tokens, i), 3u);
    EXPECT_EQ(whole_images(tokens, 3), 3u);
    EXPECT_EQ(whole_images(tokens, tokens.size()), tokens.size());
  }
}

TEST(ImageTokens, DifferFromTheFirstOnWithTheContent) {
  std::set<Token> first;
  for (int content = 0; content < 256; ++content)
    first.insert(image(static_cast<std::uint8_t>(content), 3, 3).front());
  EXPECT_EQ(first.size(), 256u);
  EXPECT_EQ(image(7, 20, 5), image(7, 20, 5));
}

/// Texts with images between words; few of each, so that they often begin alike.
rc::Gen<std::vector<Token>> any_text() {
  return rc::gen::map(
      rc::gen::container<std::vector<int>>(rc::gen::inRange(0, 12)),
      [](const std::vector<int>& parts) {
        std::vector<Token> tokens;
        for (const int part : parts)
          tokens = tokens + (part < 4 ? image(static_cast<std::uint8_t>(part), 5 + 9 * part, 4)
                                      : range(10 * part, part % 3 + 1));
        return tokens;
      });
}

RC_GTEST_PROP(ImageBlocks, StandEndToEndAndSplitNoImage, ()) {
  const auto tokens = *any_text();
  for (std::size_t begin = 0; begin < tokens.size();) {
    const std::size_t end = std::min(tokens.size(), block_end(tokens, begin, 8));
    RC_ASSERT(end == tokens.size() || end >= begin + 8);
    RC_ASSERT(whole_images(tokens, end) == end);
    for (std::size_t place = begin; place < end; ++place)
      RC_ASSERT(block_begin(tokens, place, 8) == begin);
    begin = end;
  }
}

RC_GTEST_PROP(ImageBlocks, AreFoundAsFarAsTwoTextsAreAlikeInWholeImages, ()) {
  BlockStore store({.block_tokens = 8, .memory_bytes = 1U << 20, .salt = {}, .fingerprint = {}});
  const auto kept = *any_text();
  const auto wanted = *any_text();
  for (std::size_t begin = 0; begin < kept.size();) {
    const std::size_t end = std::min(kept.size(), block_end(kept, begin, 8));
    const auto prefix = std::span(kept).first(end);
    RC_ASSERT(store.put("anna", prefix, std::vector<std::byte>(end - begin), 1));
    RC_ASSERT(store.has("anna", prefix));
    begin = end;
  }
  store.check();
  const auto alike =
      static_cast<std::size_t>(std::ranges::mismatch(kept, wanted).in1 - kept.begin());
  const std::size_t whole = whole_images(kept, whole_images(wanted, alike));
  const auto pieces = store.find("anna", wanted);
  RC_ASSERT((pieces.empty() ? 0 : static_cast<std::size_t>(pieces.back().end)) == whole);
}

RC_GTEST_PROP(ImagePrefixes, BeginAndEndBesideImages, ()) {
  CellModel memory;
  PrefixTree tree(memory, 400, 4);
  for (int step = 0; step < 12; ++step) {
    const auto tokens = *any_text();
    if (tokens.size() > 300 || tokens.empty())
      continue;
    const int limit = static_cast<int>(tokens.size()) - 1;
    const auto lease = tree.begin("anna", tokens, limit);
    RC_ASSERT(lease.has_value());
    RC_ASSERT(std::cmp_equal(whole_images(tokens, static_cast<std::size_t>(lease->reused)),
                             lease->reused));
    const auto rest = std::span(tokens).subspan(static_cast<std::size_t>(lease->reused));
    RC_ASSERT(tree.reserve(rest.size()));
    memory.compute(lease->sequence, rest);
    tree.extend(lease->sequence, rest);
    RC_ASSERT(memory.holds(lease->sequence, tokens));
    tree.finish(lease->sequence);
    tree.check();
    tree.reserve(static_cast<std::size_t>(*rc::gen::inRange(0, 300)));
    tree.check();
    for (const SequenceId sequence : tree.idle_sequences()) {
      const auto idle = tree.idle(sequence).tokens; // what was cut, was cut beside an image
      for (std::size_t at = 0; at < idle.size(); ++at) {
        if (!begins_image(idle[at]))
          continue;
        const auto count = image_end(idle, at) - at;
        RC_ASSERT(count == 5 || count == 14 || count == 23 || count == 32);
      }
    }
  }
}

} // namespace
} // namespace anyclaude::kv
