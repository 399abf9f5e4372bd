#include "prompt/tool_order.h"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <fstream>
#include <system_error>
#include <utility>

namespace anyclaude::prompt {

namespace {

/// Claude Code's sets of tools are nested: agents that only read have the first of these, those
/// that also write have the second, the main loop has all. Names of 2.1.197 to 2.1.330.
constexpr std::array<std::string_view, 8> kEveryAgent = {"Bash", "Read", "Skill",    "ToolSearch",
                                                         "Grep", "Glob", "WebFetch", "WebSearch"};
constexpr std::array<std::string_view, 5> kWriters = {"Agent", "Task", "Edit", "Write",
                                                      "NotebookEdit"};
constexpr std::array<std::string_view, 8> kMainLoop = {
    "ReportFindings", "Workflow",        "ListAgents",    "ScheduleWakeup",
    "TaskOutput",     "AskUserQuestion", "EnterPlanMode", "ExitPlanMode"};

/// Where a name stands, the smallest in front. Names that nobody knew before the first request are
/// more often every agent's than the main loop's alone.
enum Tier { kOfEveryAgent, kFirstSeen, kOfWriters, kOfMainLoop, kSeenLater, kMcp };
constexpr int kTier = 1 << 20; // between the ranks of two

bool is_mcp(std::string_view name) {
  return name.starts_with("mcp__");
}

/// A tenant's name is a hash or a word of the person who runs the server.
bool is_file_name(std::string_view tenant) {
  return !tenant.empty() && tenant.size() <= 100 &&
         std::ranges::all_of(
             tenant, [](unsigned char c) { return std::isalnum(c) != 0 || c == '-' || c == '_'; });
}

} // namespace

ToolOrder::ToolOrder(std::filesystem::path folder) : folder_(std::move(folder)) {}

/// One name a line, in the order in which they were learned; an empty line behind those of the
/// first request.
ToolOrder::Order& ToolOrder::of(const std::string& tenant) {
  if (const auto known = by_tenant_.find(tenant); known != by_tenant_.end())
    return known->second;
  if (by_tenant_.size() >= kTenants)
    by_tenant_.clear(); // the files have them
  Order& order = by_tenant_[tenant];
  for (const std::string_view name : kEveryAgent)
    order.add(name, kOfEveryAgent);
  for (const std::string_view name : kWriters)
    order.add(name, kOfWriters);
  for (const std::string_view name : kMainLoop)
    order.add(name, kOfMainLoop);
  if (folder_.empty() || !is_file_name(tenant))
    return order;
  std::ifstream file(folder_ / tenant);
  for (std::string line; std::getline(file, line);) {
    if (line.empty())
      order.is_begun = true;
    else if (file.good() &&
             order.ranks.size() < kNames) // one without its end was not written whole
      order.learn(line);
  }
  return order;
}

void ToolOrder::Order::add(std::string_view name, int tier) {
  ranks.emplace(name, tier * kTier + static_cast<int>(ranks.size()));
}

int ToolOrder::Order::learn(std::string_view name) {
  add(name, is_mcp(name) ? kMcp : is_begun ? kSeenLater : kFirstSeen);
  return ranks.at(std::string(name));
}

std::vector<int> ToolOrder::ranks(const std::string& tenant,
                                  std::span<const std::string_view> names) {
  const std::scoped_lock lock(mutex_);
  Order& known = of(tenant);
  std::string learned;
  std::vector<int> result;
  result.reserve(names.size());
  for (const std::string_view name : names) {
    if (const auto found = known.ranks.find(std::string(name)); found != known.ranks.end()) {
      result.push_back(found->second);
    } else if (known.ranks.size() < kNames && !name.contains('\n') && !name.empty()) {
      result.push_back(known.learn(name));
      learned += std::string(name) + "\n";
    } else { // behind those that are remembered
      result.push_back(((is_mcp(name) ? kMcp : kSeenLater) + 1) * kTier - 1);
    }
  }
  if (!names.empty() && !std::exchange(known.is_begun, true))
    learned += "\n";
  if (!learned.empty() && !folder_.empty() && is_file_name(tenant))
    save(tenant, learned);
  return result;
}

void ToolOrder::save(const std::string& tenant, const std::string& names) const {
  std::error_code ignored;
  if (!std::filesystem::exists(folder_ / tenant, ignored))
    forget_oldest_file();
  std::ofstream file(folder_ / tenant, std::ios::app);
  if (!(file << names << std::flush))
    spdlog::warn("cannot write {}: the order of tools may change after a restart",
                 (folder_ / tenant).native());
}

/// A token that nobody uses any more leaves a file behind.
void ToolOrder::forget_oldest_file() const {
  std::error_code ignored;
  std::size_t files = 0;
  std::filesystem::path oldest;
  std::filesystem::file_time_type oldest_time;
  for (const auto& entry : std::filesystem::directory_iterator(folder_, ignored)) {
    const auto time = entry.last_write_time(ignored);
    if (files++ == 0 || time < oldest_time) {
      oldest = entry.path();
      oldest_time = time;
    }
  }
  if (files >= kTenants)
    std::filesystem::remove(oldest, ignored);
}

std::map<std::string, int, std::less<>> rank_tools(ToolOrder& order, const std::string& tenant,
                                                   const anthropic::Request& request) {
  std::vector<std::string_view> names;
  for (const anthropic::Tool& tool : request.tools)
    if (tool.server_type.empty() && !tool.defer_loading)
      names.emplace_back(tool.name);
  const auto ranks = order.ranks(tenant, names);
  std::map<std::string, int, std::less<>> by_name;
  for (std::size_t i = 0; i < names.size(); ++i)
    by_name.emplace(names[i], ranks[i]);
  return by_name;
}

} // namespace anyclaude::prompt
