#pragma once

#include "upstream/client.h"

#include <cstddef>
#include <list>
#include <mutex>
#include <string>
#include <string_view>
#include <unordered_map>

namespace anyclaude::backend {

/// Tells a router in front of several servers which requests belong to one conversation, so that
/// they come to the server whose cache knows it. Each router has its own way; a server that is none
/// does not mind.
///   vLLM production stack  --routing-logic session --session-key NAME: the header of that name.
///   Its
///                          tutorials take x-user-id, others x-session-id.
///     https://github.com/vllm-project/production-stack, src/vllm_router/README.md,
///     tutorials/08-*.md
///   SGLang's router (SMG)  x-smg-routing-key, with the policies that keep conversations together
///     https://github.com/smg-project/smg-docs, concepts/routing/sticky-sessions.md
///   llm-d                  the cookie llm-d-session, which its session-affinity-scorer hands out
///     https://github.com/llm-d/llm-d-inference-scheduler, pkg/plugins/scorer/session_affinity.go
/// Those that look at the prompt alone need nothing.
///
/// Thread-safe.
class SessionAffinity {
 public:
  /// Conversations whose cookie is kept, those used last.
  static constexpr std::size_t kSessions = 4096;

  /// What to send with a request of the conversation; nothing for an empty key.
  upstream::Headers headers(const std::string& session_key);

  /// Keeps what the answer to such a request hands out.
  void look_at(const std::string& session_key, const upstream::Headers& answer);

 private:
  struct Session {
    std::string key;
    std::string cookie; // "llm-d-session=…"
  };
  std::mutex mutex_;
  std::list<Session> sessions_; // the one used last in front
  std::unordered_map<std::string_view, std::list<Session>::iterator> by_key_; // of sessions_
};

} // namespace anyclaude::backend
