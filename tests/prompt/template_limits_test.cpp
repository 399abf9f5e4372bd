// A chat template comes with a model's file, from a stranger: whatever program it is, rendering it
// ends soon, in bounded memory, and touches nothing else.
#include "prompt/chat_template.h"

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include <string>

namespace anyclaude::prompt {
namespace {

/// What the template makes of one question; an error is "refused" at reading, else its own.
std::string rendered(const std::string& source, const TemplateLimits& limits = {}) {
  const auto parsed = ChatTemplate::parse(source, "", "", limits);
  if (!parsed)
    return "refused: " + parsed.error();
  TemplateInput input{.messages = Json::array({{{"role", "user"}, {"content", "héllo"}}}),
                      .tools = Json::array()};
  const auto text = parsed->render(input);
  return text ? *text : "failed: " + text.error();
}

class Endless : public testing::TestWithParam<const char*> {};

TEST_P(Endless, IsRefused) {
  const std::string result = rendered(GetParam());
  EXPECT_TRUE(result.starts_with("refused: the model's chat template cannot be used"))
      << result.substr(0, 300);
}

INSTANTIATE_TEST_SUITE_P(
    Templates, Endless,
    testing::Values(
        "{% for i in range(1000000000) %}x{% endfor %}",
        "{% for i in range(999) %}{% for j in range(999) %}{% for k in range(999) %}"
        "{% endfor %}{% endfor %}{% endfor %}",
        "{% set ns = namespace(t='xx') %}{% for i in range(64) %}{% set ns.t = ns.t ~ ns.t %}"
        "{% endfor %}",
        "{% set ns = namespace(a=[1]) %}{% for i in range(64) %}{% set ns.a = ns.a + ns.a %}"
        "{% endfor %}",
        "{{ 'x' * 1000000000000 }}{{ '' * 1000000000000 }}",
        "{% macro f(n) %}{{ f(n + 1) }}{% endmacro %}{{ f(0) }}",
        "{% set ns = namespace() %}{% set ns.a = ns %}{{ ns == ns }}",
        "{% set l = [1] %}{% for x in l if l.append(1) is none %}{% endfor %}",
        "{% for m in messages recursive %}{{ loop(messages) }}{% endfor %}",
        "{% set a = [1] %}{% set b = [a, a, a, a] %}{% set c = [b, b, b, b] %}"
        "{% set d = [c, c, c, c] %}{% set e = [d, d, d, d] %}{% set f = [e, e, e, e] %}"
        "{% set g = [f, f, f, f] %}{% set h = [g, g, g, g] %}{% set i = [h, h, h, h] %}"
        "{% set j = [i, i, i, i] %}{% set k = [j, j, j, j] %}{% set l = [k, k, k, k] %}{{ l }}"));

TEST(TemplateLimits, NestingIsRefusedBeforeTheStackEnds) {
  const auto repeated = [](const std::string& text, int times) {
    std::string all;
    for (int i = 0; i < times; ++i)
      all += text;
    return all;
  };
  for (const std::string& source :
       {"{{ " + repeated("(", 50'000) + "1" + repeated(")", 50'000) + " }}",
        "{{ " + repeated("not ", 50'000) + "1 }}", "{{ 1" + repeated(" + 1", 50'000) + " }}",
        "{{ a" + repeated(".b", 50'000) + " }}", "{{ a" + repeated("|b", 50'000) + " }}",
        "{{ 1" + repeated(" if 1 else 1", 50'000) + " }}",
        repeated("{% if true %}", 50'000) + repeated("{% endif %}", 50'000),
        "{{ " + repeated("a", 50'000) + " }}", "{{ 1" + repeated(" ", 50'000) + "}}",
        "{#" + repeated(" ", 50'000) + "#}", repeated("x", 2 << 20)})
    EXPECT_TRUE(rendered(source).starts_with("refused")) << source.substr(0, 60);
  EXPECT_EQ(rendered("{# " + repeated("a comment ", 9000) + "#}x"), "x");
  EXPECT_EQ(rendered("{{ " + repeated("(", 40) + "1" + repeated(")", 40) + " }}"), "1");
}

/// What minja read or wrote outside of, or never came back from.
TEST(TemplateLimits, ValuesHaveBounds) {
  EXPECT_EQ(rendered("{{ 'abcdef'[1:3] }}{{ 'abc'[::-1] }}{{ 'abc'[-2:] }}"), "bccbabc");
  EXPECT_EQ(rendered("{{ 'abc'[5:9] }}{{ 'abc'[-9:9] }}{{ 'abc'[9:-9:-2] }}"), "abcca");
  EXPECT_EQ(rendered("{{ 'abc'[::9223372036854775807] }}{{ [1, 2][7:] }}"), "a[]");
  EXPECT_EQ(rendered("{{ 'aXbX'.replace('X', 'yy') }}{{ 'ab'.replace('', '-') }}"), "ayybyy-a-b");
  EXPECT_EQ(rendered("{{ 'aaa'.replace('a', 'b', 2) }}{{ 'aaa'.replace('a', 'aa') }}"),
            "bbaaaaaaa");
  EXPECT_EQ(rendered("{{ range(3) }}{{ range(6, 0, -2) }}{{ 7 // 2 }}{{ -7 % 4 }}"),
            "[0, 1, 2][6, 4, 2]3-3");
  EXPECT_EQ(rendered("{% for m in messages %}{{ loop.cycle('a', 'b') }}{% endfor %}"), "a");
  EXPECT_EQ(rendered("{% set f = range ~ 'x' %}{{ f(2) }}"), "[0, 1]x");
  for (const char* source :
       {"{{ 1 // 0 }}", "{{ 1 % 0 }}", "{{ 1 / 0 }}", "{{ 9223372036854775807 + 1 }}",
        "{{ (0 - 9223372036854775807 - 1) % -1 }}", "{{ range(1, 2, 3, 4) }}",
        "{{ -922337203685477580E8 % -1 }}", "{{ 'abc'[1e300:] }}", "{{ messages[5000000000] }}",
        "{{ 1e300|int }}", "{{ range(0, 9, 0) }}", "{{ range(0, 9223372036854775807, 9) }}",
        "{{ 'abc'.split('') }}",
        "{% set ns = namespace() %}{% for m in messages recursive %}{% set ns.l = loop %}"
        "{% endfor %}{{ ns.l([1]) }}"})
    EXPECT_TRUE(rendered(source).starts_with("failed")) << source << ": " << rendered(source);
  EXPECT_EQ(rendered("{% set ns = namespace() %}{% for m in messages %}{% set ns.l = loop %}"
                     "{% endfor %}{{ ns.l.cycle('x', 'y') }}"),
            "x");
}

/// A chain of values is taken down link by link.
TEST(TemplateLimits, LongChainsOfValuesEnd) {
  EXPECT_EQ(rendered("{% set ns = namespace(a=[], f=range) %}{% for i in range(30000) %}"
                     "{% set ns.a = [ns.a] %}{% set ns.f = ns.f ~ 'x' %}{% endfor %}"
                     "{% set ns.a = 1 %}{% set ns.f = 1 %}{{ ns.a }}",
                     {.steps = 100'000'000}),
            "1");
}

TEST(TemplateLimits, GrowWithTheConversation) {
  const auto parsed = ChatTemplate::parse("{% for m in messages %}{{ m.content }}{% endfor %}", "",
                                          "", {.steps = 5000, .bytes = 200'000});
  ASSERT_TRUE(parsed) << parsed.error();
  TemplateInput input{.messages = Json::array(), .tools = Json::array()};
  for (int i = 0; i < 2000; ++i)
    input.messages.push_back({{"role", "user"}, {"content", std::string(1000, 'x')}});
  const auto text = parsed->render(input);
  ASSERT_TRUE(text) << text.error();
  EXPECT_EQ(text->size(), 2'000'000u);
}

/// They would stay for good, which the leak checker of the sanitized tests tells.
TEST(TemplateLimits, ValuesThatHoldThemselvesGo) {
  EXPECT_EQ(rendered("{% set ns = namespace() %}{% set ns.me = ns %}{% set l = [ns] %}"
                     "{% set ignored = l.append(l) %}{% macro f() %}{{ ns.me }}{% endmacro %}"
                     "{% set f.me = f %}{% for m in messages %}{% set m.me = m %}"
                     "{% macro g() %}{{ m }}{% endmacro %}{{ m.content }}{% endfor %}"
                     "{% set ignored = messages.append(messages) %}"),
            "héllo");
}

/// As templates do that look whether an answer is the last one.
TEST(TemplateLimits, AllowAWayThroughAllLaterMessagesAtEach) {
  const auto parsed = ChatTemplate::parse(
      "{% for m in messages %}{% set ns = namespace(last=true) %}"
      "{% for later in messages[loop.index:] %}{% if later.role == 'assistant' and 'tool_calls' "
      "not "
      "in later and later.content != '' %}{% set ns.last = false %}{% endif %}{% endfor %}"
      "{% if ns.last %}{{ m.content }}{% endif %}{% endfor %}",
      "", "");
  ASSERT_TRUE(parsed) << parsed.error();
  TemplateInput input{.messages = Json::array(), .tools = Json::array()};
  for (int i = 0; i < 300; ++i) {
    input.messages.push_back({{"role", "user"}, {"content", "question"}});
    input.messages.push_back({{"role", "assistant"}, {"content", "answer"}});
  }
  const auto text = parsed->render(input);
  ASSERT_TRUE(text) << text.error();
  EXPECT_EQ(*text, "answer");
}

} // namespace
} // namespace anyclaude::prompt
