#include "anthropic/error.h"

#include "anthropic/json.h"
#include "text/utf8.h"

#include <nlohmann/json.hpp>

#include <utility>

namespace anyclaude::anthropic {

int http_status(ErrorKind kind) {
  switch (kind) {
  case ErrorKind::invalid_request:
    return 400;
  case ErrorKind::authentication:
    return 401;
  case ErrorKind::permission:
    return 403;
  case ErrorKind::not_found:
    return 404;
  case ErrorKind::request_too_large:
    return 413;
  case ErrorKind::rate_limit:
    return 429;
  case ErrorKind::api:
    return 500;
  case ErrorKind::overloaded:
    return 529;
  }
  return 500;
}

const char* type_name(ErrorKind kind) {
  switch (kind) {
  case ErrorKind::invalid_request:
    return "invalid_request_error";
  case ErrorKind::authentication:
    return "authentication_error";
  case ErrorKind::permission:
    return "permission_error";
  case ErrorKind::not_found:
    return "not_found_error";
  case ErrorKind::request_too_large:
    return "request_too_large";
  case ErrorKind::rate_limit:
    return "rate_limit_error";
  case ErrorKind::api:
    return "api_error";
  case ErrorKind::overloaded:
    return "overloaded_error";
  }
  return "api_error";
}

std::string error_body(const Error& error, const std::string& request_id) {
  Json inner = {{"type", type_name(error.kind)}, {"message", text::to_valid_utf8(error.message)}};
  if (!error.code.empty()) {
    inner["details"] = {{"error_code", error.code}};
  }
  const Json body = {{"type", "error"},
                     {"error", std::move(inner)},
                     {"request_id", text::to_valid_utf8(request_id)}};
  return body.dump();
}

} // namespace anyclaude::anthropic
