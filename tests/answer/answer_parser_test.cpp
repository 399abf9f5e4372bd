#include "answer/answer_parser.h"
#include "answer/reading.h"

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>
#include <rapidcheck/gtest.h>

#include <string>
#include <vector>

namespace anyclaude::answer {
namespace {

Format with_tools() {
  Format format;
  format.dialect.family = Family::hermes;
  format.tools = tool_set({{"a", {}}, {"b", {}}, {"f", {}}, {"Bash", {}}});
  return format;
}

Format opened_thinking() {
  Format format = with_tools();
  format.opens_thinking = true;
  return format;
}

Seen parse(const std::string& text, const Format& format = with_tools()) {
  return read(text, format);
}

TEST(AnswerParser, PlainText) {
  EXPECT_EQ(parse("Hello, world.\n").blocks, Blocks{"text:Hello, world."});
}

TEST(AnswerParser, AnAnswerThatWasCutOffKeepsItsLastBlanks) {
  EXPECT_EQ(read({"alpha beta ", "\n"}, with_tools(), false).blocks, Blocks{"text:alpha beta \n"});
  EXPECT_EQ(read({" \n"}, with_tools(), false).blocks, Blocks{});
}

TEST(AnswerParser, ThinkingThenText) {
  EXPECT_EQ(parse("<think>\nLet me see.\n</think>\n\nYes.").blocks,
            (Blocks{"thinking:Let me see.", "text:Yes."}));
}

TEST(AnswerParser, APromptThatOpenedThinking) {
  EXPECT_EQ(parse("Let me see.</think>Yes.", opened_thinking()).blocks,
            (Blocks{"thinking:Let me see.", "text:Yes."}));
}

TEST(AnswerParser, EmptyThinkingIsNoBlock) {
  EXPECT_EQ(parse("<think>\n\n</think>\n\nYes.").blocks, Blocks{"text:Yes."});
}

TEST(AnswerParser, ThinkingThatNeverEnds) {
  EXPECT_EQ(parse("<think>on and on").blocks, Blocks{"thinking:on and on"});
}

TEST(AnswerParser, ThinkTagsLaterAreText) {
  EXPECT_EQ(parse("Use <think> tags.").blocks, Blocks{"text:Use <think> tags."});
}

TEST(AnswerParser, OneCallWithTextBefore) {
  const auto seen = parse("I look.\n<tool_call>\n{\"name\": \"Bash\", \"arguments\": {\"command\": "
                          "\"ls\"}}\n</tool_call>");
  EXPECT_EQ(seen.blocks, (Blocks{"text:I look.", "tool:Bash {\"command\":\"ls\"}"}));
  EXPECT_TRUE(seen.called);
}

TEST(AnswerParser, ParallelCallsAndTextAfter) {
  EXPECT_EQ(parse("<tool_call>{\"name\":\"a\",\"arguments\":{}}</tool_call>\n"
                  "<tool_call>{\"name\":\"b\",\"arguments\":{\"z\":1,\"a\":2}}</tool_call> Done.")
                .blocks,
            (Blocks{"tool:a {}", "tool:b {\"z\":1,\"a\":2}", "text:Done."}));
}

TEST(AnswerParser, ArgumentsWrittenAsAString) {
  EXPECT_EQ(parse(R"(<tool_call>{"name":"a","arguments":"{\"k\": 1}"}</tool_call>)").blocks,
            Blocks{"tool:a {\"k\":1}"});
}

TEST(AnswerParser, ACallWithoutItsEndTag) {
  EXPECT_EQ(parse(R"(<tool_call>{"name":"a","arguments":{}})").blocks, Blocks{"tool:a {}"});
}

TEST(AnswerParser, AMalformedCallIsText) {
  const std::string text = R"(<tool_call>{"name":"a","arguments":{)";
  const auto seen = parse(text);
  EXPECT_EQ(seen.blocks, Blocks{"text:" + text});
  EXPECT_FALSE(seen.called);
  EXPECT_EQ(parse("<tool_call>[1]</tool_call>").blocks, Blocks{"text:<tool_call>[1]</tool_call>"});
}

TEST(AnswerParser, WithoutToolsACallIsText) {
  const std::string text = R"(<tool_call>{"name":"a","arguments":{}}</tool_call>)";
  EXPECT_EQ(parse(text, Format{}).blocks, Blocks{"text:" + text});
}

TEST(AnswerParser, TextIsNotHeldBackLongerThanNeeded) {
  AnswerParser parser(with_tools());
  EXPECT_EQ(parser.push("Hello").size(), 1u);
  EXPECT_EQ(parser.push(" there").size(), 1u);
  EXPECT_EQ(parser.push("<tool").size(), 0u);
  EXPECT_EQ(parser.push("box>").size(), 1u);
}

TEST(AnswerParser, TheSignatureComesWithTheThinking) {
  AnswerParser parser(Format{});
  parser.push("<think>a");
  const auto events = parser.push("</think>b");
  ASSERT_EQ(events.size(), 2u);
  EXPECT_TRUE(std::holds_alternative<anthropic::ThinkingSignature>(events[0]));
}

RC_GTEST_PROP(AnswerParserProperty, TheResultDoesNotDependOnThePieces, ()) {
  const auto parts = *rc::gen::container<std::vector<std::string>>(
      rc::gen::element<std::string>("<think>", "</think>", "<tool_call>", "</tool_call>",
                                    "{\"name\":\"f\",\"arguments\":{\"a\":[1]}}",
                                    "{\"name\":", "text", " ", "\n", "<", "</", "é", "</tool_"));
  std::string text;
  for (const auto& part : parts)
    text += part;
  Format format = *rc::gen::arbitrary<bool>() ? with_tools() : Format{};
  format.opens_thinking = *rc::gen::arbitrary<bool>();
  RC_ASSERT(read(text, format) == read(characters(text), format));
}

RC_GTEST_PROP(AnswerParserProperty, EveryCallSurvivesWithItsArguments, ()) {
  const auto strings =
      *rc::gen::container<std::vector<std::string>>(rc::gen::string<std::string>());
  nlohmann::ordered_json arguments = nlohmann::ordered_json::object();
  for (std::size_t i = 0; i < strings.size(); ++i) {
    std::string ascii;
    for (const char c : strings[i])
      ascii += static_cast<char>(c & 0x7F);
    arguments["k" + std::to_string(i)] = ascii;
  }
  const nlohmann::ordered_json call = {{"name", "f"}, {"arguments", arguments}};
  const auto seen = parse("<tool_call>\n" + call.dump(2) + "\n</tool_call>");
  RC_ASSERT(seen.blocks == Blocks{"tool:f " + arguments.dump()});
}

} // namespace
} // namespace anyclaude::answer
