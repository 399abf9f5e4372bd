#pragma once

#include "anthropic/error.h"
#include "backend/backend.h"
#include "gateway/http_server.h"

#include <expected>
#include <string>
#include <string_view>
#include <vector>

namespace anyclaude::gateway {

/// A secret that opens the gateway, and who holds it.
struct Token {
  std::string secret;
  std::string tenant; // empty: named after a hash of the secret
};

/// The tenant of whoever started the server, where nobody chose a token.
inline constexpr const char* kOwner = "owner";

/// The tenant of a token that has none: 128 bits of a hash, so that the same token is the same
/// tenant after a restart, and two never meet.
std::string tenant_of(std::string_view secret);

/// Whether only this machine reaches what listens there: "127.0.0.1", "localhost", "::1".
bool is_loopback(const std::string& host);

struct AccessOptions {
  std::vector<Token> tokens{}; // none: every request that needs one is refused
  std::string bound_host = "127.0.0.1";
  std::vector<std::string> allowed_hosts{};   // names beside localhost, without a port
  std::vector<std::string> allowed_origins{}; // such as "https://app.example"; none by default
  std::string token_hint{};                   // a sentence for who has no token: where it is
};

/// Decides who may ask, from the head of a request alone. Immutable, so thread-safe.
class Access {
 public:
  explicit Access(AccessOptions options);

  /// A page in a browser can send requests to this machine, under a name that it made resolve to
  /// 127.0.0.1; the browser tells on it in the Host and Origin headers. Refuses foreign ones (403).
  std::expected<void, anthropic::Error> check_source(const HttpRequest& request) const;

  /// What a browser shows in place of a token to look at the dashboard, and at nothing else: made
  /// from the token, which cannot be found from it. Empty for what is no token of this server's.
  std::string pass_of(std::string_view secret) const;
  bool has_pass(std::string_view pass) const;

  /// Who holds the token in the path, or else in `authorization: Bearer` or `x-api-key` (401 when
  /// nobody does). With one in the path the headers are not looked at: they are another server's.
  /// The time it takes says nothing about the tokens.
  std::expected<backend::Caller, anthropic::Error> identify(const HttpRequest& request,
                                                            std::string_view path_token = {}) const;

 private:
  bool host_allowed(std::string_view host) const;
  const Token* find(std::string_view secret) const;
  anthropic::Error refusal(std::string message) const;

  AccessOptions options_;
};

} // namespace anyclaude::gateway
