#pragma once

#include "launch/server_kind.h"
#include "upstream/client.h"

#include <nlohmann/json_fwd.hpp>

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace anyclaude::launch {

struct ServedModel {
  std::string id;         // what a request names
  std::string path;       // where the server says that it was loaded from; empty: it does not say
  int context_tokens = 0; // 0: it does not say
  bool loaded = true;
};

/// A server that answers, and what it says of itself.
struct FoundServer {
  const ServerKind* kind = nullptr; // null: it speaks OpenAI's API, and is none that we know
  std::string url;                  // "http://127.0.0.1:8080"
  std::string version;              // empty: it does not say
  std::vector<ServedModel> models;
  int context_tokens = 0; // of one request; 0: it does not say
  bool loading = false;   // it answers, but not yet for its model
};

/// Looks at servers. Owns a thread while it lives (upstream::Client's), so a process that is to
/// fork must have let go of it. Thread-safe.
class ServerProbe {
 public:
  explicit ServerProbe(std::chrono::milliseconds patience = std::chrono::seconds(2));

  /// Who answers at `url`; nothing when nobody does in time, or nobody who speaks OpenAI's API.
  std::optional<FoundServer> look(const std::string& url, const std::string& api_key = {});

  /// Who answers at the default ports of all kinds, by port.
  std::vector<FoundServer> look_at_default_ports();

  upstream::Client& client() { return client_; }

 private:
  struct Answer;
  Answer get(const std::string& url, const std::string& path, const std::string& api_key);
  void ask_llama_cpp(FoundServer& found, const std::string& api_key);
  bool is_ollama(FoundServer& found, const std::string& api_key);
  bool is_lm_studio(FoundServer& found, const std::string& api_key);

  const std::chrono::milliseconds patience_;
  upstream::Client client_;
};

/// Whether it is of this kind and, as far as it says, serves this model.
bool serves(const FoundServer& found, const ServerKind& kind, const std::string& model);

/// "http://127.0.0.1:8080".
std::string loopback_url(std::uint16_t port);

/// Whether nobody listens on it on this machine's loopback.
bool is_free_port(std::uint16_t port);
/// One that nobody listens on now.
std::uint16_t free_port();

} // namespace anyclaude::launch
