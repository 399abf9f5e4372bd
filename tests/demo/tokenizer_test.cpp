#include "demo/bpe.h"
#include "demo/byte_level.h"
#include "demo/held_out_prompt.h"
#include "demo/vocabulary.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>

namespace anyclaude::demo {
namespace {

using testing::ElementsAre;

TEST(SplitWords, FollowsThePreTokenizer) {
  EXPECT_THAT(split_words("it's we'LL can't 'x"),
              ElementsAre("it", "'s", " we", "'LL", " can", "'t", " '", "x"));
  EXPECT_THAT(split_words("a_b(c) 3.14 x"),
              ElementsAre("a", "_b", "(c", ")", " ", "3", ".", "1", "4", " x"));
  EXPECT_THAT(split_words("{\n  \"type\": \"a\",\n\n}"),
              ElementsAre("{\n", " ", " \"", "type", "\":", " \"", "a", "\",\n\n", "}"));
  EXPECT_THAT(split_words("end  \n   \n    next  "),
              ElementsAre("end", "  \n   \n", "   ", " next", "  "));
  EXPECT_THAT(split_words("\tx \t y"), ElementsAre("\tx", " \t", " y"));
}

TEST(ByteLevel, SpellsEveryByteAsACharacterOfItsOwn) {
  std::set<std::string> characters;
  for (unsigned byte = 0; byte < 256; ++byte)
    characters.insert(byte_character(static_cast<std::uint8_t>(byte)));
  EXPECT_EQ(characters.size(), 256U);
  // As every byte-level vocabulary has it: U+0120 for a blank, U+010A for a line end.
  EXPECT_EQ(to_byte_level(" a\n"), "\u0120a\u010A");
}

TEST(Bpe, MergesTheMostFrequentPairFirst) {
  const Bpe bpe = Bpe::train({{"aab", 10}, {"ab", 5}, {"cd", 3}, {"xy", 1}}, 1000);
  ASSERT_EQ(bpe.merges().size(), 3U); // "xy" occurs once and is left alone
  EXPECT_EQ(bpe.token(256), "ab");    // 15 times
  EXPECT_EQ(bpe.token(257), "aab");   // 10 times, after the first merge
  EXPECT_EQ(bpe.token(258), "cd");
  EXPECT_THAT(bpe.encode("aab"), ElementsAre(257U));
  EXPECT_THAT(bpe.encode("abx"), ElementsAre(256U, Bpe::Id{'x'}));
}

TEST(Vocabulary, HasUniqueTextsAndMergesThatItCanMake) {
  const auto vocabulary = make_vocabulary(nullptr, 0);
  ASSERT_TRUE(vocabulary);
  const std::set<std::string> texts(vocabulary->texts.begin(), vocabulary->texts.end());
  EXPECT_EQ(texts.size(), vocabulary->size()); // libllama refuses to load a text twice
  EXPECT_GE(vocabulary->size(), kTrainedTokens);
  for (const std::string& merge : vocabulary->merges) {
    const std::size_t gap = merge.find(' ');
    ASSERT_NE(gap, std::string::npos);
    EXPECT_TRUE(texts.contains(merge.substr(0, gap))) << merge;
    EXPECT_TRUE(texts.contains(merge.substr(gap + 1))) << merge;
    EXPECT_TRUE(texts.contains(merge.substr(0, gap) + merge.substr(gap + 1))) << merge;
  }
}

TEST(Vocabulary, PadsWithUnusedTokens) {
  const auto vocabulary = make_vocabulary(nullptr, 20'000);
  ASSERT_TRUE(vocabulary);
  EXPECT_EQ(vocabulary->size(), 20'000U);
  EXPECT_EQ(vocabulary->types.back(), TokenType::unused);
}

TEST(Bpe, CutsAnUnseenPromptLikeARealTokenizer) {
  const Bpe bpe = Bpe::train(training_counts(), kTrainedTokens);
  EXPECT_EQ(bpe.size(), kTrainedTokens);
  const double per_token = static_cast<double>(kHeldOutPrompt.size()) /
                           static_cast<double>(bpe.encode(kHeldOutPrompt).size());
  EXPECT_GT(per_token, 3.3) << "50 KB of prompt would be more than 15K tokens";
  EXPECT_LT(per_token, 4.2) << "50 KB of prompt would be less than 12K tokens";
}

} // namespace
} // namespace anyclaude::demo
