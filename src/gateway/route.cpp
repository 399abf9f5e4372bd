#include "gateway/route.h"

#include <algorithm>
#include <charconv>
#include <optional>

namespace anyclaude::gateway {
namespace {

constexpr std::string_view kToken = "/t/";
constexpr std::string_view kSession = "/s/";
constexpr std::string_view kPrivate = "/p/";

bool is_name(std::string_view id) {
  return !id.empty() && id.size() <= 64 && std::ranges::all_of(id, [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
           c == '_';
  });
}

/// Undoes %41; what is no such escape stays as it is.
std::string percent_decoded(std::string_view text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    unsigned value = 0;
    if (text[i] == '%' && i + 2 < text.size()) {
      const char* digits = text.data() + i + 1;
      if (std::from_chars(digits, digits + 2, value, 16).ptr == digits + 2) {
        out += static_cast<char>(value);
        i += 2;
        continue;
      }
    }
    out += text[i];
  }
  return out;
}

/// Cuts "/s/<segment>" off and returns the segment; nothing where the prefix is not there.
std::optional<std::string_view> cut_prefix(std::string_view& path, std::string_view prefix) {
  if (!path.starts_with(prefix)) {
    return std::nullopt;
  }
  const std::string_view rest = path.substr(prefix.size());
  const std::string_view segment = rest.substr(0, rest.find('/'));
  path = rest.substr(segment.size());
  return segment;
}

} // namespace

std::string loggable_path(std::string_view path) {
  constexpr std::size_t kLongest = 200;
  std::string shown;
  if (path.starts_with(kToken)) {
    const auto end = path.find('/', kToken.size());
    shown = std::string(kToken) + "…";
    path = end == std::string_view::npos ? std::string_view() : path.substr(end);
  }
  return shown += path.substr(0, kLongest);
}

Route route_of(std::string_view path) {
  Route route;
  if (const auto token = cut_prefix(path, kToken)) {
    if (token->empty()) {
      return route;
    }
    route.token = percent_decoded(*token);
  }
  route.is_private = path.starts_with(kPrivate);
  if (const auto session = cut_prefix(path, route.is_private ? kPrivate : kSession)) {
    if (!is_name(*session)) {
      return route;
    }
    route.session = *session;
  }
  route.path = path;
  if (path.empty() || path == "/") {
    route.endpoint = Endpoint::root;
    return route;
  }
  if (path.ends_with('/')) {
    path.remove_suffix(1);
  }
  constexpr std::string_view kModel = "/v1/models/";
  if (path == "/health") {
    route.endpoint = Endpoint::health;
  } else if (path == "/ui" || path == "/ui/style.css" || path == "/ui/script.js" ||
             path == "/ui/events") {
    route.endpoint = Endpoint::dashboard;
  } else if (path == "/ui/login") {
    route.endpoint = Endpoint::dashboard_login;
  } else if (path == "/ui/state") {
    route.endpoint = Endpoint::state;
  } else if (path == "/metrics") {
    route.endpoint = Endpoint::metrics;
  } else if (path == "/v1/messages") {
    route.endpoint = Endpoint::messages;
  } else if (path == "/v1/messages/count_tokens") {
    route.endpoint = Endpoint::count_tokens;
  } else if (path == "/v1/models") {
    route.endpoint = Endpoint::models;
  } else if (path.starts_with(kModel)) {
    route.endpoint = Endpoint::model;
    route.model_id = percent_decoded(path.substr(kModel.size()));
  }
  return route;
}

const char* allowed_methods(Endpoint endpoint) {
  switch (endpoint) {
  case Endpoint::messages:
  case Endpoint::count_tokens:
    return "POST, OPTIONS";
  case Endpoint::dashboard_login:
    return "GET, HEAD, POST, OPTIONS";
  default:
    return "GET, HEAD, OPTIONS";
  }
}

bool allows(Endpoint endpoint, std::string_view method) {
  if (endpoint == Endpoint::messages || endpoint == Endpoint::count_tokens) {
    return method == "POST";
  }
  return method == "GET" || method == "HEAD" ||
         (endpoint == Endpoint::dashboard_login && method == "POST");
}

bool is_open(Endpoint endpoint) {
  return endpoint == Endpoint::root || endpoint == Endpoint::health ||
         endpoint == Endpoint::dashboard || endpoint == Endpoint::dashboard_login;
}

std::string query_value(std::string_view query, std::string_view key) {
  while (!query.empty()) {
    const std::string_view pair = query.substr(0, query.find('&'));
    query.remove_prefix(std::min(pair.size() + 1, query.size()));
    const auto equals = pair.find('=');
    if (pair.substr(0, equals) == key) {
      return equals == std::string_view::npos ? std::string()
                                              : percent_decoded(pair.substr(equals + 1));
    }
  }
  return {};
}

} // namespace anyclaude::gateway
