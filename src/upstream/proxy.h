#pragma once

#include "upstream/url.h"

#include <functional>
#include <optional>
#include <string>
#include <vector>

namespace anyclaude::upstream {

struct Proxy {
  Origin origin;
  std::string authorization; // value of Proxy-Authorization; empty: none
};

/// Which proxy leads to which server, as the environment says it: HTTP_PROXY, HTTPS_PROXY,
/// ALL_PROXY, NO_PROXY, each also in lower case, which wins. Immutable.
class ProxyRules {
 public:
  ProxyRules() = default; // no proxies
  explicit ProxyRules(const std::function<const char*(const char*)>& environment);

  /// Nothing for loopback addresses and what NO_PROXY lists: "*", a host, ".domain" or "domain",
  /// with
  /// ":port" or without.
  std::optional<Proxy> proxy_for(const Origin& origin) const;

 private:
  std::optional<Proxy> for_http_;
  std::optional<Proxy> for_https_;
  std::vector<std::string> direct_;
};

} // namespace anyclaude::upstream
