#include "prompt/answer_parser.h"

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>
#include <rapidcheck/gtest.h>

#include <string>
#include <vector>

namespace anyclaude::prompt {
namespace {

/// An answer as a client sees it: one line a block.
struct Seen {
  std::vector<std::string> blocks;
  bool called = false;
  bool operator==(const Seen&) const = default;
};

class Collector {
 public:
  void operator()(const AnswerParser::Events& events) {
    for (const auto& event : events) {
      if (const auto* text = std::get_if<anthropic::TextDelta>(&event))
        add("text:", text->text);
      else if (const auto* thinking = std::get_if<anthropic::ThinkingDelta>(&event))
        add("thinking:", thinking->thinking);
      else if (std::get_if<anthropic::ThinkingSignature>(&event))
        kind_.clear();
      else if (const auto* start = std::get_if<anthropic::ToolUseStart>(&event)) {
        EXPECT_TRUE(start->id.starts_with("toolu_"));
        kind_.clear();
        add("tool:", start->name + " ");
      } else if (const auto* input = std::get_if<anthropic::ToolInputDelta>(&event))
        add("tool:", input->partial_json);
    }
  }
  std::vector<std::string> blocks;

 private:
  void add(const std::string& kind, const std::string& text) {
    EXPECT_FALSE(text.empty());
    if (kind != kind_)
      blocks.push_back(kind);
    kind_ = kind;
    blocks.back() += text;
  }
  std::string kind_;
};

Seen parse(const std::vector<std::string>& pieces, AnswerFormat format = {.tools = true},
           bool turn_ended = true) {
  AnswerParser parser(format);
  Collector collect;
  for (const auto& piece : pieces)
    collect(parser.push(piece));
  collect(parser.finish(turn_ended));
  return {collect.blocks, parser.called_tool()};
}

Seen parse(const std::string& text, AnswerFormat format = {.tools = true}) {
  return parse(std::vector{text}, format);
}

using Blocks = std::vector<std::string>;

TEST(AnswerParser, PlainText) {
  EXPECT_EQ(parse("Hello, world.\n").blocks, Blocks{"text:Hello, world."});
}

TEST(AnswerParser, AnAnswerThatWasCutOffKeepsItsLastBlanks) {
  EXPECT_EQ(parse({"alpha beta ", "\n"}, {.tools = true}, false).blocks,
            Blocks{"text:alpha beta \n"});
  EXPECT_EQ(parse({" \n"}, {.tools = true}, false).blocks, Blocks{});
}

TEST(AnswerParser, ThinkingThenText) {
  EXPECT_EQ(parse("<think>\nLet me see.\n</think>\n\nYes.").blocks,
            (Blocks{"thinking:Let me see.", "text:Yes."}));
}

TEST(AnswerParser, APromptThatOpenedThinking) {
  EXPECT_EQ(parse("Let me see.</think>Yes.", {.tools = true, .opens_thinking = true}).blocks,
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
  EXPECT_EQ(parse(text, {.tools = false}).blocks, Blocks{"text:" + text});
}

TEST(AnswerParser, TextIsNotHeldBackLongerThanNeeded) {
  AnswerParser parser({.tools = true});
  EXPECT_EQ(parser.push("Hello").size(), 1u);
  EXPECT_EQ(parser.push(" there").size(), 1u);
  EXPECT_EQ(parser.push("<tool").size(), 0u);
  EXPECT_EQ(parser.push("box>").size(), 1u);
}

TEST(AnswerParser, TheSignatureComesWithTheThinking) {
  AnswerParser parser({});
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
  const AnswerFormat format{.tools = *rc::gen::arbitrary<bool>(),
                            .opens_thinking = *rc::gen::arbitrary<bool>()};
  std::vector<std::string> bytes;
  for (const char c : text)
    bytes.emplace_back(1, c);
  RC_ASSERT(parse(text, format) == parse(bytes, format));
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
  RC_PRE(arguments.dump().find("</tool_call>") == std::string::npos);
  const nlohmann::ordered_json call = {{"name", "f"}, {"arguments", arguments}};
  const auto seen = parse("<tool_call>\n" + call.dump(2) + "\n</tool_call>");
  RC_ASSERT(seen.blocks == Blocks{"tool:f " + arguments.dump()});
}

} // namespace
} // namespace anyclaude::prompt
