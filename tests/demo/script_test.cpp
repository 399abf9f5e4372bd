#include "demo/script.h"
#include "demo/script_chain.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>

namespace anyclaude::demo {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

std::string error_of(std::string_view json) {
  const auto file = parse_script(json);
  return file ? "no error" : file.error();
}

TEST(Script, ReadsEverything) {
  const auto file = parse_script(R"({"scripts": [
    {"when": {"tool_results": 0, "tool": ["Bash", "Read"], "marker": "COUNT"},
     "think": "Hm.", "say": "I count.", "say_after": "Counted.",
     "calls": [{"name": "Bash", "arguments": {"command": "ls \"x\"", "n": [1, {"deep": null}], "é": 1.5}},
               {"name": "Read", "arguments": {}}]},
    {"say": "Nothing."}]})");
  ASSERT_TRUE(file) << file.error();
  ASSERT_EQ(file->scripts.size(), 2U);
  const Script& script = file->scripts[0];
  EXPECT_EQ(script.when.tool_results, 0U);
  EXPECT_THAT(script.when.tools, ElementsAre("Bash", "Read"));
  EXPECT_EQ(script.when.marker, "COUNT");
  EXPECT_EQ(script_text(script).thinking, "<think>\nHm.\n</think>\n\n");
  EXPECT_EQ(
      script_text(script).answer,
      "I count.\n"
      "<tool_call>\n{\"name\": \"Bash\", \"arguments\": {\"command\": \"ls \\\"x\\\"\", \"n\": [1, "
      "{\"deep\": null}], \"é\": 1.5}}\n</tool_call>\n"
      "<tool_call>\n{\"name\": \"Read\", \"arguments\": {}}\n</tool_call>\n"
      "Counted.");
}

TEST(Script, AddsTheHonestSentenceWhereNoScriptAlwaysApplies) {
  const auto file = parse_script(R"({"scripts": [{"when": {"marker": "A"}, "say": "a"}]})");
  ASSERT_TRUE(file);
  ASSERT_EQ(file->scripts.size(), 2U);
  EXPECT_EQ(file->scripts[1].say, default_script().scripts[0].say);
  EXPECT_THAT(file->scripts[1].say, HasSubstr("anyclaude --model /path/to/model.gguf"));
}

TEST(Script, RepeatsWithNumbers) {
  const auto file = parse_script(R"({"scripts": [{"say": "line {n}\n", "repeat": 3}]})");
  ASSERT_TRUE(file);
  EXPECT_EQ(file->scripts[0].say, "line 1\nline 2\nline 3\n");
}

TEST(Script, ErrorsNameThePlace) {
  EXPECT_THAT(error_of("{\"scripts\": ["), HasSubstr("not valid JSON at byte"));
  EXPECT_EQ(error_of("[]"), "the top level must be an object");
  EXPECT_EQ(error_of("{}"), "the top level lacks \"scripts\"");
  EXPECT_EQ(error_of(R"({"scripts": []})"), "scripts must hold 1 to 1000 scripts");
  EXPECT_EQ(error_of(R"({"scripts": [{}]})"),
            "scripts[0] says nothing: give \"say\", \"think\", \"calls\" or \"say_after\"");
  EXPECT_EQ(error_of(R"({"scripts": [{"says": "x"}]})"), "scripts[0] has an unknown key \"says\"");
  EXPECT_EQ(error_of(R"({"scripts": [{"say": 7}]})"), "scripts[0].say must be a string");
  EXPECT_EQ(error_of(R"({"scripts": [{"say": "a\u0000b"}]})"),
            "scripts[0].say must not contain the character U+0000");
  EXPECT_EQ(
      error_of(
          R"({"scripts": [{"say": "x", "calls": [{"name": "A", "arguments": {}}, {"name": "B"}]}]})"),
      "scripts[0].calls[1] lacks \"arguments\"");
  EXPECT_EQ(error_of(R"({"scripts": [{"calls": [{"name": "A", "arguments": "{}"}]}]})"),
            "scripts[0].calls[0].arguments must be an object");
  EXPECT_EQ(error_of(R"({"scripts": [{"say": "x", "when": {"tool_results": -1}}]})"),
            "scripts[0].when.tool_results must be an integer from 0 to 1000");
  EXPECT_EQ(error_of(R"({"scripts": [{"say": "x", "when": {"marker": "a'b"}}]})"),
            "scripts[0].when.marker must be 1-64 letters, digits, spaces or one of -_.:/");
  EXPECT_EQ(error_of(R"({"scripts": [{"say": "x", "when": {"tool": ["A", ""]}}]})"),
            "scripts[0].when.tool[1] must be 1-64 letters, digits, spaces or one of -_.:/");
  EXPECT_EQ(error_of(R"({"scripts": [{"say": "x", "repeat": 5}]})"),
            "scripts[0].repeat needs {n} in \"say\", so that no two repetitions are equal");
  EXPECT_EQ(error_of(R"({"scripts": [{"say": "{n}", "repeat": 1000000}]})"),
            "scripts[0].repeat must be an integer from 1 to 2000");
  EXPECT_EQ(error_of(R"({"scripts": [{"say": "x"}, {"say": "y"}]})"),
            "scripts[1] is never reached: the script before it has no conditions");
}

TEST(Script, FileErrorsNameTheFile) {
  const auto missing = read_script("/nonexistent/script.json");
  ASSERT_FALSE(missing);
  EXPECT_EQ(missing.error(), "/nonexistent/script.json: cannot read the script file");

  const std::string path = testing::TempDir() + "anyclaude_bad_script.json";
  std::ofstream(path) << R"({"scripts": 1})";
  const auto bad = read_script(path);
  ASSERT_FALSE(bad);
  EXPECT_EQ(bad.error(), path + ": scripts must be an array");
}

} // namespace
} // namespace anyclaude::demo
