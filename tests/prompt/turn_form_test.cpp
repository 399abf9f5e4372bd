#include "prompt/turn_form.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace anyclaude::prompt {
namespace {

using anthropic::ContentBlock;
using anthropic::TextBlock;
using anthropic::ThinkingBlock;
using anthropic::ToolUseBlock;

std::string call(const std::string& tool, const std::string& input,
                 const std::string& id = "toolu_1") {
  return turn_form(std::vector<ContentBlock>{ToolUseBlock{id, tool, Json::parse(input)}});
}

std::string said(std::vector<ContentBlock> blocks) {
  return turn_form(blocks);
}

TEST(TurnForm, TakesOutWhatTheClientDoesToInputs) {
  EXPECT_EQ(call("Read", R"({"limit":"5000","file_path":"/a"})"),
            call("Read", R"({"file_path":"/a","limit":5000})"));
  EXPECT_EQ(call("Edit", R"({"file_path":"/a","old_string":"x","new_string":"y  \nz\t"})"),
            call("Edit",
                 R"({"replace_all":false,"file_path":"/a","old_string":"x","new_string":"y\nz"})"));
  EXPECT_EQ(call("Bash", R"({"command":"cd /home/ann/shop && ls"})"),
            call("Bash", R"({"command":"ls"})"));
  EXPECT_EQ(call("Any", R"({"list":[{"b":"true","a":1.5}]})"),
            call("Any", R"({"list":[{"a":"1.5","b":true}]})"));
}

TEST(TurnForm, TakesNothingElseOut) {
  EXPECT_NE(call("Read", R"({"file_path":"/a"})"), call("Read", R"({"file_path":"/b"})"));
  EXPECT_NE(call("Read", R"({"limit":5000})"), call("Read", R"({"limit":5001})"));
  EXPECT_NE(call("Read", "{}"), call("Read", "{}", "toolu_2"));
  EXPECT_NE(call("Read", "{}"), call("Write", "{}"));
  EXPECT_NE(call("Edit", R"({"new_string":"  y"})"), call("Edit", R"({"new_string":"y"})"));
  EXPECT_NE(call("Edit", R"({"old_string":"y "})"), call("Edit", R"({"old_string":"y"})"));
  EXPECT_NE(call("Edit", R"({"replace_all":true})"), call("Edit", "{}"));
  EXPECT_NE(call("Write", R"({"content":"y "})"), call("Write", R"({"content":"y"})"));
  EXPECT_NE(call("Bash", R"({"command":"cd /a; rm -r * && ls"})"),
            call("Bash", R"({"command":"ls"})"));
  EXPECT_NE(call("Other", R"({"command":"cd /a && ls"})"), call("Other", R"({"command":"ls"})"));
  EXPECT_NE(said({TextBlock{"a"}}), said({TextBlock{"b"}}));
  EXPECT_NE(said({TextBlock{"a"}}), said({ThinkingBlock{"a", ""}}));
  EXPECT_NE(said({ThinkingBlock{"a", "1"}}), said({ThinkingBlock{"a", "2"}}));
}

TEST(TurnForm, TextIsOneHoweverItIsCut) {
  EXPECT_EQ(said({TextBlock{"one "}, TextBlock{"two"}, TextBlock{" \n"}}),
            said({TextBlock{"one two"}}));
  EXPECT_EQ(said({TextBlock{"\n"}, ToolUseBlock{"1", "t", Json::object()}}),
            said({ToolUseBlock{"1", "t", Json::object()}}));
}

} // namespace
} // namespace anyclaude::prompt
