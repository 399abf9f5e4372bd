#include "prompt/prompt_text.h"
#include "prompt/tool_order.h"

#include <nlohmann/json.hpp>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <iterator>

namespace anyclaude::prompt {
namespace {

namespace fs = std::filesystem;
using Names = std::vector<std::string_view>;

Names ordered(ToolOrder& order, Names names, const std::string& tenant = "ann") {
  const auto ranks = order.ranks(tenant, names);
  std::vector<std::size_t> places(names.size());
  for (std::size_t i = 0; i < places.size(); ++i)
    places[i] = i;
  std::ranges::stable_sort(places, {}, [&](std::size_t place) { return ranks[place]; });
  Names sorted;
  for (const std::size_t place : places)
    sorted.push_back(names[place]);
  return sorted;
}

class ToolOrderFolder : public testing::Test {
 protected:
  ToolOrderFolder() {
    fs::remove_all(folder_);
    fs::create_directories(folder_);
  }
  ~ToolOrderFolder() override { fs::remove_all(folder_); }
  const fs::path folder_ =
      fs::temp_directory_path() / ("tool_order_test_" + std::to_string(::getpid()));
};

TEST(ToolOrder, TheFewToolsOfASubagentAreTheBeginningOfTheMany) {
  ToolOrder order;
  const Names many = ordered(order, {"Agent", "Bash", "Edit", "ListAgents", "Read", "Skill",
                                     "ToolSearch", "Workflow", "Write"});
  const Names few = ordered(order, {"Bash", "Read", "Skill", "ToolSearch"});
  const Names more =
      ordered(order, {"Agent", "Bash", "Edit", "Read", "Skill", "ToolSearch", "Write"});
  EXPECT_EQ(few, Names(many.begin(), many.begin() + 4));
  EXPECT_EQ(more, Names(many.begin(), many.begin() + 7));
}

/// As 2.1.197 has them: most of its tools are every agent's, and by no name known here.
TEST(ToolOrder, WhatTheFirstRequestBringsIsTakenForEveryAgents) {
  ToolOrder order;
  const Names many = ordered(order, {"Agent", "Bash", "CronCreate", "Edit", "Read", "TaskCreate",
                                     "TaskOutput", "WebFetch", "Workflow", "Write"});
  const Names few = ordered(order, {"Bash", "CronCreate", "Read", "TaskCreate", "WebFetch"});
  const Names more = ordered(
      order, {"Agent", "Bash", "CronCreate", "Edit", "Read", "TaskCreate", "WebFetch", "Write"});
  EXPECT_EQ(few, Names(many.begin(), many.begin() + 5));
  EXPECT_EQ(more, Names(many.begin(), many.begin() + 8));
  const Names later = ordered(order, {"Agent", "Bash", "New", "Workflow"});
  EXPECT_EQ(later, (Names{"Bash", "Agent", "Workflow", "New"}));
}

TEST(ToolOrder, NewNamesGoToTheEndAndMcpToolsBehindThem) {
  ToolOrder order;
  EXPECT_EQ(ordered(order, {"mcp__a__b", "Zeta", "Bash"}), (Names{"Bash", "Zeta", "mcp__a__b"}));
  EXPECT_EQ(ordered(order, {"Alpha", "mcp__0__0", "mcp__a__b", "Zeta", "Bash"}),
            (Names{"Bash", "Zeta", "Alpha", "mcp__a__b", "mcp__0__0"}));
  EXPECT_EQ(ordered(order, {"Alpha", "Zeta"}), (Names{"Zeta", "Alpha"}));
}

TEST(ToolOrder, ATenantsOrderIsItsOwn) {
  ToolOrder order;
  ordered(order, {"One", "Two"}, "ann");
  EXPECT_EQ(ordered(order, {"Two", "One"}, "bob"), (Names{"Two", "One"}));
  EXPECT_EQ(ordered(order, {"Two", "One"}, "ann"), (Names{"One", "Two"}));
}

TEST_F(ToolOrderFolder, IsKept) {
  {
    ToolOrder order(folder_);
    ordered(order, {"One", "mcp__x__y", "Two", "Edit"});
    ordered(order, {"Three", "Two"});
  }
  ToolOrder order(folder_);
  EXPECT_EQ(ordered(order, {"mcp__x__y", "Edit", "Three", "Two", "New", "One"}),
            (Names{"One", "Two", "Edit", "Three", "New", "mcp__x__y"}));
}

TEST_F(ToolOrderFolder, ALineThatWasNotWrittenWholeIsNoName) {
  std::ofstream(folder_ / "ann") << "One\nTw";
  ToolOrder order(folder_);
  EXPECT_EQ(ordered(order, {"Tw", "Two", "One"}), (Names{"One", "Tw", "Two"}));
}

TEST_F(ToolOrderFolder, FilesOfForgottenTenantsGo) {
  ToolOrder order(folder_);
  for (std::size_t i = 0; i < ToolOrder::kTenants + 5; ++i)
    ordered(order, {"One"}, "tenant" + std::to_string(i));
  EXPECT_EQ(static_cast<std::size_t>(std::distance(fs::directory_iterator(folder_), {})),
            ToolOrder::kTenants);
}

TEST_F(ToolOrderFolder, ATenantsNameIsNoPath) {
  ToolOrder order(folder_ / "inner");
  fs::create_directory(folder_ / "inner");
  ordered(order, {"One"}, "../outside");
  EXPECT_FALSE(fs::exists(folder_ / "outside"));
}

TEST(ToolOrder, ATenantCannotFillTheMemory) {
  ToolOrder order;
  for (std::size_t i = 0; i < 3 * ToolOrder::kNames; ++i)
    ordered(order, {std::to_string(i)});
  EXPECT_EQ(ordered(order, {"mcp__late__one", "late", "Bash"}),
            (Names{"Bash", "late", "mcp__late__one"}));
}

TEST(ToolOrder, PromptsObeyIt) {
  const auto body = [](const std::vector<std::string>& names) {
    Json tools = Json::array();
    for (const std::string& name : names)
      tools.push_back(
          {{"name", name}, {"description", "of " + name}, {"input_schema", {{"type", "object"}}}});
    return Json{{"model", "m"},
                {"max_tokens", 9},
                {"tools", tools},
                {"messages", {{{"role", "user"}, {"content", "Hi"}}}}}
        .dump();
  };
  const auto shuffled = body({"Write", "Agent", "Bash"});
  EXPECT_EQ(prompt_text(shuffled), prompt_text(body({"Bash", "Agent", "Write"})));
  EXPECT_LT(prompt_text(shuffled, Layout::as_sent).find("of Write"),
            prompt_text(shuffled, Layout::as_sent).find("of Bash"));
}

} // namespace
} // namespace anyclaude::prompt
