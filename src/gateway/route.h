#pragma once

#include "gateway/http_server.h"

#include <string>
#include <string_view>

namespace anyclaude::gateway {

enum class Endpoint { unknown, root, health, messages, count_tokens, models, model, metrics };

/// Where a request goes. A client's base URL may carry the launcher's session as a path prefix,
/// /s/<session>, before any path; /p/<session> is a private one: nothing of it is kept on the disk.
struct Route {
  Endpoint endpoint = Endpoint::unknown;
  std::string session; // 1 to 64 letters, digits, '-' and '_'; empty: no prefix
  bool is_private = false;
  std::string model_id; // decoded; for Endpoint::model
};

Route route_of(std::string_view path);

/// What the `allow` header of the endpoint says, such as "GET, HEAD, OPTIONS".
const char* allowed_methods(Endpoint endpoint);
bool allows(Endpoint endpoint, std::string_view method);

/// What needs no token: it tells nothing but that the server is there and whether it is ready.
bool is_open(Endpoint endpoint);

/// The value of a key in "a=1&b=2", decoded; empty when absent.
std::string query_value(std::string_view query, std::string_view key);

} // namespace anyclaude::gateway
