// What docs/tools.md promises of each family, shown one by one. The table there is made here:
// ANYCLAUDE_WRITE_DOCS=1 writes it, otherwise it has to be the same.
#include "answer/family_samples.h"
#include "answer/reading.h"
#include "checkout.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <functional>
#include <sstream>

namespace anyclaude::answer {
namespace {

const Json kWriteSchema = Json::parse(R"({"type": "object", "required": ["path", "content"],
  "properties": {"path": {"type": "string"}, "content": {"type": "string"},
                 "mode": {"type": "integer"}, "force": {"type": "boolean"},
                 "edits": {"type": "array", "items": {"type": "object"}},
                 "options": {"type": "object"}}})");

Format format_for(const Form& form) {
  Format format;
  format.dialect = form.dialect;
  format.tools = tool_set(
      {{"Write", kWriteSchema}, {"Now", Json::parse(R"({"type": "object", "properties": {}})")}});
  return format;
}

struct Expectation {
  std::vector<SampleCall> calls;
  std::string before;
  std::string after;
};

/// Reads the answer in one piece and character by character, and compares with what was rendered.
bool reads(const Form& form, const Expectation& expected) {
  const auto text = render(form, expected.before, expected.calls, expected.after);
  const Seen whole = read(text, format_for(form));
  const Seen slow = read(characters(text), format_for(form));
  EXPECT_EQ(whole.blocks, slow.blocks) << form.name;
  if (whole != slow || whole.cut)
    return false;
  Blocks blocks;
  if (!expected.before.empty())
    blocks.push_back("text:" + expected.before);
  for (const auto& call : expected.calls)
    blocks.push_back("tool:" + call.name + " " + call.arguments.dump());
  if (!expected.after.empty())
    blocks.push_back("text:" + expected.after);
  EXPECT_EQ(whole.blocks, blocks) << form.name << "\n" << text.substr(0, 2000);
  return whole.blocks == blocks;
}

SampleCall write_call(const std::string& content) {
  return {"Write", {{"path", "/tmp/a b.txt"}, {"content", content}}};
}

bool streams(const Form& form) {
  const auto text = render(form, "", {write_call(std::string(400, 'x') + " the end")});
  const Seen seen = read(characters(text), format_for(form));
  return seen.input_deltas > 200;
}

const std::string kCode =
    "def f(a=\"x\", b='y'):\n\tprint(\"{}\\n\".format(a), \"it's\")  # \\d+ {\"k\": "
    "[1, 2]}\n<div class=\"c\">&amp;</div> ```json\n{}\n``` ${HOME} %s\n  end";

struct Feature {
  const char* name;
  std::function<bool(const Form&)> holds;
};

const Feature kFeatures[] = {
    {"text before",
     [](const Form& f) {
       return can_have_text_before(f) && reads(f, {{write_call("x")}, "I write it.", ""});
     }},
    {"text after",
     [](const Form& f) {
       return can_have_text_behind(f) && reads(f, {{write_call("x")}, "", "Done."});
     }},
    {"streaming", streams},
    {"parallel",
     [](const Form& f) {
       return reads(f, {{write_call("one"), {"Now", Json::object()}, write_call("two")}, "", ""});
     }},
    {"nested JSON",
     [](const Form& f) {
       return reads(f,
                    {{{"Write",
                       {{"path", "p"},
                        {"mode", -12},
                        {"force", true},
                        {"edits", Json::parse(R"([{"a": [1, [2.5, null]], "b": {"c": "d"}}, {}])")},
                        {"options", Json::parse(R"({"deep": {"er": {"list": []}}})")}}}},
                     "",
                     ""});
     }},
    {"unicode",
     [](const Form& f) { return reads(f, {{write_call("Zürich 日本語 🎉 \u00a0 ﷽")}, "", ""}); }},
    {"quotes in code", [](const Form& f) { return reads(f, {{write_call(kCode)}, "", ""}); }},
    {"50 KB argument",
     [](const Form& f) {
       std::string content;
       while (content.size() < 50'000)
         content += "line " + std::to_string(content.size()) + ": \"quoted\" \\ {x: [1]} é\n";
       content += "end";
       return reads(f, {{write_call(content)}, "", ""});
     }},
    {"no arguments", [](const Form& f) { return reads(f, {{{"Now", Json::object()}}, "", ""}); }},
    {"thinking",
     [](const Form& f) {
       const auto text = render_thinking(f, "Let me see.") + render(f, "", {write_call("x")});
       const Seen seen = read(text, format_for(f));
       return seen.blocks.size() == 2 && seen.blocks[0] == "thinking:Let me see.";
     }},
};

std::string conformance_table() {
  std::ostringstream table;
  table << "| family |";
  for (const auto& feature : kFeatures)
    table << " " << feature.name << " |";
  table << "\n|---|";
  for (std::size_t i = 0; i < std::size(kFeatures); ++i)
    table << "---|";
  table << "\n";
  for (const Form& form : all_forms()) {
    table << "| " << form.name << " |";
    for (const auto& feature : kFeatures)
      table << (feature.holds(form) ? " yes |" : " - |");
    table << "\n";
  }
  return table.str();
}

TEST(Conformance, TheTableInTheDocumentationIsTrue) {
  const auto path = checkout() / "docs/tools.md";
  std::ifstream file(path);
  ASSERT_TRUE(file) << path;
  std::stringstream content;
  content << file.rdbuf();
  std::string page = content.str();
  const std::string begin = "<!-- conformance -->\n";
  const std::string end = "<!-- /conformance -->";
  const auto from = page.find(begin);
  const auto to = page.find(end);
  ASSERT_TRUE(from != std::string::npos && to != std::string::npos);
  const auto at = from + begin.size();
  const auto table = conformance_table();
  if (std::getenv("ANYCLAUDE_WRITE_DOCS"))
    std::ofstream(path) << page.replace(at, to - at, table);
  EXPECT_EQ(page.substr(at, std::max(to, at) - at), table);
}

/// What no family may lack; the rest is the table's.
TEST(Conformance, EveryFamilyCanDoWhatAnAgentNeeds) {
  for (const Form& form : all_forms())
    for (const auto& feature : kFeatures) {
      const std::string name = feature.name;
      const bool may_lack = (name == "text before" && !can_have_text_before(form)) ||
                            (name == "text after" && !can_have_text_behind(form));
      if (!may_lack) {
        EXPECT_TRUE(feature.holds(form)) << form.name << ": " << name;
      }
    }
}

} // namespace
} // namespace anyclaude::answer
