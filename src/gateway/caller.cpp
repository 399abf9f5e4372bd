#include "gateway/caller.h"

#include <blake3.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <format>
#include <string>
#include <string_view>
#include <variant>

namespace anyclaude::gateway {
namespace {

/// Whether nobody looks at the answer while it is made. Claude Code says so itself when it is told
/// to (CLAUDE_CODE_GATEWAY_HINT_HEADERS); otherwise a subagent is known by its id, and a title or a
/// summary by having no tools, which its conversations always have. Any other client's requests are
/// all alike.
bool is_background(const HttpRequest& http, const anthropic::Request& request) {
  const std::string_view kind = http.header("x-claude-code-request-class");
  if (!kind.empty())
    return kind == "subagent" || kind == "workflow" || kind == "auxiliary";
  if (!http.header("x-claude-code-agent-id").empty())
    return true;
  return !http.header("x-claude-code-session-id").empty() && request.tools.empty();
}

/// A client's own id, cut to a length that no id needs.
std::string client_id(std::string_view id) {
  constexpr std::size_t kLongest = 128;
  return std::string(id.substr(0, kLongest));
}

/// What stays the same through a conversation: the client's own name for it, the launcher's
/// session, or the words that it began with.
std::string_view conversation(const backend::Caller& caller, const anthropic::Request& request) {
  if (!caller.session.empty())
    return caller.session;
  const auto first =
      std::ranges::find(request.messages, anthropic::Role::user, &anthropic::Message::role);
  if (first != request.messages.end())
    for (const auto& block : first->content)
      if (const auto* text = std::get_if<anthropic::TextBlock>(&block))
        return text->text;
  return {};
}

/// 128 bits: a server that is sent it learns no name.
std::string session_key(std::string_view tenant, std::string_view conversation) {
  if (conversation.empty())
    return {};
  blake3_hasher hasher;
  blake3_hasher_init_derive_key(&hasher, "anyclaude session key");
  const std::uint64_t tenant_size = tenant.size();
  blake3_hasher_update(&hasher, &tenant_size, sizeof tenant_size);
  blake3_hasher_update(&hasher, tenant.data(), tenant.size());
  blake3_hasher_update(&hasher, conversation.data(), conversation.size());
  std::array<std::uint8_t, 16> hash{};
  blake3_hasher_finalize(&hasher, hash.data(), hash.size());
  std::string out;
  for (const std::uint8_t byte : hash)
    out += std::format("{:02x}", byte);
  return out;
}

} // namespace

backend::Caller describe_caller(backend::Caller caller, const HttpRequest& http, const Route& route,
                                const anthropic::Request& request) {
  caller.background = is_background(http, request);
  caller.is_private = route.is_private;
  caller.session = client_id(http.header("x-claude-code-session-id"));
  if (caller.session.empty())
    caller.session = route.session;
  caller.agent = client_id(http.header("x-claude-code-agent-id"));
  caller.session_key = session_key(caller.tenant, conversation(caller, request));
  return caller;
}

} // namespace anyclaude::gateway
