#include "gateway/answers.h"

#include "anthropic/json_text.h"
#include "gateway/route.h"
#include "text/random_text.h"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <charconv>
#include <format>
#include <utility>

namespace anyclaude::gateway {
namespace {

using anthropic::ErrorKind;

Json model_json(const backend::ModelInfo& model) {
  const std::chrono::sys_seconds created{std::chrono::seconds(model.created_unix)};
  Json out = {{"type", "model"},
              {"id", model.id},
              {"display_name", model.display_name},
              {"created_at", std::format("{:%FT%TZ}", created)}};
  if (model.context_tokens > 0) {
    out["max_input_tokens"] = model.context_tokens;
  }
  return out;
}

std::size_t page_size(std::string_view query) {
  const std::string text = query_value(query, "limit");
  std::size_t limit = 0;
  std::from_chars(text.data(), text.data() + text.size(), limit);
  return limit == 0 ? 20 : std::min<std::size_t>(limit, 1000);
}

} // namespace

std::string new_request_id() {
  return "req_" + text::random_text(24);
}
std::string new_message_id() {
  return "msg_" + text::random_text(24);
}

Headers json_headers(const std::string& request_id) {
  return {{"content-type", "application/json"}, {"request-id", request_id}};
}

ErrorReply error_reply(const anthropic::Error& error, const std::string& request_id,
                       std::chrono::seconds retry_after) {
  ErrorReply reply{anthropic::http_status(error.kind), json_headers(request_id),
                   anthropic::error_body(error, request_id)};
  if (error.kind == ErrorKind::rate_limit || error.kind == ErrorKind::overloaded) {
    reply.headers.emplace_back("retry-after", std::to_string(retry_after.count()));
  } else if (error.kind == ErrorKind::authentication) {
    reply.headers.emplace_back("www-authenticate", "Bearer");
  }
  return reply;
}

ErrorReply http_error_reply(int status, const std::string& message, const std::string& request_id) {
  ErrorKind kind = ErrorKind::invalid_request;
  if (status == 413) {
    kind = ErrorKind::request_too_large;
  } else if (status == 503) {
    kind = ErrorKind::overloaded;
  } else if (status >= 500) {
    kind = ErrorKind::api;
  }
  return {status, json_headers(request_id), anthropic::error_body({kind, message}, request_id)};
}

std::string model_body(const backend::ModelInfo& model) {
  return anthropic::json_text(model_json(model));
}

std::string models_body(const std::vector<backend::ModelInfo>& models, std::string_view query) {
  const std::size_t limit = page_size(query);
  const std::string after = query_value(query, "after_id");
  const std::string before = query_value(query, "before_id");
  auto begin = models.begin();
  auto end = models.end();
  if (const auto at = std::ranges::find(models, after, &backend::ModelInfo::id); at != end) {
    begin = at + 1;
  }
  if (const auto at = std::find_if(begin, end, [&](const auto& m) { return m.id == before; });
      at != end) {
    end = at;
  }
  const bool has_more = std::cmp_greater(end - begin, limit);
  if (has_more && !before.empty()) { // the page right before that model
    begin = end - static_cast<std::ptrdiff_t>(limit);
  } else if (has_more) {
    end = begin + static_cast<std::ptrdiff_t>(limit);
  }
  Json data = Json::array();
  std::for_each(begin, end, [&](const auto& model) { data.push_back(model_json(model)); });
  const Json first = data.empty() ? Json(nullptr) : data.front()["id"];
  const Json last = data.empty() ? Json(nullptr) : data.back()["id"];
  return anthropic::json_text(
      {{"data", std::move(data)}, {"has_more", has_more}, {"first_id", first}, {"last_id", last}});
}

std::string health_body(const backend::Health& health, bool is_traced) {
  Json body = {{"status", health.ready ? "ok" : "not ready"}};
  if (!health.ready)
    body["detail"] = health.detail;
  if (is_traced)
    body["trace"] = "every request and answer is written to files (--trace)";
  return anthropic::json_text(body);
}

} // namespace anyclaude::gateway
