#include "upstream/proxy.h"

#include "text/letter_case.h"

#include <openssl/evp.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <cctype>
#include <charconv>
#include <string_view>

namespace anyclaude::upstream {
namespace {

std::string percent_decoded(std::string_view text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    int value = 0;
    if (text[i] == '%' && i + 2 < text.size() &&
        std::from_chars(text.data() + i + 1, text.data() + i + 3, value, 16).ptr ==
            text.data() + i + 3) {
      out += static_cast<char>(value);
      i += 2;
    } else {
      out += text[i];
    }
  }
  return out;
}

std::string base64(std::string_view text) {
  std::string out((text.size() + 2) / 3 * 4 + 1, '\0'); // EVP_EncodeBlock ends it with a zero
  const int length = EVP_EncodeBlock(reinterpret_cast<unsigned char*>(out.data()),
                                     reinterpret_cast<const unsigned char*>(text.data()),
                                     static_cast<int>(text.size()));
  out.resize(static_cast<std::size_t>(length));
  return out;
}

/// "http://user:password@host:port" or "host:port". Its password is never logged.
std::optional<Proxy> parse_proxy(std::string text) {
  if (text.empty())
    return std::nullopt;
  if (!text.contains("://"))
    text.insert(0, "http://");
  Proxy proxy;
  const auto begin = text.find("://") + 3;
  if (const auto at = text.substr(0, text.find('/', begin)).rfind('@');
      at != std::string::npos && at >= begin) {
    proxy.authorization =
        "Basic " + base64(percent_decoded(std::string_view(text).substr(begin, at - begin)));
    text.erase(begin, at + 1 - begin);
  }
  const auto url = parse_url(text);
  if (!url || url->origin.tls) {
    spdlog::warn("a proxy in the environment is not used: {}",
                 url ? "it is reached by https, which is not supported" : url.error());
    return std::nullopt;
  }
  proxy.origin = url->origin;
  return proxy;
}

bool is_loopback(std::string_view host) {
  return text::equal_ignoring_case(host, "localhost") || host == "::1" || host.starts_with("127.");
}

/// Whether an entry of NO_PROXY means this server.
bool means(std::string_view entry, const Origin& origin) {
  if (entry == "*")
    return true;
  const auto colon = entry.rfind(':');
  if (colon != std::string_view::npos && entry.find(':') == colon) {
    if (entry.substr(colon + 1) != std::to_string(origin.port))
      return false;
    entry = entry.substr(0, colon);
  }
  while (entry.starts_with('.') || entry.starts_with('*'))
    entry.remove_prefix(1);
  const std::string_view host = origin.host;
  if (entry.empty() || host.size() < entry.size() ||
      !text::equal_ignoring_case(host.substr(host.size() - entry.size()), entry))
    return false;
  return host.size() == entry.size() || host[host.size() - entry.size() - 1] == '.';
}

} // namespace

ProxyRules::ProxyRules(const std::function<const char*(const char*)>& environment) {
  const auto value = [&](std::string name) -> std::string {
    for (const std::string& candidate : {text::in_lower_case(name), name})
      if (const char* found = environment(candidate.c_str()); found != nullptr && *found != '\0')
        return found;
    return {};
  };
  const std::string all = value("ALL_PROXY");
  const std::string http = value("HTTP_PROXY");
  const std::string https = value("HTTPS_PROXY");
  for_http_ = parse_proxy(http.empty() ? all : http);
  for_https_ = parse_proxy(https.empty() ? all : https);
  std::string entry;
  for (const char c : value("NO_PROXY") + ",") {
    if (c != ',' && c != ' ') {
      entry += c;
    } else if (!entry.empty()) {
      direct_.push_back(std::move(entry));
      entry.clear();
    }
  }
}

std::optional<Proxy> ProxyRules::proxy_for(const Origin& origin) const {
  const auto& proxy = origin.tls ? for_https_ : for_http_;
  if (!proxy || is_loopback(origin.host) ||
      std::ranges::any_of(direct_, [&](const auto& entry) { return means(entry, origin); }))
    return std::nullopt;
  return proxy;
}

} // namespace anyclaude::upstream
