#include "backend/session_affinity.h"

#include "text/letter_case.h"

namespace anyclaude::backend {
namespace {

constexpr std::string_view kCookie = "llm-d-session=";

} // namespace

upstream::Headers SessionAffinity::headers(const std::string& session_key) {
  if (session_key.empty())
    return {};
  upstream::Headers headers = {{"X-User-Id", session_key},
                               {"X-Session-Id", session_key},
                               {"X-SMG-Routing-Key", session_key}};
  const std::scoped_lock lock(mutex_);
  if (const auto found = by_key_.find(session_key); found != by_key_.end()) {
    sessions_.splice(sessions_.begin(), sessions_, found->second);
    headers.emplace_back("Cookie", sessions_.front().cookie);
  }
  return headers;
}

void SessionAffinity::look_at(const std::string& session_key, const upstream::Headers& answer) {
  if (session_key.empty())
    return;
  for (const auto& [name, value] : answer) {
    if (!text::equal_ignoring_case(name, "set-cookie") || !value.starts_with(kCookie))
      continue;
    std::string cookie = value.substr(0, value.find(';'));
    const std::scoped_lock lock(mutex_);
    if (const auto found = by_key_.find(session_key); found != by_key_.end()) {
      found->second->cookie = std::move(cookie);
      return;
    }
    sessions_.push_front({session_key, std::move(cookie)});
    by_key_.emplace(sessions_.front().key, sessions_.begin());
    if (sessions_.size() > kSessions) {
      by_key_.erase(sessions_.back().key);
      sessions_.pop_back();
    }
    return;
  }
}

} // namespace anyclaude::backend
