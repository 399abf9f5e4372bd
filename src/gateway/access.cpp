#include "gateway/access.h"

#include "gateway/http_text.h"
#include "text/utf8.h"

#include <arpa/inet.h>
#include <blake3.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <format>
#include <utility>

namespace anyclaude::gateway {

using anthropic::Error;
using anthropic::ErrorKind;

namespace {

/// 128 bits of BLAKE3, for one purpose.
std::string derived(const char* purpose, std::string_view secret) {
  blake3_hasher hasher;
  blake3_hasher_init_derive_key(&hasher, purpose);
  blake3_hasher_update(&hasher, secret.data(), secret.size());
  std::array<std::uint8_t, 16> hash{};
  blake3_hasher_finalize(&hasher, hash.data(), hash.size());
  std::string out;
  for (const std::uint8_t byte : hash) {
    out += std::format("{:02x}", byte);
  }
  return out;
}

} // namespace

std::string tenant_of(std::string_view secret) {
  return derived("anyclaude tenant of a token", secret);
}

namespace {

/// Takes as long for a wrong secret as for the right one.
bool equal_in_constant_time(std::string_view secret, std::string_view presented) {
  if (secret.empty()) {
    return false;
  }
  std::size_t difference = secret.size() ^ presented.size();
  for (std::size_t i = 0; i < presented.size(); ++i) {
    difference |= static_cast<unsigned char>(presented[i]) ^
                  static_cast<unsigned char>(secret[i % secret.size()]);
  }
  return difference == 0;
}

/// "example.org:8080" -> "example.org", "[::1]:80" -> "::1".
std::string_view without_port(std::string_view host) {
  if (host.starts_with('[')) {
    const auto end = host.find(']');
    return end == std::string_view::npos ? host : host.substr(1, end - 1);
  }
  return host.substr(0, host.find(':'));
}

bool is_address(const std::string& host) {
  in6_addr address{};
  return ::inet_pton(AF_INET, host.c_str(), &address) == 1 ||
         ::inet_pton(AF_INET6, host.c_str(), &address) == 1;
}

bool listens_everywhere(std::string_view bound) {
  return bound == "0.0.0.0" || bound == "::";
}

/// For an error message: it comes from a stranger.
std::string excerpt(std::string_view value) {
  return text::to_valid_utf8(value.substr(0, 100));
}

} // namespace

bool is_loopback(const std::string& host) {
  return equal_ignoring_case(host, "localhost") || host == "::1" ||
         (host.starts_with("127.") && is_address(host));
}

Access::Access(AccessOptions options) : options_(std::move(options)) {
  for (Token& token : options_.tokens) {
    if (token.tenant.empty()) {
      token.tenant = tenant_of(token.secret);
    }
  }
}

bool Access::host_allowed(std::string_view host) const {
  const std::string name(without_port(host));
  const auto same = [&](const std::string& allowed) { return equal_ignoring_case(allowed, name); };
  // An address cannot be made to resolve to another one, so where the gateway listens on all
  // addresses of the machine any of them is good.
  return is_loopback(name) || same(options_.bound_host) ||
         (listens_everywhere(options_.bound_host) && is_address(name)) ||
         std::ranges::any_of(options_.allowed_hosts, same);
}

std::expected<void, Error> Access::check_source(const HttpRequest& request) const {
  const std::string_view host = request.header("host");
  if (!host.empty() && !host_allowed(host)) { // HTTP/1.0 may lack it, a browser never does
    return std::unexpected(Error{ErrorKind::permission,
                                 "The Host header names \"" + excerpt(host) +
                                     "\", which is not this server. Use http://127.0.0.1, or add "
                                     "the name to the allowed hosts."});
  }
  const std::string_view origin = request.header("origin");
  const bool is_our_own_page = !host.empty() && origin == "http://" + std::string(host);
  if (!origin.empty() && !is_our_own_page &&
      std::ranges::find(options_.allowed_origins, origin) == options_.allowed_origins.end()) {
    return std::unexpected(Error{ErrorKind::permission,
                                 "Requests from web pages are refused, and this one comes from \"" +
                                     excerpt(origin) + "\"."});
  }
  return {};
}

const Token* Access::find(std::string_view secret) const {
  const Token* found = nullptr;
  for (const Token& token : options_.tokens) { // all of them: an early end would tell which
    if (equal_in_constant_time(token.secret, secret)) {
      found = &token;
    }
  }
  return found;
}

std::string Access::pass_of(std::string_view secret) const {
  const Token* token = find(secret);
  return token == nullptr ? std::string() : derived("anyclaude dashboard pass", token->secret);
}

bool Access::has_pass(std::string_view pass) const {
  bool is_one = false;
  for (const Token& token : options_.tokens) {
    is_one |= equal_in_constant_time(pass_of(token.secret), pass);
  }
  return is_one;
}

std::expected<backend::Caller, Error> Access::identify(const HttpRequest& request,
                                                       std::string_view path_token) const {
  if (!path_token.empty()) {
    if (const Token* token = find(path_token)) {
      return backend::Caller{token->tenant};
    }
    return std::unexpected(refusal("The token in the path is not one of this server's."));
  }
  constexpr std::string_view kScheme = "bearer ";
  std::string_view bearer = request.header("authorization");
  if (bearer.size() > kScheme.size() &&
      equal_ignoring_case(bearer.substr(0, kScheme.size()), kScheme)) {
    bearer.remove_prefix(kScheme.size());
    bearer.remove_prefix(std::min(bearer.find_first_not_of(' '), bearer.size()));
  } else {
    bearer = {};
  }
  const std::string_view key = request.header("x-api-key");
  const Token* by_bearer = find(bearer);
  const Token* by_key = find(key);
  const Token* token = by_bearer != nullptr ? by_bearer : by_key;
  if (token != nullptr) {
    return backend::Caller{token->tenant};
  }
  return std::unexpected(refusal(
      bearer.empty() && key.empty()
          ? "This server asks for a token, in the header \"authorization: Bearer TOKEN\" or "
            "\"x-api-key: TOKEN\"."
          : "The token is not one of this server's."));
}

Error Access::refusal(std::string message) const {
  if (!options_.token_hint.empty()) {
    message += " " + options_.token_hint;
  }
  return {ErrorKind::authentication, std::move(message)};
}

} // namespace anyclaude::gateway
