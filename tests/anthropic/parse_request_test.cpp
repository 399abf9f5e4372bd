#include "anthropic/messages.h"

#include <gtest/gtest.h>

#include <algorithm>

namespace anyclaude::anthropic {
namespace {

/// A minimal body with `members` added or replaced.
Json body_with(const Json& members) {
  Json body = {
      {"model", "m"}, {"max_tokens", 16}, {"messages", {{{"role", "user"}, {"content", "hello"}}}}};
  body.update(members);
  return body;
}

Request accepted(const Json& members, RequestKind kind = RequestKind::messages) {
  auto request = parse_request(body_with(members).dump(), kind);
  EXPECT_TRUE(request) << request.error().message;
  return request.value_or(Request{});
}

std::string refused(const Json& members, RequestKind kind = RequestKind::messages) {
  const auto request = parse_request(body_with(members).dump(), kind);
  EXPECT_FALSE(request) << "accepted: " << members;
  if (request) {
    return {};
  }
  EXPECT_EQ(request.error().kind, ErrorKind::invalid_request);
  return request.error().message;
}

Json user(Json content) {
  return {{"messages", Json::array({{{"role", "user"}, {"content", std::move(content)}}})}};
}

Json blocks(Json block) {
  return user(Json::array({std::move(block)}));
}

template <typename Block>
Block only_block(const Request& request) {
  EXPECT_EQ(request.messages.size(), 1U);
  EXPECT_EQ(request.messages.at(0).content.size(), 1U);
  return std::get<Block>(request.messages.at(0).content.at(0));
}

TEST(ParseRequest, MinimalBody) {
  const Request request = accepted(Json::object());
  EXPECT_EQ(request.model, "m");
  EXPECT_EQ(request.max_tokens, 16);
  EXPECT_EQ(request.messages.at(0).role, Role::user);
  EXPECT_EQ(only_block<TextBlock>(request).text, "hello");
  EXPECT_FALSE(request.stream);
  EXPECT_FALSE(request.caching);
  EXPECT_FALSE(request.temperature);
  EXPECT_EQ(request.thinking.kind, Thinking::Kind::unset);
  EXPECT_TRUE(request.output_schema.is_null());
  EXPECT_TRUE(request.warnings.empty());
}

TEST(ParseRequest, EverythingThatClaudeCodeSends) {
  const Request request = accepted(Json::parse(R"({
    "system": [{"type":"text","text":"x-header"},
               {"type":"text","text":"You are.","cache_control":{"type":"ephemeral"}}],
    "messages": [
      {"role":"user","content":[{"type":"text","text":"reminder"},{"type":"text","text":"do it"}]},
      {"role":"system","content":"environment"},
      {"role":"assistant","content":[
        {"type":"thinking","thinking":"hm","signature":""},
        {"type":"text","text":"ok"},
        {"type":"tool_use","id":"toolu_1","name":"Bash","input":{"z":1,"a":"ls"}}]},
      {"role":"user","content":[
        {"type":"tool_result","tool_use_id":"toolu_1","is_error":true,"content":"no"},
        {"type":"tool_result","tool_use_id":"toolu_2","content":[
          {"type":"text","text":"found"},{"type":"tool_reference","tool_name":"WebFetch"}]},
        {"type":"tool_result","tool_use_id":"toolu_3"}]}],
    "tools": [{"name":"Bash","description":"runs","input_schema":{"type":"object","properties":{}}},
              {"name":"WebFetch","input_schema":{"type":"object"},"defer_loading":true},
              {"type":"web_search_20250305","name":"web_search","max_uses":8}],
    "metadata": {"user_id":"u"}, "thinking": {"type":"adaptive"},
    "context_management": {"edits":[{"type":"clear_thinking_20251015","keep":"all"}]},
    "output_config": {"effort":"high"}, "safeguards": {"x":[1]}, "betas": ["b"],
    "max_tokens": 32000, "stream": true})"));
  EXPECT_TRUE(request.stream);
  EXPECT_TRUE(request.caching);
  EXPECT_EQ(request.effort, "high");
  EXPECT_EQ(request.thinking.kind, Thinking::Kind::adaptive);
  EXPECT_EQ(request.system, (std::vector<std::string>{"x-header", "You are."}));
  ASSERT_EQ(request.messages.size(), 4U);
  EXPECT_EQ(request.messages[1].role, Role::system);
  EXPECT_EQ(request.messages[2].role, Role::assistant);
  const auto& call = std::get<ToolUseBlock>(request.messages[2].content.at(2));
  EXPECT_EQ(call.id, "toolu_1");
  EXPECT_EQ(call.input.dump(), R"({"z":1,"a":"ls"})");
  const auto& failed = std::get<ToolResultBlock>(request.messages[3].content.at(0));
  EXPECT_TRUE(failed.is_error);
  EXPECT_EQ(std::get<TextBlock>(failed.content.at(0)).text, "no");
  const auto& found = std::get<ToolResultBlock>(request.messages[3].content.at(1));
  EXPECT_FALSE(found.is_error);
  EXPECT_EQ(std::get<ToolReferenceBlock>(found.content.at(1)).tool_name, "WebFetch");
  EXPECT_TRUE(std::get<ToolResultBlock>(request.messages[3].content.at(2)).content.empty());
  ASSERT_EQ(request.tools.size(), 3U);
  EXPECT_EQ(request.tools[0].description, "runs");
  EXPECT_TRUE(request.tools[1].defer_loading);
  EXPECT_EQ(request.tools[2].server_type, "web_search_20250305");
  EXPECT_TRUE(request.tools[2].input_schema->is_null());
  EXPECT_EQ(request.warnings.size(), 1U);
}

TEST(ParseRequest, SystemAsAString) {
  EXPECT_EQ(accepted({{"system", "be brief"}}).system, std::vector<std::string>{"be brief"});
  EXPECT_TRUE(accepted({{"system", nullptr}}).system.empty());
  EXPECT_EQ(refused({{"system", 5}}).substr(0, 7), "system:");
  EXPECT_EQ(refused({{"system", {{{"type", "image"}}}}}), "system.0.type: Input should be 'text'");
}

TEST(ParseRequest, EmptyContentInHistoryIsFine) {
  EXPECT_TRUE(accepted(user(Json::array())).messages.at(0).content.empty());
  EXPECT_EQ(only_block<TextBlock>(accepted(user(""))).text, "");
  EXPECT_EQ(only_block<TextBlock>(accepted(blocks({{"type", "text"}, {"text", ""}}))).text, "");
}

TEST(ParseRequest, ImagesByDataAndByUrl) {
  const auto data = only_block<ImageBlock>(accepted(
      blocks({{"type", "image"},
              {"source", {{"type", "base64"}, {"media_type", "image/png"}, {"data", "iVBO"}}}})));
  EXPECT_EQ(data.media_type, "image/png");
  EXPECT_EQ(*data.data, "iVBO");
  const auto url = only_block<ImageBlock>(accepted(
      blocks({{"type", "image"}, {"source", {{"type", "url"}, {"url", "https://x.test/a"}}}})));
  EXPECT_EQ(url.media_type, "");
  EXPECT_EQ(*url.data, "https://x.test/a");
}

TEST(ParseRequest, WhatNoLocalModelCanReadBecomesAPlaceholder) {
  const std::vector<Json> unreadable = {
      {{"type", "redacted_thinking"}, {"data", "abc"}},
      {{"type", "document"},
       {"title", "Plan"},
       {"source", {{"type", "base64"}, {"media_type", "application/pdf"}, {"data", "JVBE"}}}},
      {{"type", "server_tool_use"}, {"id", "s"}, {"name", "web_search"}, {"input", {{"q", 1}}}},
      {{"type", "web_search_tool_result"}, {"tool_use_id", "s"}, {"content", Json::array()}},
      {{"type", "image"}, {"source", {{"type", "file"}, {"file_id", "f"}}}},
      {{"type", "holo\ngram"}, {"beam", {1, 2}}}};
  for (const Json& block : unreadable) {
    const Request request = accepted(blocks(block));
    const auto placeholder = only_block<UnsupportedBlock>(request);
    EXPECT_EQ(placeholder.type, block["type"].get<std::string>());
    EXPECT_TRUE(placeholder.description.starts_with("[")) << placeholder.description;
    EXPECT_LT(placeholder.description.size(), 120U);
    EXPECT_EQ(placeholder.description.find('\n'), std::string::npos);
    ASSERT_EQ(request.warnings.size(), 1U);
    EXPECT_EQ(request.warnings[0].find('\n'), std::string::npos);
  }
  EXPECT_NE(only_block<UnsupportedBlock>(accepted(blocks(unreadable[1]))).description.find("Plan"),
            std::string::npos);
}

TEST(ParseRequest, ADocumentOfPlainTextIsText) {
  const auto text = only_block<TextBlock>(accepted(
      blocks({{"type", "document"},
              {"title", "Notes"},
              {"source", {{"type", "text"}, {"media_type", "text/plain"}, {"data", "line"}}}})));
  EXPECT_EQ(text.text, "Notes\n\nline");
}

TEST(ParseRequest, ADocumentOfTextBlocksIsText) {
  const auto document = [](const Json& content) {
    return only_block<TextBlock>(
        accepted(blocks({{"type", "document"},
                         {"title", "Notes"},
                         {"context", "of a walk"},
                         {"source", {{"type", "content"}, {"content", content}}}})));
  };
  EXPECT_EQ(document("line").text, "Notes\n\nof a walk\n\nline");
  const Json image = {{"type", "image"},
                      {"source", {{"type", "url"}, {"url", "https://x.test/a"}}}};
  EXPECT_EQ(
      document({{{"type", "text"}, {"text", "one"}}, image, {{"type", "text"}, {"text", "two"}}})
          .text,
      "Notes\n\nof a walk\n\none\n\n[an image]\n\ntwo");
}

TEST(ParseRequest, AFoundTextIsText) {
  const Json found = {
      {"type", "search_result"},
      {"title", "Walks"},
      {"source", "notes.md"},
      {"content", {{{"type", "text"}, {"text", "one"}}, {{"type", "text"}, {"text", "two"}}}}};
  EXPECT_EQ(only_block<TextBlock>(accepted(blocks(found))).text, "Walks\nnotes.md\n\none\n\ntwo");
  const auto result = only_block<ToolResultBlock>(
      accepted(blocks({{"type", "tool_result"}, {"tool_use_id", "t"}, {"content", {found}}})));
  EXPECT_TRUE(std::holds_alternative<TextBlock>(result.content.at(0)));
}

TEST(ParseRequest, UnreadableContentInsideAToolResult) {
  const auto result = only_block<ToolResultBlock>(accepted(blocks(
      {{"type", "tool_result"},
       {"tool_use_id", "t"},
       {"content", {{{"type", "hologram"}, {"title", "x"}}, {{"type", "text"}, {"text", "y"}}}}})));
  ASSERT_EQ(result.content.size(), 2U);
  EXPECT_EQ(std::get<UnsupportedBlock>(result.content[0]).type, "hologram");
  EXPECT_EQ(std::get<TextBlock>(result.content[1]).text, "y");
}

TEST(ParseRequest, CachingIsSeenWhereverItIsAsked) {
  const Json control = {{"type", "ephemeral"}};
  EXPECT_TRUE(accepted({{"cache_control", control}}).caching);
  EXPECT_TRUE(
      accepted(blocks({{"type", "text"}, {"text", "a"}, {"cache_control", control}})).caching);
  EXPECT_TRUE(
      accepted({{"tools",
                 {{{"name", "T"}, {"input_schema", Json::object()}, {"cache_control", control}}}}})
          .caching);
  EXPECT_TRUE(accepted(blocks({{"type", "tool_result"},
                               {"tool_use_id", "t"},
                               {"content",
                                {{{"type", "text"}, {"text", "a"}, {"cache_control", control}}}}}))
                  .caching);
  EXPECT_FALSE(
      accepted(blocks({{"type", "text"}, {"text", "a"}, {"cache_control", nullptr}})).caching);
}

TEST(ParseRequest, SamplingOptions) {
  const Request request = accepted({{"temperature", 0.5},
                                    {"top_p", 1},
                                    {"min_p", 0.05},
                                    {"top_k", 40},
                                    {"seed", 4294967295},
                                    {"stop_sequences", {"END", "\n\nHuman:"}}});
  EXPECT_EQ(request.temperature, 0.5);
  EXPECT_EQ(request.top_p, 1.0);
  EXPECT_EQ(request.min_p, 0.05);
  EXPECT_EQ(request.top_k, 40);
  EXPECT_EQ(request.seed, 4294967295U);
  EXPECT_EQ(request.stop_sequences, (std::vector<std::string>{"END", "\n\nHuman:"}));
  EXPECT_FALSE(accepted({{"seed", -1}}).seed);
  EXPECT_EQ(accepted({{"max_tokens", 100.0}}).max_tokens, 100);
}

TEST(ParseRequest, ToolChoice) {
  const Json tools = {{{"name", "T"}, {"input_schema", Json::object()}}};
  const auto choice = [&](Json value) {
    return accepted({{"tools", tools}, {"tool_choice", std::move(value)}}).tool_choice;
  };
  EXPECT_EQ(choice({{"type", "any"}}).kind, ToolChoice::Kind::any);
  EXPECT_EQ(choice({{"type", "none"}}).kind, ToolChoice::Kind::none);
  EXPECT_EQ(choice({{"type", "tool"}, {"name", "T"}}).name, "T");
  EXPECT_TRUE(choice({{"type", "auto"}, {"disable_parallel_tool_use", true}}).disable_parallel);
}

TEST(ParseRequest, OutputSchemaUnderBothItsNames) {
  const Json format = {{"type", "json_schema"}, {"schema", {{"type", "object"}}}};
  EXPECT_EQ(accepted({{"output_config", {{"format", format}}}}).output_schema.dump(),
            R"({"type":"object"})");
  EXPECT_EQ(accepted({{"output_format", format}}).output_schema.dump(), R"({"type":"object"})");
}

TEST(ParseRequest, CountTokensNeedsNoMaxTokens) {
  Json body = body_with(Json::object());
  body.erase("max_tokens");
  const auto request = parse_request(body.dump(), RequestKind::count_tokens);
  ASSERT_TRUE(request);
  EXPECT_EQ(request->max_tokens, 0);
  EXPECT_EQ(parse_request(body.dump(), RequestKind::messages).error().message,
            "max_tokens: Field required");
}

TEST(ParseRequest, AThreadThatIsKeptElsewhereIsNotFound) {
  const std::string rest =
      R"("model":"m","max_tokens":9,"messages":[{"role":"user","content":""}]})";
  EXPECT_TRUE(parse_request(R"({"thread":{"type":"create"},)" + rest, RequestKind::messages));
  const auto request =
      parse_request(R"({"thread":{"type":"continue","previous_message_id":"msg_1"},)" + rest,
                    RequestKind::messages);
  ASSERT_FALSE(request);
  EXPECT_EQ(request.error().kind, ErrorKind::not_found);
  EXPECT_EQ(request.error().code, "thread_not_found");
}

TEST(ParseRequest, MalformedJsonNamesThePlace) {
  const auto request = parse_request("{\"model\": \"m\",\n oops}", RequestKind::messages);
  ASSERT_FALSE(request);
  EXPECT_EQ(request.error().kind, ErrorKind::invalid_request);
  EXPECT_TRUE(request.error().message.starts_with(
      "The request body is not valid JSON: line 2, column 2 (byte 16): "))
      << request.error().message;
  EXPECT_FALSE(parse_request("[]", RequestKind::messages));
}

/// A list of `count` times the same.
Json times(std::size_t count, const Json& one) {
  return Json::array_t(count, one);
}

TEST(ParseRequest, ListsHaveLimits) {
  const Json message = {{"role", "user"}, {"content", ""}};
  const Json text = {{"type", "text"}, {"text", ""}};
  EXPECT_EQ(refused({{"messages", times(kMaxMessages + 1, message)}}),
            "messages: List should have at most 100000 items, not 100001");
  EXPECT_EQ(refused({{"system", times(kMaxBlocks + 1, text)}}),
            "system: List should have at most 100000 items, not 100001");
  EXPECT_EQ(refused({{"stop_sequences", times(kMaxStopSequences + 1, "x")}}),
            "stop_sequences: List should have at most 1000 items, not 1001");
  EXPECT_EQ(refused({{"tools", times(kMaxTools + 1, Json::object())}}),
            "tools: List should have at most 10000 items, not 10001");
  EXPECT_EQ(refused(user(times(kMaxBlocks + 1, text))),
            "messages.0.content: A request should have at most 100000 content blocks");
  const Json result = {
      {"type", "tool_result"}, {"tool_use_id", "t"}, {"content", times(kMaxBlocks / 2, text)}};
  EXPECT_EQ(refused(user(Json::array({result, result}))),
            "messages.0.content.1.content: A request should have at most 100000 content blocks");
  accepted(user(Json::array({result})));
}

struct Refusal {
  const char* members; // of the body, as JSON
  const char* message;
};

class RefusedRequest : public testing::TestWithParam<Refusal> {};

TEST_P(RefusedRequest, NamesThePath) {
  EXPECT_EQ(refused(Json::parse(GetParam().members)), GetParam().message);
}

INSTANTIATE_TEST_SUITE_P(
    ParseRequest, RefusedRequest,
    testing::Values(
        Refusal{R"({"model":null})", "model: Field required"},
        Refusal{R"({"model":""})", "model: String should have at least 1 character"},
        Refusal{R"({"messages":[]})", "messages: at least one message is required"},
        Refusal{R"({"messages":{}})", "messages: Input should be a valid list"},
        Refusal{R"({"messages":["hi"]})", "messages.0: Input should be an object"},
        Refusal{R"({"messages":[{"content":"a"}]})", "messages.0.role: Field required"},
        Refusal{R"({"messages":[{"role":"tool","content":"a"}]})",
                "messages.0.role: Input should be 'user', 'assistant' or 'system'"},
        Refusal{R"({"messages":[{"role":"user","content":"a"},{"role":"user"}]})",
                "messages.1.content: Field required"},
        Refusal{R"({"messages":[{"role":"user","content":7}]})",
                "messages.0.content: Input should be a valid string or a list of content blocks"},
        Refusal{R"({"messages":[{"role":"user","content":[{"type":"text","text":"a"},{}]}]})",
                "messages.0.content.1.type: Field required"},
        Refusal{R"({"messages":[{"role":"user","content":[{"type":"text"}]}]})",
                "messages.0.content.0.text: Field required"},
        Refusal{R"({"messages":[{"role":"user","content":[{"type":"tool_result"}]}]})",
                "messages.0.content.0.tool_use_id: Field required"},
        Refusal{
            R"({"messages":[{"role":"user","content":[{"type":"tool_result","tool_use_id":"t","content":[{"type":"text","text":1}]}]}]})",
            "messages.0.content.0.content.0.text: Input should be a valid string"},
        Refusal{
            R"({"messages":[{"role":"assistant","content":[{"type":"tool_use","id":"t","name":"n","input":"{}"}]}]})",
            "messages.0.content.0.input: Input should be an object"},
        Refusal{
            R"({"messages":[{"role":"user","content":[{"type":"image","source":{"type":"base64","data":"a"}}]}]})",
            "messages.0.content.0.source.media_type: Field required"},
        Refusal{R"({"max_tokens":null})", "max_tokens: Field required"},
        Refusal{R"({"max_tokens":0})", "max_tokens: Input should be greater than or equal to 1"},
        Refusal{R"({"max_tokens":1.5})", "max_tokens: Input should be a valid integer"},
        Refusal{R"({"max_tokens":99999999999})",
                "max_tokens: Input should be less than or equal to 2147483647"},
        Refusal{R"({"max_tokens":18446744073709551615})",
                "max_tokens: Input should be a valid integer"},
        Refusal{R"({"temperature":1.5})", "temperature: Input should be less than or equal to 1.0"},
        Refusal{R"({"temperature":"hot"})", "temperature: Input should be a valid number"},
        Refusal{R"({"top_p":-0.1})", "top_p: Input should be greater than or equal to 0.0"},
        Refusal{R"({"top_k":-1})", "top_k: Input should be greater than or equal to 0"},
        Refusal{R"({"stream":"yes"})", "stream: Input should be a valid boolean"},
        Refusal{R"({"stop_sequences":"x"})", "stop_sequences: Input should be a valid list"},
        Refusal{R"({"stop_sequences":["x",3]})",
                "stop_sequences.1: Input should be a valid string"},
        Refusal{R"({"stop_sequences":["\n"]})",
                "stop_sequences.0: each stop sequence must contain non-whitespace"},
        Refusal{R"({"tools":[{"input_schema":{}}]})", "tools.0.name: Field required"},
        Refusal{R"({"tools":[{"name":"a b","input_schema":{}}]})",
                "tools.0.name: String should match pattern '^[a-zA-Z0-9_-]{1,128}$'"},
        Refusal{R"({"tools":[{"name":"a"}]})", "tools.0.input_schema: Field required"},
        Refusal{R"({"tools":[{"name":"a","input_schema":[]}]})",
                "tools.0.input_schema: Input should be an object"},
        Refusal{R"({"tools":[{"name":"a","input_schema":{}},{"name":"a","input_schema":{}}]})",
                R"(tools.1.name: Tool names must be unique, and "a" is not)"},
        Refusal{R"({"tool_choice":{"type":"any"}})",
                "tool_choice: 'any' needs at least one tool in tools"},
        Refusal{R"({"tool_choice":{"type":"tool","name":"x"}})",
                "tool_choice.name: Tool 'x' not found in tools"},
        Refusal{R"({"tool_choice":{"type":"some"}})",
                "tool_choice.type: Input should be 'auto', 'any', 'tool' or 'none'"},
        Refusal{
            R"({"thinking":{"type":"deep"}})",
            "thinking.type: Input should be 'adaptive', 'between_tools', 'disabled' or 'enabled'"},
        Refusal{R"({"thinking":{"type":"enabled","budget_tokens":0}})",
                "thinking.budget_tokens: Input should be greater than or equal to 1"},
        Refusal{R"({"output_config":{"effort":3}})",
                "output_config.effort: Input should be a valid string"},
        Refusal{R"({"output_config":{"format":{"type":"xml"}}})",
                "output_config.format.type: Input should be 'json_schema'"}));

} // namespace
} // namespace anyclaude::anthropic
