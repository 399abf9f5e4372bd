#include "anthropic/json_reader.h"

#include <gtest/gtest.h>

#include <chrono>

namespace anyclaude::anthropic {
namespace {

TEST(JsonReader, KeepsTheOrderOfKeys) {
  const auto json = read_json(R"({"z":1,"a":{"y":[true,null,-2,1.5],"b":"s"}})");
  ASSERT_TRUE(json);
  EXPECT_EQ(json->dump(), R"({"z":1,"a":{"y":[true,null,-2,1.5],"b":"s"}})");
}

TEST(JsonReader, OfDuplicateKeysTheLastValueStandsAtTheFirstPlace) {
  const auto json = read_json(R"({"a":1,"b":2,"a":{"c":3}})");
  ASSERT_TRUE(json);
  EXPECT_EQ(json->dump(), R"({"a":{"c":3},"b":2})");
}

TEST(JsonReader, SaysWhereTheTextIsWrong) {
  const auto json = read_json("{\n  \"a\": 1,\n  \"b\": x\n}");
  ASSERT_FALSE(json);
  EXPECT_EQ(json.error().line, 3U);
  EXPECT_EQ(json.error().column, 8U);
  EXPECT_EQ(json.error().byte, 19U);
  EXPECT_TRUE(json.error().to_string().starts_with("line 3, column 8 (byte 19), in b: "));
}

TEST(JsonReader, NamesThePathOfTheBrokenValue) {
  const auto path = [](std::string_view text) { return read_json(text).error().path; };
  EXPECT_EQ(path(R"({"a": {"b": [1, [2, oops]]}})"), "a.b.1.1");
  EXPECT_EQ(path(R"({"a": [{"b": "cut)"), "a.0.b");
  EXPECT_EQ(path(R"({"a": 1 "b": 2})"), ""); // between two members
  EXPECT_EQ(path("oops"), "");
  const std::string key(150, 'k');
  EXPECT_EQ(path("{\"" + key + "\": {\"" + key + "\": oops}}"), key); // long ones end early
}

TEST(JsonReader, ATextCutShortPointsAtItsEnd) {
  const std::string text = R"({"model":"m","messages":[{"role")";
  const auto json = read_json(text);
  ASSERT_FALSE(json);
  EXPECT_EQ(json.error().byte, text.size());
  EXPECT_NE(json.error().reason.find("end of input"), std::string::npos);
}

TEST(JsonReader, TheReasonDoesNotQuoteTheText) {
  const auto json = read_json("{\"secret words\nhere\": 1}");
  ASSERT_FALSE(json);
  EXPECT_EQ(json.error().reason.find("secret"), std::string::npos);
}

TEST(JsonReader, RefusesEmptyTextAndTrailingText) {
  EXPECT_FALSE(read_json(""));
  EXPECT_FALSE(read_json("{} {}"));
  EXPECT_FALSE(read_json("1e999"));
}

TEST(JsonReader, RefusesInvalidUtf8) {
  EXPECT_FALSE(read_json("\"\xC3\x28\""));
  EXPECT_FALSE(read_json("\"\xED\xA0\x80\""));
  EXPECT_TRUE(read_json("\"\xF0\x9F\x98\x80\""));
}

TEST(JsonReader, ALoneSurrogateBecomesTheReplacementCharacter) {
  EXPECT_EQ(read_json(R"("a\ud83d")")->get<std::string>(), "a\xEF\xBF\xBD");
  EXPECT_EQ(read_json(R"("\uDE00z")")->get<std::string>(), "\xEF\xBF\xBDz");
  EXPECT_EQ(read_json(R"("\ud83d\ud83d\ude00")")->get<std::string>(),
            "\xEF\xBF\xBD\xF0\x9F\x98\x80");
  EXPECT_EQ(read_json(R"("\ud83d\\ude00")")->get<std::string>(), "\xEF\xBF\xBD\\ude00");
}

TEST(JsonReader, AnEscapedBackslashBeforeASurrogateIsPlainText) {
  EXPECT_EQ(read_json(R"("\\ud83d")")->get<std::string>(), R"(\ud83d)");
}

TEST(JsonReader, LimitsNesting) {
  const auto nested = [](int depth) { return std::string(depth, '[') + std::string(depth, ']'); };
  EXPECT_TRUE(read_json(nested(kMaxJsonDepth)));
  const auto deeper = read_json(nested(kMaxJsonDepth + 1));
  ASSERT_FALSE(deeper);
  EXPECT_EQ(deeper.error().byte, static_cast<std::size_t>(kMaxJsonDepth));
  EXPECT_EQ(deeper.error().reason, "nested deeper than 200 levels");
  const auto hostile = read_json(R"({"s":"[[\"[[","a":)" + std::string(5'000'000, '['));
  ASSERT_FALSE(hostile);
  EXPECT_EQ(hostile.error().byte, 18U + kMaxJsonDepth - 1);
}

TEST(JsonReader, ManyKeysTakeLinearTime) {
  std::string text = "{";
  for (int i = 0; i < 300'000; ++i) {
    text += "\"key" + std::to_string(i) + "\":0,";
  }
  text.back() = '}';
  const auto begin = std::chrono::steady_clock::now();
  const auto json = read_json(text);
  ASSERT_TRUE(json);
  EXPECT_EQ(json->size(), 300'000U);
  // Comparing each key with all before it would take minutes.
  EXPECT_LT(std::chrono::steady_clock::now() - begin, std::chrono::seconds(20));
}

} // namespace
} // namespace anyclaude::anthropic
