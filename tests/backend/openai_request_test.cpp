#include "backend/openai_request.h"

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

namespace anyclaude::backend {
namespace {

anthropic::Request parsed(const std::string& messages, const std::string& more = "") {
  const auto request = anthropic::parse_request(
      R"({"model":"m","max_tokens":9,"tools":[{"name":"Read","description":"d","input_schema":{"type":"object"}}],)" +
          more + R"("messages":)" + messages + "}",
      anthropic::RequestKind::messages);
  EXPECT_TRUE(request) << request.error().message;
  return *request;
}

Json body(const anthropic::Request& request, std::string_view dialect_name,
          const prompt::Arrangement& arrangement = {}, BodyForm form = {.max_tokens = 9}) {
  return Json::parse(
      ChatRequest(request, *find_openai_dialect(dialect_name), "served", arrangement).body(form));
}

constexpr const char* kHistory = R"([
  {"role":"user","content":"look"},
  {"role":"assistant","content":[
    {"type":"thinking","thinking":"Hm.","signature":"s"},
    {"type":"tool_use","id":"toolu_1","name":"Read","input":{"b":1,"a":"x"}}]},
  {"role":"user","content":[{"type":"tool_result","tool_use_id":"toolu_1","content":"text"}]}])";

TEST(OpenAiRequest, TurnsAreTheApisOwn) {
  const Json messages = body(parsed(kHistory), "vllm")["messages"];
  EXPECT_EQ(
      messages.dump(),
      R"([{"role":"user","content":"look"},)"
      R"({"role":"assistant","content":null,"tool_calls":[{"id":"toolu_1","type":"function",)"
      R"("function":{"name":"Read","arguments":"{\"b\":1,\"a\":\"x\"}"}}],"reasoning":"Hm."},)"
      R"({"role":"tool","tool_call_id":"toolu_1","content":"text"}])");
}

TEST(OpenAiRequest, ThinkingGoesBackWhereTheServerTakesIt) {
  EXPECT_EQ(body(parsed(kHistory), "llama-cpp")["messages"][1]["reasoning_content"], "Hm.");
  EXPECT_FALSE(body(parsed(kHistory), "openai")["messages"][1].contains("reasoning_content"));
  EXPECT_FALSE(body(parsed(kHistory), "tensorrt-llm")["messages"][1].contains("reasoning_content"));
}

TEST(OpenAiRequest, AContinuationBeginsWithTheConversation) {
  const std::string longer =
      std::string(kHistory).substr(0, std::string(kHistory).rfind(']')) +
      R"(,{"role":"assistant","content":"So."},{"role":"user","content":"On."}])";
  for (const auto& dialect : all_openai_dialects()) {
    const Json before = body(parsed(kHistory), dialect.name);
    const Json after = body(parsed(longer), dialect.name);
    for (std::size_t i = 0; i < before["messages"].size(); ++i)
      EXPECT_EQ(after["messages"][i].dump(), before["messages"][i].dump()) << dialect.name;
    EXPECT_EQ(after["tools"].dump(), before["tools"].dump());
  }
}

TEST(OpenAiRequest, ImagesArePartsWhereTheModelSees) {
  const auto request = parsed(
      R"([{"role":"user","content":[{"type":"text","text":"what is"},
          {"type":"image","source":{"type":"base64","media_type":"image/png","data":"AAAA"}},
          {"type":"text","text":"this?"}]}])");
  prompt::Arrangement sees;
  sees.image_parts = true;
  EXPECT_EQ(body(request, "vllm", sees)["messages"][0]["content"].dump(),
            R"([{"type":"text","text":"what is"},)"
            R"({"type":"image_url","image_url":{"url":"data:image/png;base64,AAAA"}},)"
            R"({"type":"text","text":"this?"}])");
  EXPECT_TRUE(body(request, "vllm")["messages"][0]["content"].is_string());
}

TEST(OpenAiRequest, AnImageInAResultStandsBehindIt) {
  const auto request = parsed(
      R"([{"role":"user","content":"look"},
          {"role":"assistant","content":[{"type":"tool_use","id":"t","name":"Read","input":{}}]},
          {"role":"user","content":[{"type":"tool_result","tool_use_id":"t","content":[
            {"type":"image","source":{"type":"base64","media_type":"image/png","data":"AAAA"}}]},
            {"type":"text","text":"and?"}]}])");
  prompt::Arrangement sees;
  sees.image_parts = true;
  const Json messages = body(request, "vllm", sees)["messages"];
  EXPECT_EQ(messages[2]["content"], "[image: shown below]");
  EXPECT_EQ(messages[3]["role"], "user");
  EXPECT_EQ(messages[3]["content"][0]["type"], "image_url");
  EXPECT_EQ(messages[3]["content"][1]["text"], "and?");
}

TEST(OpenAiRequest, AnAnswerThatIsBegunGoesOn) {
  const auto request =
      parsed(R"([{"role":"user","content":"JSON"},{"role":"assistant","content":"{"}])");
  const Json vllm = body(request, "vllm");
  EXPECT_EQ(vllm["messages"].back()["content"], "{");
  EXPECT_EQ(vllm["continue_final_message"], true);
  EXPECT_EQ(vllm["add_generation_prompt"], false);
  EXPECT_EQ(vllm["chat_template_kwargs"]["enable_thinking"], false);
  EXPECT_FALSE(body(request, "llama-cpp").contains("continue_final_message"));
}

TEST(OpenAiRequest, ChoicesOfTools) {
  const auto choice = [](const std::string& kind, std::string_view dialect) {
    return body(parsed(R"([{"role":"user","content":"x"}])", R"("tool_choice":)" + kind + ","),
                dialect);
  };
  EXPECT_EQ(choice(R"({"type":"any"})", "vllm")["tool_choice"], "required");
  EXPECT_EQ(choice(R"({"type":"tool","name":"Read"})", "vllm")["tool_choice"]["function"]["name"],
            "Read");
  EXPECT_EQ(choice(R"({"type":"tool","name":"Read"})", "llama-cpp")["tool_choice"], "required");
  EXPECT_EQ(choice(R"({"type":"none"})", "vllm")["tool_choice"], "none");
  EXPECT_TRUE(choice(R"({"type":"none"})", "vllm").contains("tools")); // the prompt stays the same
  EXPECT_FALSE(choice(R"({"type":"none"})", "ollama").contains("tools"));
  EXPECT_FALSE(choice(R"({"type":"any"})", "ollama").contains("tool_choice"));
  EXPECT_EQ(
      choice(R"({"type":"auto","disable_parallel_tool_use":true})", "vllm")["parallel_tool_calls"],
      false);
}

TEST(OpenAiRequest, TakesTheFormThatTheServerAskedFor) {
  const auto request = parsed(R"([{"role":"user","content":"x"}])");
  EXPECT_EQ(body(request, "openai")["max_tokens"], 9);
  const Json other = body(request, "openai", {},
                          {.max_tokens = 7, .max_completion_tokens = true, .calls_as_text = true});
  EXPECT_EQ(other["max_completion_tokens"], 7);
  EXPECT_FALSE(other.contains("max_tokens"));
  EXPECT_EQ(other["tool_choice"], "none");
}

} // namespace
} // namespace anyclaude::backend
