#include "demo/chat_template.h"
#include "demo/script_chain.h"
#include "prompt/chat_template.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace anyclaude::demo {
namespace {

using prompt::ChatTemplate;
using prompt::TemplateInput;
using testing::EndsWith;
using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;

constexpr std::string_view kScripts = R"({"scripts": [
  {"when": {"tool_results": 0, "tool": "Bash", "marker": "LOOP"}, "think": "Hm.", "say": "I look.",
   "calls": [{"name": "Bash", "arguments": {"command": "ls"}}]},
  {"when": {"tool_results": 2, "marker": "LOOP"}, "say": "Looked twice."},
  {"when": {"marker": "LOOP"}, "say": "Looked once, or cannot look."},
  {"say": "Nothing to do."}]})";

ChatTemplate compiled(const ScriptFile* scripts) {
  auto result = ChatTemplate::parse(chat_template(scripts), "", "<|im_end|>");
  EXPECT_TRUE(result) << result.error();
  return std::move(*result);
}

ChatTemplate scripted() {
  const auto scripts = parse_script(kScripts);
  return compiled(&*scripts);
}

Json tool(const char* name) {
  return {{"type", "function"},
          {"function",
           {{"name", name}, {"description", "Does it."}, {"parameters", {{"type", "object"}}}}}};
}
Json user(const char* text) {
  return {{"role", "user"}, {"content", text}};
}
Json result(const char* text) {
  return {{"role", "tool"}, {"content", text}};
}
Json call(const char* name, Json arguments) {
  return {{"type", "function"},
          {"function", {{"name", name}, {"arguments", std::move(arguments)}}}};
}
Json assistant(const char* text, Json calls = Json::array(), const char* thinking = "") {
  Json message = {{"role", "assistant"}, {"content", text}};
  if (*thinking)
    message["reasoning_content"] = thinking;
  if (!calls.empty())
    message["tool_calls"] = std::move(calls);
  return message;
}

/// A conversation with all shapes: system, tools, thinking, parallel calls, a remark on results.
TemplateInput tool_loop() {
  TemplateInput input;
  input.enable_thinking = true;
  input.tools = Json::array({tool("Bash"), tool("Read")});
  input.messages = Json::array(
      {{{"role", "system"}, {"content", "Be brief."}},
       user("LOOP please"),
       assistant("I look.",
                 Json::array({call("Bash", {{"command", "ls"}}), call("Read", {{"n", 1}})}), "Hm."),
       result("a.txt"),
       result("text of it"),
       user("<system-reminder>It is late.</system-reminder>"),
       assistant("Looked twice."),
       user("thanks")});
  return input;
}

TEST(DemoTemplate, HasEveryAbility) {
  const auto scripts = parse_script(kScripts);
  for (const ScriptFile* file : {static_cast<const ScriptFile*>(nullptr), &*scripts}) {
    const auto abilities = compiled(file).abilities();
    EXPECT_TRUE(abilities.tools);
    EXPECT_TRUE(abilities.tool_calls);
    EXPECT_TRUE(abilities.tool_responses);
    EXPECT_TRUE(abilities.parallel_tool_calls);
    EXPECT_TRUE(abilities.system_role);
    EXPECT_TRUE(abilities.thinking);
  }
}

TEST(DemoTemplate, RendersAToolLoop) {
  const auto text = compiled(nullptr).render(tool_loop());
  ASSERT_TRUE(text) << text.error();
  EXPECT_THAT(*text, StartsWith("<|im_start|>system\nBe brief.\n\n# Functions\n"));
  EXPECT_THAT(*text,
              HasSubstr("<tools>\n{\"type\": \"function\", \"function\": {\"name\": \"Bash\""));
  EXPECT_THAT(
      *text,
      EndsWith(
          "<|im_start|>user\nLOOP please<|im_end|>\n"
          "<|im_start|>assistant\n<think>\nHm.\n</think>\n\nI look.\n"
          "<tool_call>\n{\"name\": \"Bash\", \"arguments\": {\"command\": \"ls\"}}\n</tool_call>\n"
          "<tool_call>\n{\"name\": \"Read\", \"arguments\": {\"n\": 1}}\n</tool_call><|im_end|>\n"
          "<|im_start|>user\n<tool_response>\na.txt\n</tool_response>\n"
          "<tool_response>\ntext of it\n</tool_response><|im_end|>\n"
          "<|im_start|>user\n<system-reminder>It is late.</system-reminder><|im_end|>\n"
          "<|im_start|>assistant\nLooked twice.<|im_end|>\n"
          "<|im_start|>user\nthanks<|im_end|>\n"
          "<|im_start|>assistant\n"));
}

TEST(DemoTemplate, PutsAnEmptyThinkBlockWhereThinkingIsOff) {
  TemplateInput input;
  input.messages = Json::array({user("hello")});
  const auto off = compiled(nullptr).render(input);
  ASSERT_TRUE(off);
  EXPECT_THAT(*off, EndsWith("<|im_start|>assistant\n<think>\n\n</think>\n\n"));
}

