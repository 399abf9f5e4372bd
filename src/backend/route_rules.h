#pragma once

#include "anthropic/messages.h"
#include "backend/backend.h"

#include <cstdint>
#include <expected>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

/// Which backend answers which request, as plain data (docs/routing.md).
namespace anyclaude::backend {

/// The name of the real Claude among backends. Requests for it pass through untouched.
inline constexpr std::string_view kCloud = "claude";

struct RouteTarget {
  std::string backend;
  std::string model{}; // to ask it for; empty: its own, and of the real Claude the client's
};

/// A rule holds for a request when everything that it states does.
struct RouteRule {
  std::string model{};                // a glob: '*' any text, '?' one character; case is ignored
  std::optional<bool> background{};   // a title, a summary, a subagent: nobody looks at the answer
  std::optional<bool> tools{};        // the request brings tools
  std::optional<bool> subagent{};     // of Claude Code
  std::optional<bool> server_tools{}; // it brings tools that Anthropic's servers carry out
  std::int64_t min_tokens = 0;        // of the prompt, estimated; 0: any
  std::int64_t max_tokens = 0;        // 0: any
  std::vector<RouteTarget> targets{}; // the first that is up; the others are its fallbacks
};

struct RoutingTable {
  std::vector<RouteRule> rules{};       // the first that holds counts
  std::vector<RouteTarget> otherwise{}; // where none does
  /// Whether the real Claude may stand in for a backend that is down: prompts then leave the
  /// machine. A rule that names it first needs no leave.
  bool allow_cloud_fallback = false;
};

/// The targets of the first rule that holds.
const std::vector<RouteTarget>&
targets_for(const RoutingTable& table, const anthropic::Request& request, const Caller& caller);

/// Tokens of the prompt, as characters / 4; an image counts as 1,500. Within a third of the truth
/// for English and code.
std::int64_t estimated_tokens(const anthropic::Request& request);

/// Whether all of `text` is what `glob` describes; letters of ASCII match in either case.
bool glob_matches(std::string_view glob, std::string_view text);

/// The error says which rule is wrong and what it should be. `backends`: the names there are, the
/// real Claude's among them where it may be used.
std::expected<void, std::string> check_routing(const RoutingTable& table,
                                               const std::vector<std::string>& backends);

} // namespace anyclaude::backend
