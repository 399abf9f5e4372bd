// When a grammar begins to hold, and what schemas and grammars say.
#include "answer/answer_rules.h"
#include "answer/family_samples.h"
#include "answer/schema_check.h"
#include "answer/schema_grammar.h"

#include <gtest/gtest.h>

namespace anyclaude::answer {
namespace {

const Json kSchema = Json::parse(R"({"type": "object", "required": ["command"],
  "properties": {"command": {"type": "string"}, "timeout": {"type": "integer"}}})");

Format format_of(const Dialect& dialect) {
  Format format;
  format.dialect = dialect;
  format.show_thinking = false;
  format.tools = std::make_shared<const ToolSet>(std::vector<ToolSpec>{{"Bash", kSchema}});
  return format;
}

Dialect hermes() {
  Dialect dialect;
  dialect.family = Family::hermes;
  return dialect;
}

/// Feeds the text in pieces; the rule that begins, and behind how many bytes.
std::optional<AnswerRules::Rule> first_rule(AnswerRules& rules, std::string_view text,
                                            std::size_t piece, std::size_t* behind = nullptr) {
  for (std::size_t at = 0; at <= text.size(); at += piece) {
    auto rule = rules.advance(at == 0 ? std::string_view{} : text.substr(at - piece, piece));
    if (rule) {
      if (behind)
        *behind = at;
      return rule;
    }
  }
  return std::nullopt;
}

TEST(AnswerRules, EveryFamilysCallIsSeenWhenItsInputBegins) {
  for (const Form& form : all_forms())
    for (const std::size_t piece : {std::size_t{1}, std::size_t{3}}) {
      AnswerRules rules(format_of(form.dialect), {});
      const auto text = render(form, "", {{"Bash", {{"command", "ls -l /tmp and more of it"}}}});
      std::size_t behind = 0;
      const auto rule = first_rule(rules, text, piece, &behind);
      ASSERT_TRUE(rule) << form.name;
      EXPECT_LT(behind, text.find("ls -l") + 3) << form.name;
      EXPECT_TRUE(rule->grammar.starts_with("root ::= ")) << form.name;
      EXPECT_EQ(text.substr(0, behind).substr(behind - rule->said.size()), rule->said) << form.name;
      EXPECT_FALSE(rule->last);
    }
}

TEST(AnswerRules, NothingHoldsForText) {
  for (const Form& form : all_forms()) {
    AnswerRules rules(format_of(form.dialect), {});
    const auto text = render(form, "Just text about a {\"name\": \"Bash\"} and a < b.", {});
    EXPECT_FALSE(first_rule(rules, text, 1)) << form.name;
  }
}

TEST(AnswerRules, ADemandedCallHoldsFromTheBeginningOrFromBehindThinking) {
  Format format = format_of(hermes());
  Demand demand;
  demand.one_of = format.tools->all();
  demand.single_call = true;
  AnswerRules at_once(format, demand);
  const auto rule = at_once.advance("");
  ASSERT_TRUE(rule);
  EXPECT_TRUE(rule->last);
  EXPECT_EQ(rule->said, "");

  format.opens_thinking = true;
  AnswerRules later(format, demand);
  std::size_t behind = 0;
  const std::string text = "Let me see.</think>\n\n";
  ASSERT_TRUE(first_rule(later, text, 1, &behind));
  EXPECT_EQ(behind, text.find('\n'));
}

TEST(AnswerRules, TheDemandedCallIsCoveredAndFurtherOnesAreNot) {
  Format format = format_of(hermes());
  Demand demand;
  demand.one_of = format.tools->all();
  AnswerRules rules(format, demand);
  ASSERT_TRUE(rules.advance(""));
  const Form form{"hermes", format.dialect};
  const auto call = render(form, "", {{"Bash", {{"command", "ls"}}}});
  EXPECT_FALSE(rules.advance(call));
  EXPECT_TRUE(rules.advance(call.substr(0, call.size() - 20)));
}

TEST(SchemaCheck, SaysWhatIsWrongAndWhere) {
  const auto wrong = [](const char* value) {
    return schema_violation(Json::parse(value), kSchema).value_or("");
  };
  EXPECT_EQ(wrong(R"({"command": "ls", "timeout": 5})"), "");
  EXPECT_EQ(wrong(R"({"timeout": 5})"), "command: required");
  EXPECT_EQ(wrong(R"({"command": 5})"), "command: not of type \"string\"");
  EXPECT_EQ(wrong(R"([])"), "the value: not of type \"object\"");
  const auto of = [](const char* schema, const char* value) {
    return schema_violation(Json::parse(value), Json::parse(schema)).has_value();
  };
  EXPECT_TRUE(of(R"({"maxLength": 2})", R"("äöü")"));
  EXPECT_FALSE(of(R"({"maxLength": 3})", R"("äöü")"));
  EXPECT_TRUE(of(R"({"minimum": 2})", "1"));
  EXPECT_TRUE(of(R"({"multipleOf": 0.1})", "0.25"));
  EXPECT_FALSE(of(R"({"multipleOf": 0.1})", "0.3"));
  EXPECT_TRUE(of(R"({"items": {"type": "null"}})", "[null, 1]"));
  EXPECT_TRUE(of(R"({"oneOf": [{"type": "number"}, {"type": "integer"}]})", "1"));
  EXPECT_FALSE(of(R"({"anyOf": [{"type": "number"}, {"type": "integer"}]})", "1"));
  EXPECT_TRUE(of(R"({"not": {"const": 1}})", "1"));
  EXPECT_TRUE(of(R"({"additionalProperties": false, "properties": {}})", R"({"a": 1})"));
  EXPECT_TRUE(of(R"({"$ref": "#/$defs/n", "$defs": {"n": {"type": "number"}}})", R"("x")"));
}

TEST(SchemaGrammar, LiteralsAreEscaped) {
  EXPECT_EQ(gbnf_literal("a\"b\\c\nd\x01"), R"("a\"b\\c\nd\x01")");
}

TEST(SchemaGrammar, ASchemaThatRefersToItselfEnds) {
  SchemaGrammar grammar;
  const Json schema = Json::parse(R"({"$ref": "#/$defs/tree", "$defs": {"tree": {"type": "object",
    "properties": {"kids": {"type": "array", "items": {"$ref": "#/$defs/tree"}}}}}})");
  EXPECT_LT(grammar.text(grammar.value(schema, schema)).size(), 2000U);
  const Json itself = Json::parse(R"({"$ref": "#"})");
  EXPECT_LT(SchemaGrammar().text(grammar.value(itself, itself)).size(), 2000U);
}

} // namespace
} // namespace anyclaude::answer
