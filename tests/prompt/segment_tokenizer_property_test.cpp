#include "prompt/segment_tokenizer.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <string>
#include <vector>

namespace anyclaude::prompt {
namespace {

constexpr std::int32_t kTurn = 1000;
constexpr std::int32_t kGreedy = 1001; // swallows the blanks before it
constexpr std::int32_t kPair = 2000;   // and the letter: a letter that stands twice

/// Merges letters that stand twice in a row, so that a cut in a wrong place shows.
std::vector<std::int32_t> tokenize(std::string_view text, bool parse_special) {
  std::vector<std::int32_t> tokens;
  for (std::size_t i = 0; i < text.size();) {
    const std::string_view rest = text.substr(i);
    if (parse_special && rest.starts_with("<turn>")) {
      tokens.push_back(kTurn);
      i += 6;
    } else if (parse_special && rest.starts_with("<greedy>")) {
      while (!tokens.empty() && (tokens.back() == ' ' || tokens.back() == kPair + ' '))
        tokens.pop_back();
      tokens.push_back(kGreedy);
      i += 8;
    } else if (rest.size() > 1 && rest[0] == rest[1]) {
      tokens.push_back(kPair + rest[0]);
      i += 2;
    } else {
      tokens.push_back(rest[0]);
      ++i;
    }
  }
  return tokens;
}

Tokenizer merging_tokenizer(int* calls = nullptr) {
  Tokenizer tokenizer;
  tokenizer.control_texts = {"<turn>", "<greedy>"};
  tokenizer.tokenize = [calls](std::string_view text, bool parse_special) {
    if (calls)
      ++*calls;
    return tokenize(text, parse_special);
  };
  return tokenizer;
}

std::vector<std::int32_t> without_memory(std::string_view rendered) {
  std::vector<std::int32_t> tokens;
  for (const std::string_view part : ControlText::split(rendered))
    tokens.append_range(tokenize(part, true));
  return tokens;
}

rc::Gen<std::string> rendered_text() {
  const auto piece = rc::gen::element<std::string>("a", "aa", " ", "  ", "b", "<turn>", "<greedy>",
                                                   "<tu", "\xEF\xB7\x90", "aaa", ">");
  return rc::gen::map(rc::gen::container<std::vector<std::string>>(piece), [](const auto& pieces) {
    std::string text;
    for (const std::string& each : pieces)
      text += each;
    return text;
  });
}

RC_GTEST_PROP(SegmentTokenizerProperty, GivesTheTokensOfTheWholeText, ()) {
  SegmentTokenizer tokenizer(merging_tokenizer(), 2000);
  const auto texts = *rc::gen::container<std::vector<std::string>>(rendered_text());
  for (const std::string& text : texts) {
    RC_ASSERT(tokenizer.tokenize(text) == without_memory(text));
    RC_ASSERT(tokenizer.tokenize(text) == without_memory(text));
  }
}

TEST(SegmentTokenizer, ShortTextsCountWithWhatHoldsThem) {
  constexpr std::size_t kCapacity = 10'000;
  int calls = 0;
  SegmentTokenizer tokenizer(merging_tokenizer(&calls), kCapacity);
  const auto nth = [](int n) { return "<turn>" + std::to_string(n); };
  for (int n = 0; n < 1000; ++n)
    tokenizer.tokenize(nth(n));
  EXPECT_LE(tokenizer.bytes(), kCapacity);
  EXPECT_GT(tokenizer.bytes(), kCapacity / 2);
  calls = 0;
  int recalled = 0;
  for (int n = 999; n >= 0 && calls == 0; --n, ++recalled)
    tokenizer.tokenize(nth(n));
  EXPECT_GT(recalled, 10);
  EXPECT_LT(recalled, 60) << "each takes a few hundred bytes, not ten";
}

TEST(SegmentTokenizer, TokenizesWhatIsNewAndNothingElse) {
  int calls = 0;
  SegmentTokenizer tokenizer(merging_tokenizer(&calls));
  tokenizer.tokenize("<turn>system<turn>question");
  calls = 0;
  tokenizer.tokenize("<turn>system<turn>question");
  EXPECT_EQ(calls, 0);
  tokenizer.tokenize("<turn>system<turn>question<turn>answer");
  EXPECT_EQ(calls, 1);
}

TEST(SegmentTokenizer, ForgetsWhatWasNotUsedForLongest) {
  int calls = 0;
  SegmentTokenizer tokenizer(merging_tokenizer(&calls), 800);
  tokenizer.tokenize("<turn>one");
  tokenizer.tokenize("<turn>two");
  tokenizer.tokenize("<turn>one");
  tokenizer.tokenize("<turn>" + std::string("three, a long one"));
  calls = 0;
  tokenizer.tokenize("<turn>two");
  EXPECT_EQ(calls, 1);
}

TEST(SegmentTokenizer, WhatIsFarTooLongIsNotTokenizedToItsEnd) {
  std::size_t bytes = 0;
  Tokenizer counting = merging_tokenizer();
  counting.tokenize = [&bytes](std::string_view text, bool parse_special) {
    bytes += text.size();
    return tokenize(text, parse_special);
  };
  SegmentTokenizer tokenizer(counting, 1 << 20, 100'000);
  std::string text(9'000'000, 'a');
  for (std::size_t i = 0; i < text.size(); i += 3)
    text[i] = 'b';
  const auto turns = tokenizer.tokenize("<turn>few<turn>" + text + "<turn>end", {});
  EXPECT_GE(turns.tokens.size() + turns.beyond, 2'000'000U);
  EXPECT_LE(bytes, 300'000U);

  text.resize(300'000); // a little too long: it is made, and not counted first
  bytes = 0;
  tokenizer.tokenize("<turn>few<turn>" + text, {});
  EXPECT_GE(bytes, 300'000U);
  EXPECT_LE(bytes, 310'000U);

  text.resize(99'000); // fits
  bytes = 0;
  const auto whole = tokenizer.tokenize("<turn>few<turn>" + text, {});
  EXPECT_EQ(whole.tokens, without_memory("<turn>few<turn>" + text));
  EXPECT_EQ(whole.beyond, 0U);
}

TEST(SegmentTokenizer, PutsTheFirstTokenInFrontOnce) {
  Tokenizer with_start = merging_tokenizer();
  with_start.prompt_start = kTurn;
  SegmentTokenizer tokenizer(with_start);
  EXPECT_EQ(tokenizer.tokenize("a"), (std::vector<std::int32_t>{kTurn, 'a'}));
  EXPECT_EQ(tokenizer.tokenize("<turn>a"), (std::vector<std::int32_t>{kTurn, 'a'}));
}

} // namespace
} // namespace anyclaude::prompt
