#pragma once

#include <string>

namespace anyclaude::anthropic {

/// What went wrong, in the API's own vocabulary; each kind has one HTTP status.
/// Source: https://docs.anthropic.com/en/api/errors
enum class ErrorKind {
  invalid_request,   // 400
  authentication,    // 401
  permission,        // 403
  not_found,         // 404
  request_too_large, // 413
  rate_limit,        // 429, the queue is full
  api,               // 500, our fault
  overloaded,        // 529, nothing can answer now
};

struct Error {
  ErrorKind kind = ErrorKind::api;
  /// A sentence for the person at the client: what was wrong and what to do.
  std::string message;
  /// error.details.error_code, where clients act on one, such as "thread_not_found"; mostly empty.
  std::string code{};
};

int http_status(ErrorKind kind);

/// The `type` inside the error object, such as "invalid_request_error".
const char* type_name(ErrorKind kind);

/// The whole error body: {"type":"error","error":{"type":…,"message":…},"request_id":…}, with
/// "details":{"error_code":…} in the inner one for an error that has a code.
std::string error_body(const Error& error, const std::string& request_id);

} // namespace anyclaude::anthropic
