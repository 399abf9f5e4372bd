#include "backend/route_rules.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

namespace anyclaude::backend {
namespace {

using anthropic::Request;

Request asking(std::string model, std::size_t characters = 4) {
  Request request;
  request.model = std::move(model);
  request.messages = {
      {anthropic::Role::user, {anthropic::TextBlock{std::string(characters, 'x')}}}};
  return request;
}

anthropic::Tool tool(std::string name, std::string description) {
  anthropic::Tool made;
  made.name = std::move(name);
  made.description = std::move(description);
  made.input_schema = Json::object();
  return made;
}

std::string first(const RoutingTable& table, const Request& request, const Caller& caller = {}) {
  return targets_for(table, request, caller).front().backend;
}

TEST(Glob, DescribesWholeNames) {
  EXPECT_TRUE(glob_matches("*opus*", "claude-opus-4-1"));
  EXPECT_TRUE(glob_matches("*OPUS*", "claude-Opus-4"));
  EXPECT_TRUE(glob_matches("claude-?pus", "claude-opus"));
  EXPECT_TRUE(glob_matches("*", ""));
  EXPECT_TRUE(glob_matches("a*b*c", "a-b-b-xc"));
  EXPECT_TRUE(glob_matches("*aab", "aaaab"));
  EXPECT_FALSE(glob_matches("opus", "claude-opus-4"));
  EXPECT_FALSE(glob_matches("*opus", "claude-opus-4"));
  EXPECT_FALSE(glob_matches("a?", "a"));
  EXPECT_FALSE(glob_matches("", "a"));
}

TEST(Rules, TheFirstThatHoldsCounts) {
  const RoutingTable table{.rules = {{.model = "*haiku*", .targets = {{"small"}}},
                                     {.background = true, .targets = {{"idle"}}},
                                     {.subagent = true, .targets = {{"agents"}}},
                                     {.tools = false, .max_tokens = 100, .targets = {{"short"}}},
                                     {.min_tokens = 1'000, .targets = {{"long"}}}},
                           .otherwise = {{"main"}}};
  Request with_tools = asking("claude-sonnet-4-5");
  with_tools.tools = {tool("Bash", "")};
  EXPECT_EQ(first(table, with_tools), "main");
  EXPECT_EQ(first(table, asking("claude-haiku-4-5"), {.tenant = "", .background = true}), "small");
  EXPECT_EQ(first(table, with_tools, {.tenant = "", .background = true, .agent = "explore-1"}),
            "idle");
  EXPECT_EQ(first(table, with_tools, {.tenant = "", .agent = "explore-1"}), "agents");
  EXPECT_EQ(first(table, asking("m")), "short");
  EXPECT_EQ(first(table, asking("m", 396)), "short");
  EXPECT_EQ(first(table, asking("m", 408)), "main");
  EXPECT_EQ(first(table, asking("m", 4'000)), "long");
  EXPECT_EQ(first(table, asking("m", 3'900)), "main");
}

TEST(Rules, ToolsOfAnthropicsServersAreToldApart) {
  const RoutingTable table{.rules = {{.server_tools = true, .targets = {{"claude"}}}},
                           .otherwise = {{"main"}}};
  Request request = asking("m");
  request.tools = {tool("web_search", "")};
  EXPECT_EQ(first(table, request), "main") << "the client's own tool of that name";
  request.tools.front().server_type = "web_search_20250305";
  EXPECT_EQ(first(table, request), "claude");
}

TEST(Rules, AllOfAPromptCounts) {
  Request request = asking("m", 400);
  request.system = {std::string(400, 's')};
  request.tools = {tool("t", std::string(397, 'd'))};
  EXPECT_EQ(estimated_tokens(request), 300);
  request.tools.front().defer_loading = true; // its schema is not shown
  EXPECT_EQ(estimated_tokens(request), 200);
  request.messages.front().content.emplace_back(
      anthropic::ImageBlock{"image/png", std::make_shared<const std::string>("AAAA")});
  EXPECT_EQ(estimated_tokens(request), 1'700);
}

TEST(RoutingCheck, SaysWhichRuleIsWrong) {
  const std::vector<std::string> names{"main", "claude"};
  const auto error = [&](const RoutingTable& table) {
    const auto checked = check_routing(table, names);
    return checked ? std::string() : checked.error();
  };
  EXPECT_EQ(error({.otherwise = {{"main"}}}), "");
  EXPECT_THAT(error({}), testing::HasSubstr("the default route names no backend"));
  EXPECT_EQ(
      error({.rules = {{.targets = {{"main"}}}, {.targets = {{"gpu"}}}}, .otherwise = {{"main"}}}),
      "rule 2 names the backend \"gpu\"; there are: main, claude");
  EXPECT_THAT(error({.rules = {{.min_tokens = 9, .max_tokens = 3, .targets = {{"main"}}}},
                     .otherwise = {{"main"}}}),
              testing::StartsWith("rule 1 has a range"));
}

/// Prompts leave the machine only where the person has said so.
TEST(RoutingCheck, TheRealClaudeStandsInOnlyWhereThatIsAllowed) {
  RoutingTable table{.otherwise = {{"main"}, {"claude", "claude-sonnet-4-5"}}};
  const std::vector<std::string> names{"main", "claude"};
  const auto refused = check_routing(table, names);
  ASSERT_FALSE(refused);
  EXPECT_THAT(refused.error(), testing::HasSubstr("cloud = true in [fallback]"));
  table.allow_cloud_fallback = true;
  EXPECT_TRUE(check_routing(table, names));
  table.otherwise.back().model.clear();
  EXPECT_FALSE(check_routing(table, names)) << "a local model's name means nothing to it";
  table = {.rules = {{.model = "*opus*", .targets = {{"claude"}}}}, .otherwise = {{"main"}}};
  EXPECT_TRUE(check_routing(table, names)) << "a rule that names it first is leave enough";
}

} // namespace
} // namespace anyclaude::backend
