#pragma once

#include "anthropic/messages.h"

#include <cstddef>
#include <filesystem>
#include <functional>
#include <map>
#include <mutex>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace anyclaude::prompt {

/// One order of tools for all requests of a tenant, so that a subagent's few tools are the
/// beginning of the main loop's many. The tools that most sets have come first, and among them what
/// the first request had and nobody knew; names that are seen later go to the end, MCP servers'
/// tools behind all others; no name ever changes its place relative to the names known before it.
/// Kept in a file per tenant, if a folder is given. Thread-safe.
class ToolOrder {
 public:
  static constexpr std::size_t kNames = 1000; // that are remembered of a tenant
  static constexpr std::size_t kTenants = 64; // whose orders are in memory, and in the folder

  /// `folder` exists and is private; empty: nothing is kept.
  explicit ToolOrder(std::filesystem::path folder = {});

  /// A rank for each of `names`, smaller ones first; equal ranks keep the client's order. Learns
  /// the names that are new.
  std::vector<int> ranks(const std::string& tenant, std::span<const std::string_view> names);

 private:
  struct Order {
    std::unordered_map<std::string, int> ranks;
    bool is_begun = false; // there was a request with tools

    void add(std::string_view name, int tier);
    int learn(std::string_view name); // its rank
  };
  Order& of(const std::string& tenant); // locked, as the next two are
  void save(const std::string& tenant, const std::string& names) const;
  void forget_oldest_file() const;

  std::filesystem::path folder_;
  std::mutex mutex_;
  std::unordered_map<std::string, Order> by_tenant_;
};

/// The ranks of a request's own tools that are shown from the start, by name; for Arrangement.
std::map<std::string, int, std::less<>> rank_tools(ToolOrder& order, const std::string& tenant,
                                                   const anthropic::Request& request);

} // namespace anyclaude::prompt
