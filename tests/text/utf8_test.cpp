#include "text/utf8.h"

#include <gtest/gtest.h>

namespace anyclaude::text {
namespace {

using namespace std::string_literals;

constexpr const char* kFffd = "\xEF\xBF\xBD";

std::string repeat_fffd(int times) {
  std::string out;
  for (int i = 0; i < times; ++i) {
    out += kFffd;
  }
  return out;
}

TEST(Utf8Splitter, PassesAsciiAtOnce) {
  Utf8Splitter splitter;
  EXPECT_EQ(splitter.push("plain\n"), "plain\n");
  EXPECT_FALSE(splitter.has_pending());
}

TEST(Utf8Splitter, KeepsNulBytes) {
  Utf8Splitter splitter;
  EXPECT_EQ(splitter.push("a\0b"s), "a\0b"s);
}

TEST(Utf8Splitter, HoldsACharacterUntilItsLastByte) {
  Utf8Splitter splitter;
  EXPECT_EQ(splitter.push("x\xF0"), "x");
  EXPECT_EQ(splitter.push("\x9F"), "");
  EXPECT_EQ(splitter.push("\x98"), "");
  EXPECT_TRUE(splitter.has_pending());
  EXPECT_EQ(splitter.push("\x80y"), "\xF0\x9F\x98\x80y");
  EXPECT_FALSE(splitter.has_pending());
}

TEST(Utf8Splitter, FinishReplacesAnUnfinishedCharacterOnce) {
  Utf8Splitter splitter;
  EXPECT_EQ(splitter.push("\xF0\x9F\x98"), "");
  EXPECT_EQ(splitter.finish(), kFffd);
  EXPECT_EQ(splitter.finish(), "");
  EXPECT_EQ(splitter.push("\xC3\xA4"), "\xC3\xA4");
}

// The examples of The Unicode Standard 15.0, tables 3-8 to 3-11.
TEST(Utf8Splitter, ReplacesMaximalSubpartsAsTheStandardShows) {
  EXPECT_EQ(to_valid_utf8("\xC0\xAF\xE0\x80\xBF\xF0\x81\x82\x41"), repeat_fffd(8) + "A");
  EXPECT_EQ(to_valid_utf8("\xED\xA0\x80\xED\xBF\xBF\xED\xAF\x41"), repeat_fffd(8) + "A");
  EXPECT_EQ(to_valid_utf8("\xF4\x91\x92\x93\xFF\x41\x80\xBF\x42"),
            repeat_fffd(5) + "A" + repeat_fffd(2) + "B");
  EXPECT_EQ(to_valid_utf8("\xE1\x80\xE2\xF0\x91\x92\xF1\xBF\x41"), repeat_fffd(4) + "A");
}

TEST(Utf8Splitter, AcceptsTheBordersOfEveryRange) {
  for (const char* valid :
       {"\x7F", "\xC2\x80", "\xDF\xBF", "\xE0\xA0\x80", "\xED\x9F\xBF", "\xEE\x80\x80",
        "\xEF\xBF\xBF", "\xF0\x90\x80\x80", "\xF4\x8F\xBF\xBF"}) {
    EXPECT_EQ(to_valid_utf8(valid), valid);
  }
}

} // namespace
} // namespace anyclaude::text