TEST(DemoTemplate, ChoosesTheScriptByResultsToolsAndMarker) {
  const ChatTemplate chat = scripted();
  const auto choice = [&](Json messages, Json tools) {
    TemplateInput input;
    input.enable_thinking = true;
    input.messages = std::move(messages);
    input.tools = std::move(tools);
    const auto text = chat.render(input);
    EXPECT_TRUE(text) << text.error();
    return text->substr(text->rfind("assistant\n") + 10);
  };
  const Json bash = Json::array({tool("Bash")});
  const Json asked = Json::array({user("now LOOP"), assistant("I look.")});
  const auto with = [](Json messages, std::initializer_list<Json> more) {
    for (const Json& message : more)
      messages.push_back(message);
    return messages;
  };
  EXPECT_EQ(choice(Json::array({user("hello")}), bash), "<|script:3|>");
  EXPECT_EQ(choice(Json::array({user("now LOOP")}), bash), "<|script:0|>");
  EXPECT_EQ(choice(Json::array({user("now LOOP"), user("as one turn")}), bash), "<|script:0|>");
  EXPECT_EQ(choice(Json::array({user("now LOOP")}), Json::array({tool("BashOutput")})),
            "<|script:2|>");
  EXPECT_EQ(choice(Json::array({user("now LOOP")}), Json::array()), "<|script:2|>");
  EXPECT_EQ(choice(with(asked, {result("1")}), bash), "<|script:2|>");
  EXPECT_EQ(choice(with(asked, {result("1"), result("2")}), bash), "<|script:1|>");
  // A remark on the results is no new question; a person's next words are.
  EXPECT_EQ(choice(with(asked, {result("1"), result("2"), user("a reminder")}), bash),
            "<|script:1|>");
  EXPECT_EQ(choice(with(asked, {result("1"), result("2"), user("LOOP again")}), bash),
            "<|script:0|>");
  EXPECT_EQ(choice(with(asked, {result("1"), assistant("done"), user("hello")}), bash),
            "<|script:3|>");
}

TEST(DemoTemplate, LeavesTheThinkingOfAScriptOutWhereThinkingIsOff) {
  TemplateInput input = tool_loop();
  input.messages = Json::array({user("LOOP")});
  input.enable_thinking = false;
  const auto text = scripted().render(input);
  ASSERT_TRUE(text);
  EXPECT_THAT(*text, EndsWith("assistant\n<think>\n\n</think>\n\n<|script:0:answer|>"));
}

/// Each prompt must begin with the one before it, and with the answer to it.
TEST(DemoTemplate, IsAppendOnly) {
  const auto scripts = parse_script(kScripts);
  for (const bool thinking : {true, false}) {
    for (const ScriptFile* file : {static_cast<const ScriptFile*>(nullptr), &*scripts}) {
      const ChatTemplate chat = compiled(file);
      TemplateInput whole = tool_loop();
      whole.enable_thinking = thinking;
      if (!thinking)
        whole.messages[2].erase("reasoning_content");
      const Json messages = whole.messages;
      std::string before;
      for (std::size_t count = 1; count <= messages.size(); ++count) {
        if (count == 4)
          continue; // between two results of one answer there is no request
        TemplateInput part = whole;
        part.messages =
            Json(messages.begin(), messages.begin() + static_cast<std::ptrdiff_t>(count));
        part.add_generation_prompt = false;
        const auto history = chat.render(part);
        ASSERT_TRUE(history);
        EXPECT_THAT(*history, StartsWith(before)) << count;
        part.add_generation_prompt =
            count < messages.size() && messages[count]["role"] == "assistant";
        before = *chat.render(part);
        EXPECT_THAT(before, StartsWith(*history));
      }
    }
  }
}

/// The answer that a script gives is what the template prints for the same turn.
TEST(DemoTemplate, PrintsAScriptedTurnAsItWasSaid) {
  const auto scripts = parse_script(kScripts);
  const ScriptText said = script_text(scripts->scripts[0]);
  TemplateInput input = tool_loop();
  input.messages = Json::array({user("LOOP")});
  const std::string asked = *scripted().render(input);
  input.messages.push_back(
      assistant("I look.", Json::array({call("Bash", {{"command", "ls"}})}), "Hm."));
  input.add_generation_prompt = false;
  EXPECT_EQ(*scripted().render(input), asked + said.thinking + said.answer + "<|im_end|>\n");
}

TEST(DemoTemplate, TakesContentInParts) {
  TemplateInput input;
  input.messages = Json::array({{{"role", "user"},
                                 {"content", Json::array({{{"type", "text"}, {"text", "one "}},
                                                          {{"type", "image"}, {"text", "unseen"}},
                                                          {{"type", "text"}, {"text", "two"}}})}}});
  const auto text = compiled(nullptr).render(input);
  ASSERT_TRUE(text);
  EXPECT_THAT(*text, HasSubstr("<|im_start|>user\none two<|im_end|>"));
  EXPECT_THAT(*text, Not(HasSubstr("unseen")));
}

} // namespace
} // namespace anyclaude::demo
