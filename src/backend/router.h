#pragma once

#include "backend/backend.h"
#include "backend/failover.h"
#include "backend/replica.h"
#include "backend/route_rules.h"

#include <chrono>
#include <expected>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

namespace anyclaude::backend {

struct RouterOptions {
  RoutingTable table{};
  HealthPolicy health{};
  std::chrono::milliseconds check_period{5'000}; // 0: only when check_health() is called
};

/// A backend as rules name it: one server, or several that answer alike.
struct NamedBackend {
  struct Server {
    std::string id; // see Replica; its address
    std::shared_ptr<Backend> backend;
  };
  std::string name;
  std::vector<Server> servers; // at least one
};

/// Several backends as one (docs/routing.md). A rule chooses the backend. Of its servers, the
/// conversation's key chooses the one whose cache knows the conversation; without a key, the one
/// that has least to do. What is down is passed over, and what fails before its answer has begun is
/// followed by the next: another server of the same backend, then the rule's fallbacks.
///
/// A thread of its own asks every server for its health.
class Router : public Backend {
 public:
  /// `cloud`: whether the real Claude can be reached, so that rules may name it. The error says
  /// what is wrong with the rules or the backends.
  static std::expected<std::unique_ptr<Router>, std::string>
  make(RouterOptions options, std::vector<NamedBackend> backends, bool cloud);
  ~Router() override;

  /// Of the default route's first backend.
  Abilities abilities() const override;
  /// Ready when the default route has a server that is, or may go to the real Claude.
  Health health() const override;
  /// Of all backends, the default route's first; each id once.
  std::vector<ModelInfo> models() const override;
  /// The longest of any backend.
  std::chrono::milliseconds verdict_time() const override;
  /// Of the first backend that computes by itself.
  std::optional<EngineNumbers> engine_numbers() const override;
  /// The same backend's.
  std::shared_ptr<const kv::PrefixOutline> prefixes() const override;
  std::vector<ServerStatus> servers() const override;
  std::vector<prompt::PromptReport> prompt_reports() const override;
  std::expected<int, anthropic::Error>
  count_tokens(const anthropic::Request& request) const override;
  std::optional<PassedOn> passes_through(const anthropic::Request& request,
                                         const Caller& caller) const override;
  std::expected<std::unique_ptr<Generation>, anthropic::Error>
  start(const anthropic::Request& request, const Caller& caller, EventSink sink) override;

  /// Asks every server once, each on this thread. What the Router's own thread does.
  void check_health();

 private:
  struct Group {
    std::string name;
    std::vector<std::string> ids;
    std::vector<std::shared_ptr<Replica>> replicas;
  };

  Router(RouterOptions options, std::vector<Group> groups);
  const Group* find(std::string_view name) const;
  std::vector<std::shared_ptr<Replica>> in_order(const Group& group, const Caller& caller) const;
  std::vector<Candidate> candidates(const std::vector<RouteTarget>& targets,
                                    const Caller& caller) const;

  const RouterOptions options_;
  const std::vector<Group> groups_; // the default route's first
  RetryThread retries_;
  std::jthread checks_; // the last: it uses the others
};

/// For a gateway that passes everything on to the real Claude: no backend answers here.
std::unique_ptr<Router> cloud_alone();

} // namespace anyclaude::backend
