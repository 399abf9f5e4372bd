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

/// In how many of Claude Code's tool sets a name is, by falling number: every agent has the first
/// few. Other names follow in the order in which they are first seen.
constexpr std::array<std::string_view, 12> kCommonest = {"Bash", "Read",  "Skill",    "ToolSearch",
                                                         "Grep", "Glob",  "Agent",    "Task",
                                                         "Edit", "Write", "WebFetch", "WebSearch"};
constexpr int kMcp = 1 << 20; // added to the rank of an MCP server's tool

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

/// One name a line, in the order in which they were learned.
ToolOrder::Ranks& ToolOrder::of(const std::string& tenant) {
  if (const auto known = by_tenant_.find(tenant); known != by_tenant_.end())
    return known->second;
  if (by_tenant_.size() >= kTenants)
    by_tenant_.clear(); // the files have them
  Ranks& ranks = by_tenant_[tenant];
  const auto learn = [&ranks](std::string_view name) {
    if (ranks.size() < kNames)
      ranks.emplace(name, static_cast<int>(ranks.size()) + (is_mcp(name) ? kMcp : 0));
  };
  std::ranges::for_each(kCommonest, learn);
  if (folder_.empty() || !is_file_name(tenant))
    return ranks;
  std::ifstream file(folder_ / tenant);
  for (std::string line; std::getline(file, line);)
    if (!line.empty() && file.good()) // a line without its end was not written whole
      learn(line);
  return ranks;
}

std::vector<int> ToolOrder::ranks(const std::string& tenant,
                                  std::span<const std::string_view> names) {
  const std::scoped_lock lock(mutex_);
  Ranks& known = of(tenant);
  std::string learned;
  std::vector<int> result;
  result.reserve(names.size());
  for (const std::string_view name : names) {
    const int next = static_cast<int>(known.size()) + (is_mcp(name) ? kMcp : 0);
    if (const auto found = known.find(std::string(name)); found != known.end()) {
      result.push_back(found->second);
    } else if (known.size() < kNames && !name.contains('\n')) {
      known.emplace(name, next);
      result.push_back(next);
      learned += std::string(name) + "\n";
    } else {
      result.push_back(is_mcp(name) ? 2 * kMcp : kMcp - 1);
    }
  }
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
