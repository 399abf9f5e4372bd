#pragma once

#include "gateway/http_server.h"

#include <string>
#include <string_view>

namespace anyclaude::gateway {

enum class Endpoint {
  unknown,
  root,
  health,
  messages,
  count_tokens,
  models,
  model,
  metrics,
  dashboard,       // /ui and its parts
  dashboard_login, // /ui/login
  state,           // /ui/state: the dashboard's content for programs
};

/// Where a request goes. A client's base URL may carry two things before any path: this server's
/// token, /t/<token>, for clients whose credential headers belong to somebody else, and then the
/// launcher's session, /s/<session>, or /p/<session> for a private one: nothing of it is kept on
/// the disk.
struct Route {
  Endpoint endpoint = Endpoint::unknown;
  std::string token;   // decoded; empty: no prefix
  std::string session; // 1 to 64 letters, digits, '-' and '_'; empty: no prefix
  bool is_private = false;
  std::string path;     // what follows the prefixes, as sent
  std::string model_id; // decoded; for Endpoint::model
};

Route route_of(std::string_view path);

/// The path for the log, without the token that may be in it, and not too long: a stranger chose
/// it.
std::string loggable_path(std::string_view path);

/// What the `allow` header of the endpoint says, such as "GET, HEAD, OPTIONS".
const char* allowed_methods(Endpoint endpoint);
bool allows(Endpoint endpoint, std::string_view method);

/// What needs no token: it tells nothing but that the server is there and whether it is ready. The
/// dashboard asks for it itself.
bool is_open(Endpoint endpoint);

/// The value of a key in "a=1&b=2", decoded; empty when absent.
std::string query_value(std::string_view query, std::string_view key);

} // namespace anyclaude::gateway
