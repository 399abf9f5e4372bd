#pragma once

#include "launch/server_kind.h"
#include "launch/server_probe.h"

#include <condition_variable>
#include <expected>
#include <filesystem>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <thread>

namespace anyclaude::launch {

/// What a person wants served, and by which kind of server.
struct ServerWish {
  const ServerKind* kind = nullptr;
  std::string url;        // of one that runs somewhere; empty: found here, or started
  std::string model;      // as resolve_model() made it; empty: whatever it serves
  int context_tokens = 0; // 0: the server's own default
  std::string api_key{};
  std::filesystem::path log;      // of a server that is started
  std::filesystem::path folder{}; // for files that it reads
};

/// Where the server is, or will be.
struct ServerPlace {
  std::string url;
  bool found = false;     // it ran already: it is never stopped from here
  std::string model{};    // what to name in a request
  int context_tokens = 0; // 0: not known yet
};

/// Looks at the wish's URL, or at the kind's default ports, and otherwise chooses a port to start
/// it at. The error says what is in the way: no model, no program.
std::expected<ServerPlace, std::string> place_server(const ServerWish& wish);

enum class ServerState { starting, ready, failed };

struct ServerStatus {
  ServerState state = ServerState::starting;
  std::string detail; // a sentence: what it is waited for, or why it failed
  FoundServer server; // once ready
};

/// Starts the server unless it was found, waits until it answers, and looks after it: one that ends
/// is started again, up to three times a minute, also in place of a found one that has gone. Stops
/// what it started when it is destroyed.
class ServerKeeper {
 public:
  /// `on_change` is called on the keeper's thread after every change of the status.
  ServerKeeper(ServerWish wish, ServerPlace place, std::function<void()> on_change);
  ~ServerKeeper() = default;
  ServerKeeper(const ServerKeeper&) = delete;
  ServerKeeper& operator=(const ServerKeeper&) = delete;

  /// Thread-safe.
  ServerStatus status() const;

 private:
  void keep(const std::stop_token& stop);
  bool start_and_wait(const std::stop_token& stop);
  void watch(const std::stop_token& stop);
  bool pause(const std::stop_token& stop, std::chrono::milliseconds time);
  void set(ServerStatus status);
  bool can_start() const;

  const ServerWish wish_;
  const ServerPlace place_;
  const std::function<void()> on_change_;
  mutable std::mutex mutex_; // of the status
  ServerStatus status_;
  std::mutex pause_mutex_;
  std::condition_variable_any pause_;
  std::jthread thread_; // the last: it uses the others
};

} // namespace anyclaude::launch
