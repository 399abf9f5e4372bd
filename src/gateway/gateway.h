#pragma once

#include "backend/backend.h"
#include "gateway/access.h"
#include "gateway/dashboard_routes.h"
#include "gateway/http_server.h"
#include "gateway/memory_budget.h"
#include "gateway/message_answer.h"
#include "gateway/pass_through.h"
#include "gateway/route.h"
#include "telemetry/stats.h"
#include "telemetry/trace.h"

#include <chrono>
#include <cstdint>
#include <expected>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace anyclaude::gateway {

struct GatewayOptions {
  HttpOptions http{};
  std::vector<Token> tokens{};
  std::string token_hint{};                   // see AccessOptions
  std::vector<std::string> allowed_hosts{};   // see AccessOptions
  std::vector<std::string> allowed_origins{}; // see AccessOptions
  /// Claude Code gives up after 300 s without a byte.
  std::chrono::milliseconds ping_period{5'000};
  std::chrono::seconds retry_after{5}; // what 429 and 529 advise
  /// The real Claude, where requests may go to it (docs/claude-mode.md).
  std::optional<PassThroughOptions> cloud{};
  DashboardOptions dashboard{};
  /// Bytes that this process can take before the system ends it. Asked for every message that is
  /// answered here, on any thread. Empty: as much as is wanted.
  std::function<std::uint64_t()> memory_left{};
  /// Shown the body of every request for a message that our backend answers, on any thread; for a
  /// benchmark's own daemon, since it holds what was said. Empty: nobody is.
  std::function<void(const std::string& body)> on_message_body{};
  /// Gets every request for a message or a count, and its answer, but for those of private
  /// sessions. Null: nothing is written down.
  std::shared_ptr<telemetry::Trace> trace{};
};

/// The Messages API over HTTP in front of a backend:
///   POST /v1/messages, POST /v1/messages/count_tokens, GET /v1/models, GET /v1/models/{id},
///   GET /health, GET /, GET /metrics (for Prometheus), GET /ui (for a browser), GET /ui/state
/// each also behind /t/<token>, and /s/<session> or /p/<session> (see Route); the session
/// attributes a request to a launcher in the stats. Where everything goes to the real Claude, so
/// does every path below /v1. Whatever model a request names, the backend's answers; a client's
/// favourite is not always here.
class Gateway {
 public:
  /// Begins to serve. `backend` and `stats` must outlive the gateway. The error says which address
  /// and why, or what is wrong with the address of the real Claude.
  static std::expected<std::unique_ptr<Gateway>, std::string>
  start(GatewayOptions options, backend::Backend& backend, telemetry::Stats& stats);

  /// Cancels what runs, closes every connection and joins the threads.
  ~Gateway();
  Gateway(const Gateway&) = delete;
  Gateway& operator=(const Gateway&) = delete;

  std::uint16_t port() const;
  std::size_t open_connections() const;
  /// What GET /ui/state answers.
  std::string state() { return dashboard_.state(); }

 private:
  struct Asked; // one request and how to answer it
  using OnEnd = std::function<void(telemetry::RequestRecord)>;

  Gateway(GatewayOptions options, backend::Backend& backend, telemetry::Stats& stats);

  bool admit(HttpRequest& request, Responder& responder) const;
  void handle(HttpRequest request, const std::shared_ptr<Responder>& client);
  std::expected<MemoryBudget::Share, anthropic::Error> memory_for(const HttpRequest& request) const;
  void messages(const Asked& asked);
  void answer(const Asked& asked, const anthropic::Request& request, const backend::Caller& caller);
  std::shared_ptr<MessageAnswer> begin_answer(const Asked& asked,
                                              const anthropic::Request* request) const;
  OnEnd recorder(const Asked& asked) const;
  void count_tokens(const Asked& asked);
  bool goes_to_cloud(const Route& route) const;
  bool is_traced(const Route& route) const;
  void pass_on(const Asked& asked, const std::string& model);
  void models(const Asked& asked) const;
  void model(const Asked& asked) const;
  void health(const Asked& asked) const;
  void metrics(const Asked& asked) const;

  const GatewayOptions options_;
  const Access access_;
  const MemoryBudget memory_;
  backend::Backend& backend_;
  telemetry::Stats& stats_;
  std::unique_ptr<PassThrough> cloud_;
  DashboardRoutes dashboard_;
  std::unique_ptr<HttpServer> server_; // the last member: its threads use the others
};

} // namespace anyclaude::gateway
