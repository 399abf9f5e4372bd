#include "anthropic/answer_blocks.h"

#include <gtest/gtest.h>

namespace anyclaude::anthropic {
namespace {

TEST(AnswerBlocks, AreWhatTheClientGets) {
  AnswerBlocks answer;
  answer.add(Started{});
  answer.add(ThinkingDelta{"Let me "});
  answer.add(ThinkingDelta{"see."});
  answer.add(ThinkingSignature{"signed"});
  answer.add(TextDelta{"I "});
  answer.add(TextDelta{"look."});
  answer.add(ToolUseStart{"toolu_1", "Read"});
  answer.add(ToolInputDelta{R"({"path":)"});
  answer.add(ToolInputDelta{R"("/a"})"});
  answer.add(ToolUseStart{"toolu_2", "List"});
  answer.add(ToolInputDelta{"{}"});
  answer.add(TextDelta{"Done."});
  const auto blocks = answer.take();
  ASSERT_EQ(blocks.size(), 5U);
  EXPECT_EQ(std::get<ThinkingBlock>(blocks[0]).thinking, "Let me see.");
  EXPECT_EQ(std::get<ThinkingBlock>(blocks[0]).signature, "signed");
  EXPECT_EQ(std::get<TextBlock>(blocks[1]).text, "I look.");
  EXPECT_EQ(std::get<ToolUseBlock>(blocks[2]).input, (Json{{"path", "/a"}}));
  EXPECT_EQ(std::get<ToolUseBlock>(blocks[2]).id, "toolu_1");
  EXPECT_EQ(std::get<ToolUseBlock>(blocks[3]).name, "List");
  EXPECT_EQ(std::get<TextBlock>(blocks[4]).text, "Done.");
}

TEST(AnswerBlocks, AnInputThatIsNoObjectIsAnEmptyOne) {
  AnswerBlocks answer;
  answer.add(ToolUseStart{"toolu_1", "Read"});
  answer.add(ToolInputDelta{R"({"path":)"});
  const auto blocks = answer.take();
  ASSERT_EQ(blocks.size(), 1U);
  EXPECT_EQ(std::get<ToolUseBlock>(blocks[0]).input, Json::object());
}

} // namespace
} // namespace anyclaude::anthropic
