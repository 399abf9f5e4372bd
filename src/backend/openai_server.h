#pragma once

#include "anthropic/json.h"
#include "backend/backend.h"
#include "backend/openai_dialect.h"
#include "upstream/client.h"

#include <chrono>
#include <condition_variable>
#include <functional>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

namespace anyclaude::backend {

/// Where a server is and how it is asked.
struct ServerAddress {
  upstream::Url url; // without /v1
  std::string api_key;

  /// A request to `path` behind the address, with the key.
  upstream::Request request(std::string method, std::string_view path) const;
};

/// What is known of a server: whether it answers, its models, its context window. A thread of its
/// own asks it now and then, more often while it does not answer. Thread-safe.
class OpenAiServer {
 public:
  struct Options {
    ServerAddress address;
    std::string base_url;                     // as it is called in errors
    std::string model;                        // empty: the server's first
    int context_tokens = 0;                   // 0: the server's own
    std::chrono::milliseconds period{15'000}; // between two looks; a fifth while it does not answer
    std::function<void()> on_change{};        // from this server's thread
  };

  OpenAiServer(Options options, const OpenAiDialect& dialect, upstream::Client& client);
  ~OpenAiServer();
  OpenAiServer(const OpenAiServer&) = delete;
  OpenAiServer& operator=(const OpenAiServer&) = delete;

  struct Facts {
    bool asked = false; // at least once
    Health health;
    std::string model;             // that is asked for
    std::vector<ModelInfo> models; // that one first
    int context_tokens = 0;        // 0: not known
    bool images = false;           // the model sees them
  };
  Facts facts() const;

  /// Facts of a server that answers, if it does within `time`; waits for the first look, and looks
  /// again where the last one found nobody.
  Facts facts_within(std::chrono::milliseconds time);

  /// A request has just failed: look soon.
  void doubt();

 private:
  void run();
  Facts look() const;
  void look_at_context(Facts& facts) const;
  std::optional<Json> get(std::string_view path) const;
  std::optional<Json> ask(upstream::Request request) const;

  const Options options_;
  const OpenAiDialect& dialect_;
  upstream::Client& client_;
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  Facts facts_;
  bool stopping_ = false;
  bool wanted_ = false; // a look, now
  bool looking_ = false;
  std::thread thread_;
};

} // namespace anyclaude::backend
