#include "backend/route_rules.h"

#include "anthropic/json_text.h"
#include "backend/server_tools.h"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <format>
#include <variant>

namespace anyclaude::backend {
namespace {

constexpr std::int64_t kCharactersPerToken = 4;
constexpr std::int64_t kImageTokens = 1500;

char lower(char c) {
  return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c;
}

/// Characters of a block's text.
struct Size {
  template <typename Blocks>
  static std::int64_t of(const Blocks& blocks) {
    std::int64_t sum = 0;
    for (const auto& block : blocks)
      sum += std::visit(Size{}, block);
    return sum;
  }

  std::int64_t operator()(const anthropic::TextBlock& block) const { return size(block.text); }
  std::int64_t operator()(const anthropic::ImageBlock&) const {
    return kImageTokens * kCharactersPerToken;
  }
  std::int64_t operator()(const anthropic::ThinkingBlock& block) const {
    return size(block.thinking);
  }
  std::int64_t operator()(const anthropic::ToolUseBlock& block) const {
    return size(block.name) + size(anthropic::json_text(block.input));
  }
  std::int64_t operator()(const anthropic::ToolResultBlock& block) const {
    return of(block.content);
  }
  std::int64_t operator()(const anthropic::ToolReferenceBlock& block) const {
    return size(block.tool_name);
  }
  std::int64_t operator()(const anthropic::UnsupportedBlock& block) const {
    return size(block.description);
  }

  static std::int64_t size(std::string_view text) { return static_cast<std::int64_t>(text.size()); }
};

bool fits(const std::optional<bool>& wanted, bool is) {
  return !wanted || *wanted == is;
}

bool holds(const RouteRule& rule, const anthropic::Request& request, const Caller& caller,
           std::optional<std::int64_t>& tokens) {
  if ((!rule.model.empty() && !glob_matches(rule.model, request.model)) ||
      !fits(rule.background, caller.background) || !fits(rule.tools, !request.tools.empty()) ||
      !fits(rule.subagent, !caller.agent.empty()) ||
      !fits(rule.server_tools, offers_server_tool(request)))
    return false;
  if (rule.min_tokens == 0 && rule.max_tokens == 0)
    return true;
  if (!tokens) // prints every tool's schema: for rules that ask for it
    tokens = estimated_tokens(request);
  return *tokens >= rule.min_tokens && (rule.max_tokens == 0 || *tokens <= rule.max_tokens);
}

std::string listed(const std::vector<std::string>& names) {
  std::string out;
  for (const std::string& name : names)
    out += (out.empty() ? "" : ", ") + name;
  return out.empty() ? "none" : out;
}

std::expected<void, std::string> check_targets(const std::string& where,
                                               const std::vector<RouteTarget>& targets,
                                               const std::vector<std::string>& backends,
                                               bool allow_cloud) {
  if (targets.empty())
    return std::unexpected(where + " names no backend");
  for (std::size_t i = 0; i < targets.size(); ++i) {
    const RouteTarget& target = targets[i];
    if (std::ranges::find(backends, target.backend) == backends.end())
      return std::unexpected(std::format("{} names the backend \"{}\"; there are: {}", where,
                                         target.backend, listed(backends)));
    if (target.backend != kCloud || i == 0)
      continue;
    if (!allow_cloud)
      return std::unexpected(where +
                             " falls back to the real Claude: set cloud = true in [fallback] "
                             "if prompts may leave this machine, or take it out");
    if (target.model.empty())
      return std::unexpected(where + " falls back to the real Claude without saying to which "
                                     "model, as claude:MODEL; a local model's name means nothing "
                                     "there");
  }
  return {};
}

} // namespace

std::int64_t estimated_tokens(const anthropic::Request& request) {
  std::int64_t characters = 0;
  for (const std::string& text : request.system)
    characters += Size::size(text);
  for (const anthropic::Message& message : request.messages)
    characters += Size::of(message.content);
  for (const anthropic::Tool& tool : request.tools)
    if (!tool.defer_loading)
      characters += Size::size(tool.name) + Size::size(tool.description) +
                    Size::size(anthropic::json_text(*tool.input_schema));
  return characters / kCharactersPerToken;
}

bool glob_matches(std::string_view glob, std::string_view text) {
  std::size_t g = 0;
  std::size_t t = 0;
  std::size_t star = std::string_view::npos; // the last '*' seen
  std::size_t taken = 0;                     // of the text, up to where it matched
  while (t < text.size()) {
    if (g < glob.size() && glob[g] == '*') {
      star = g++;
      taken = t;
    } else if (g < glob.size() && (glob[g] == '?' || lower(glob[g]) == lower(text[t]))) {
      ++g;
      ++t;
    } else if (star != std::string_view::npos) {
      g = star + 1; // the star takes one more
      t = ++taken;
    } else {
      return false;
    }
  }
  while (g < glob.size() && glob[g] == '*')
    ++g;
  return g == glob.size();
}

const std::vector<RouteTarget>&
targets_for(const RoutingTable& table, const anthropic::Request& request, const Caller& caller) {
  std::optional<std::int64_t> tokens;
  for (const RouteRule& rule : table.rules)
    if (holds(rule, request, caller, tokens))
      return rule.targets;
  return table.otherwise;
}

std::expected<void, std::string> check_routing(const RoutingTable& table,
                                               const std::vector<std::string>& backends) {
  for (std::size_t i = 0; i < table.rules.size(); ++i) {
    const RouteRule& rule = table.rules[i];
    const std::string where = std::format("rule {}", i + 1);
    if (auto checked = check_targets(where, rule.targets, backends, table.allow_cloud_fallback);
        !checked)
      return checked;
    if (rule.min_tokens < 0 || rule.max_tokens < 0 ||
        (rule.max_tokens > 0 && rule.max_tokens < rule.min_tokens))
      return std::unexpected(where + " has a range of tokens that no prompt is in");
  }
  return check_targets("the default route", table.otherwise, backends, table.allow_cloud_fallback);
}

} // namespace anyclaude::backend
