#include "upstream/url.h"

#include "text/letter_case.h"

#include <charconv>

namespace anyclaude::upstream {
namespace {

constexpr std::uint16_t kHttpPort = 80;
constexpr std::uint16_t kHttpsPort = 443;

std::unexpected<std::string> wrong(std::string_view text, std::string_view what) {
  return std::unexpected("\"" + std::string(text) + "\" is not a server's address: " +
                         std::string(what) + "; write it as http://127.0.0.1:8080");
}

/// Cuts a prefix off, whatever its letters' case.
bool cut_prefix(std::string_view& text, std::string_view prefix) {
  if (!text::equal_ignoring_case(text.substr(0, prefix.size()), prefix))
    return false;
  text.remove_prefix(prefix.size());
  return true;
}

/// Splits "host:port" or "[::1]:port"; false where brackets are not closed.
bool split_authority(std::string_view authority, std::string_view& host, std::string_view& port) {
  std::size_t colon = authority.rfind(':');
  host = authority.substr(0, colon);
  if (authority.starts_with('[')) {
    const auto close = authority.find(']');
    if (close == std::string_view::npos)
      return false;
    host = authority.substr(1, close - 1);
    colon = close + 1 < authority.size() ? close + 1 : std::string_view::npos;
    if (colon != std::string_view::npos && authority[colon] != ':')
      return false;
  }
  port = colon == std::string_view::npos ? std::string_view() : authority.substr(colon + 1);
  return true;
}

} // namespace

std::string authority(const Origin& origin) {
  std::string text = origin.host.contains(':') ? "[" + origin.host + "]" : origin.host;
  if (origin.port != (origin.tls ? kHttpsPort : kHttpPort))
    text += ":" + std::to_string(origin.port);
  return text;
}

std::string to_string(const Origin& origin) {
  return (origin.tls ? "https://" : "http://") + authority(origin);
}

std::expected<Url, std::string> parse_url(std::string_view text) {
  std::string_view rest = text;
  Url url;
  if (cut_prefix(rest, "https://"))
    url.origin.tls = true;
  else if (!cut_prefix(rest, "http://"))
    return wrong(text, "it begins with neither http:// nor https://");
  const auto slash = rest.find_first_of("/?#");
  const std::string_view where = rest.substr(0, slash);
  if (where.contains('@'))
    return wrong(text, "it holds a user name, which has a setting of its own");
  for (const char c : rest)
    if (c <= ' ' || c == '\x7f')
      return wrong(text, "it holds a blank or a control character");
  std::string_view host;
  std::string_view port;
  if (!split_authority(where, host, port) || host.empty())
    return wrong(text, "it names no host");
  url.origin.host = host;
  url.origin.port = url.origin.tls ? kHttpsPort : kHttpPort;
  if (!port.empty()) {
    const auto [end, error] =
        std::from_chars(port.data(), port.data() + port.size(), url.origin.port);
    if (error != std::errc() || end != port.data() + port.size() || url.origin.port == 0)
      return wrong(text, "its port is no number from 1 to 65535");
  }
  if (slash != std::string_view::npos)
    url.path = rest.substr(slash, rest.find('#') - slash);
  while (url.path.ends_with('/'))
    url.path.pop_back();
  return url;
}

} // namespace anyclaude::upstream
