#pragma once

#include "anthropic/error.h"
#include "backend/backend.h"
#include "gateway/http_server.h"

#include <chrono>
#include <string>
#include <string_view>
#include <vector>

/// The bodies and headers that the gateway answers with, streams apart.
namespace anyclaude::gateway {

/// "req_" and "msg_" with 128 random bits.
std::string new_request_id();
std::string new_message_id();

/// content-type: application/json, and the request's id.
Headers json_headers(const std::string& request_id);

/// An error of the API, with its own status.
struct ErrorReply {
  int status = 500;
  Headers headers; // retry-after for 429 and 529, www-authenticate for 401
  std::string body;
};
ErrorReply error_reply(const anthropic::Error& error, const std::string& request_id,
                       std::chrono::seconds retry_after);

/// An error of HTTP, which the API has no type of its own for, in the API's shape.
ErrorReply http_error_reply(int status, const std::string& message, const std::string& request_id);

/// One page of the models, as asked by `limit`, `after_id` and `before_id` in the query.
/// Source: https://docs.anthropic.com/en/api/models-list
std::string models_body(const std::vector<backend::ModelInfo>& models, std::string_view query);
std::string model_body(const backend::ModelInfo& model);

/// `is_traced`: what is said is written down, which whoever asks should know.
std::string health_body(const backend::Health& health, bool is_traced);

} // namespace anyclaude::gateway
