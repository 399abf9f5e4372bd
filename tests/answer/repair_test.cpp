// What models get wrong, and what is made of it: the cases that were seen in the wild.
#include "answer/family_samples.h"
#include "answer/lenient_json.h"
#include "answer/reading.h"
#include "answer/thinking_seal.h"
#include "text/utf8.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

namespace anyclaude::answer {
namespace {

std::string lenient(std::string_view text, bool* whole = nullptr) {
  LenientJson json({.closers = {"</tool_call>"}, .raw_quote = {}});
  std::string out;
  json.read(text, true, out);
  if (whole)
    *whole = json.complete() && text.empty();
  json.close(out);
  return out;
}

TEST(LenientJson, RepairsWhatCanBeMeantInOneWayOnly) {
  EXPECT_EQ(lenient(R"({"a": 1, "b": [1, 2,], })"), R"({"a":1,"b":[1,2]})");
  EXPECT_EQ(lenient(R"({"a": 1 "b": 2})"), R"({"a":1,"b":2})");
  EXPECT_EQ(lenient(R"({'a': 'it"s', b: True, c: None})"), R"({"a":"it\"s","b":true,"c":null})");
  EXPECT_EQ(lenient("{\"a\": \"line\nline\t\"}"), R"({"a":"line\nline\t"})");
  EXPECT_EQ(lenient(R"({"a": "\d+ C:\x"})"), R"({"a":"\\d+ C:\\x"})");
  EXPECT_EQ(lenient(R"({"command": "echo "hi" && ls"})"), R"({"command":"echo \"hi\" && ls"})");
  EXPECT_EQ(lenient(R"({"a": .5, "b": 1., "c": +3, "d": 007, "e": -0.5e3})"),
            R"({"a":0.5,"b":1.0,"c":3,"d":7,"e":-0.5e3})");
  EXPECT_EQ(lenient(R"({"a": 1e999, "b": fast})"), R"({"a":"1e999","b":"fast"})");
  EXPECT_EQ(lenient(R"({"a": "\ud83d\ude00 \ud83d \u00e9"})"),
            R"({"a":"\ud83d\ude00 \ufffd \u00e9"})");
  EXPECT_EQ(lenient(R"({"a": [1, {"b": 2})"), R"({"a":[1,{"b":2}]})");
  EXPECT_EQ(lenient(R"({"a": "x"</tool_call>)"), R"({"a":"x"})");
  EXPECT_EQ(lenient(R"({"a")"), R"({"a":null})");
  EXPECT_EQ(lenient(R"({"a":)"), R"({"a":null})");
}

TEST(LenientJson, StopsWhereNothingCanBeMeant) {
  bool whole = true;
  lenient(R"({"a": : 1})", &whole);
  EXPECT_FALSE(whole);
  lenient(std::string(5000, '['), &whole);
  EXPECT_FALSE(whole);
}

Json random_json(int depth) {
  const int kind = *rc::gen::inRange(0, depth > 3 ? 5 : 7);
  switch (kind) {
  case 0:
    return nullptr;
  case 1:
    return *rc::gen::arbitrary<bool>();
  case 2:
    return *rc::gen::arbitrary<int>();
  case 3:
    return *rc::gen::arbitrary<double>();
  case 4: {
    std::string text;
    for (const auto& piece : *rc::gen::container<std::vector<std::string>>(
             rc::gen::element<std::string>("a", "\"", "\\", "\n", ", ", "}", "]", ":", "{", "é",
                                           "🎉", "\x01", " ", "</tool_call>", "'", "\"}", "\",\"")))
      text += piece;
    return text;
  }
  case 5: {
    Json list = Json::array();
    for (int i = *rc::gen::inRange(0, 4); i > 0; --i)
      list.push_back(random_json(depth + 1));
    return list;
  }
  default: {
    Json object = Json::object();
    for (int i = *rc::gen::inRange(0, 4); i > 0; --i)
      object["k\"" + std::to_string(i)] = random_json(depth + 1);
    return object;
  }
  }
}

RC_GTEST_PROP(LenientJsonProperty, ValidJsonIsReadAsItIs, ()) {
  const Json value = {{"v", random_json(0)}};
  const bool ascii = *rc::gen::arbitrary<bool>();
  const auto text = value.dump(*rc::gen::inRange(-1, 3), ' ', ascii);
  bool whole = false;
  RC_ASSERT(Json::parse(lenient(text, &whole)) == value);
  RC_ASSERT(whole);
  // In pieces it is the same.
  LenientJson json;
  std::string out;
  std::string held;
  for (const char c : text) {
    held += c;
    std::string_view rest = held;
    json.read(rest, false, out);
    held.erase(0, held.size() - rest.size());
  }
  RC_ASSERT(json.complete());
  RC_ASSERT(Json::parse(out) == value);
}

RC_GTEST_PROP(LenientJsonProperty, WhatIsWrittenIsAlwaysValid, ()) {
  std::string text = Json({{"v", random_json(0)}}).dump();
  for (int i = *rc::gen::inRange(1, 5); i > 0 && !text.empty(); --i) {
    const auto at = *rc::gen::inRange<std::size_t>(0, text.size());
    if (*rc::gen::arbitrary<bool>())
      text[at] = *rc::gen::element('"', '\\', '{', '}', ',', ':', 'x', ' ', '\'');
    else
      text.erase(at, 1);
  }
  text = "{" + text::to_valid_utf8(text);
  const auto out = lenient(text);
  RC_ASSERT(Json::accept(out));
}

Format format_of(Family family) {
  Format format;
  format.dialect.family = family;
  format.tools = tool_set({{"Bash", Json::parse(R"({"type": "object", "properties":
      {"command": {"type": "string"}, "timeout": {"type": "integer"}}})")},
                           {"Now", Json::object()}});
  return format;
}

TEST(Repair, NamesThatDifferInCaseAlone) {
  EXPECT_EQ(read(R"(<tool_call>{"name": "bash", "arguments": {"command": "ls"}}</tool_call>)",
                 format_of(Family::hermes))
                .blocks,
            Blocks{R"(tool:Bash {"command":"ls"})"});
}

TEST(Repair, ATagThatWasLeftOut) { // ollama #17742, #18532
  EXPECT_EQ(read("I look.\n<function=Bash>\n<parameter=command>\nls\n</parameter>\n</function>\n"
                 "</tool_call>",
                 format_of(Family::qwen_xml))
                .blocks,
            (Blocks{"text:I look.", R"(tool:Bash {"command":"ls"})"}));
  // What only looks like one is text.
  const std::string prose = "Write <function=name> in the file.";
  EXPECT_EQ(read(prose, format_of(Family::qwen_xml)).blocks, Blocks{"text:" + prose});
}

TEST(Repair, ClosingTagsThatWereLeftOut) { // ollama #17914
  EXPECT_EQ(read("<tool_call>\n<function=Bash>\n<parameter=command>\nls\n<parameter=timeout>\n5\n"
                 "</function>\n</tool_call>",
                 format_of(Family::qwen_xml))
                .blocks,
            Blocks{R"(tool:Bash {"command":"ls","timeout":5})"});
}

TEST(Repair, ATagWithoutItsEndTakesNothingOfWhatFollows) {
  Format format;
  format.dialect = detect_dialect("<｜DSML｜function_calls><｜DSML｜invoke name=");
  format.tools = tool_set({{"Write", Json{{"type", "object"}}}});
  const std::string lost = "words that are nobody's attributes";
  const auto seen =
      read("<｜DSML｜function_calls><｜DSML｜invoke name=\"Write\"><｜DSML｜parameter "
           "name=\"content\" string=\"true\"" +
               lost + " <b></｜DSML｜parameter></｜DSML｜invoke></｜DSML｜function_calls>",
           format);
  EXPECT_TRUE(seen.text().contains(lost));
  EXPECT_TRUE(seen.cut);
}

TEST(Repair, ClosingTagsWithinAValueAreItsText) {
  const std::string command = "echo '</function>' '<parameter=x>' '<b>' </tool_call>";
  EXPECT_EQ(read("<tool_call><function=Bash><parameter=command>\n" + command +
                     "\n</parameter></function></tool_call>",
                 format_of(Family::qwen_xml))
                .blocks,
            Blocks{"tool:Bash " + Json({{"command", command}}).dump()});
}

TEST(Repair, ValuesByTheirSchema) {
  const auto call = [](const std::string& key, const std::string& value) {
    const auto seen = read("<tool_call>Bash<arg_key>" + key + "</arg_key><arg_value>" + value +
                               "</arg_value></tool_call>",
                           format_of(Family::glm));
    return seen.blocks.at(0).substr(10);
  };
  EXPECT_EQ(call("command", "5000"), R"({"command":"5000"})");
  EXPECT_EQ(call("command", "{\"a\": 1}"), R"({"command":"{\"a\": 1}"})");
  EXPECT_EQ(call("timeout", "5000"), R"({"timeout":5000})");
  EXPECT_EQ(call("timeout", "soon"), R"({"timeout":"soon"})");
  EXPECT_EQ(call("other", "{\"a\": 1}"), R"({"other":{"a":1}})");
  EXPECT_EQ(call("other", "12"), R"({"other":"12"})");
}

TEST(Repair, ACallWithoutArgumentsInOneLine) { // vllm #44326
  EXPECT_EQ(read("<tool_call>Now</tool_call>", format_of(Family::glm)).blocks,
            Blocks{"tool:Now {}"});
  const std::string text = "<tool_call>example</tool_call>";
  EXPECT_EQ(read(text, format_of(Family::glm)).blocks, Blocks{"text:" + text});
}

TEST(Repair, RecipientsWhereTheyMayStand) { // llama.cpp #15181
  for (const char* text :
       {" to=functions.Bash<|channel|>commentary <|constrain|>json<|message|>{\"command\":\"ls\"}",
        "<|channel|>analysis to=functions.Bash code<|message|>{\"command\":\"ls\"}<|call|>"})
    EXPECT_EQ(read(text, format_of(Family::harmony)).blocks,
              Blocks{R"(tool:Bash {"command":"ls"})"});
}

TEST(Repair, JsonThatIsNoCallIsText) {
  for (const Family family : {Family::llama, Family::generic})
    for (const std::string text :
         {R"({"name": "Ann", "age": 3})", R"({"name": "nobody", "parameters": {}})", "{", "{}",
          R"({"tool_calls": []})", R"({"a": {"name": "Bash"}})"})
      EXPECT_EQ(read(text, format_of(family)).blocks, Blocks{"text:" + text});
}

TEST(Repair, ACallThatIsCutOffIsCompleteJsonAndSaidToBeCut) {
  for (const Form& form : all_forms()) {
    Format format = format_of(form.dialect.family);
    format.dialect = form.dialect;
    const auto whole = render(form, "", {{"Bash", {{"command", "rm -r /tmp/a/very/long/path"}}}});
    const auto cut = whole.substr(0, whole.find("/very"));
    const Seen seen = read(cut, format);
    ASSERT_EQ(seen.inputs().size(), 1U) << form.name << "\n" << cut;
    EXPECT_EQ(seen.inputs()[0], (Json{{"command", "rm -r /tmp/a"}})) << form.name;
    EXPECT_TRUE(seen.cut) << form.name;
  }
}

TEST(Thinking, IsLeftOutWhereItWasNotAskedFor) {
  for (const Form& form : all_forms()) {
    Format format;
    format.dialect = form.dialect;
    format.show_thinking = false;
    const auto text = render_thinking(form, "Hidden.") + render(form, "Shown.", {});
    EXPECT_EQ(read(text, format).blocks, Blocks{"text:Shown."}) << form.name;
    EXPECT_EQ(read(characters(text), format).blocks, Blocks{"text:Shown."}) << form.name;
  }
}

TEST(Thinking, AClosingTagAloneIsNotShown) {
  Format format;
  format.show_thinking = false;
  EXPECT_EQ(read("</think>\n\nYes.", format).blocks, Blocks{"text:Yes."});
  EXPECT_EQ(read("\n<think>\n\n</think>\n\nYes.", format).blocks, Blocks{"text:Yes."});
}

TEST(ThinkingSeal, KnowsItsOwn) {
  const ThinkingSeal seal;
  const ThinkingSeal other;
  const auto signature = seal.sign("I think.");
  EXPECT_EQ(seal.origin("I think.", signature), ThinkingSeal::Origin::ours);
  EXPECT_EQ(seal.origin("I thought.", signature), ThinkingSeal::Origin::edited);
  EXPECT_EQ(other.origin("I think.", signature), ThinkingSeal::Origin::foreign);
  EXPECT_EQ(seal.origin("I think.", ""), ThinkingSeal::Origin::foreign);
  EXPECT_EQ(seal.origin("I think.", signature + "0"), ThinkingSeal::Origin::edited);
}

} // namespace
} // namespace anyclaude::answer
