#include "backend/router.h"

#include "backend/rendezvous.h"

#include <algorithm>
#include <condition_variable>
#include <format>
#include <utility>

namespace anyclaude::backend {
namespace {

using anthropic::Error;
using anthropic::ErrorKind;

bool any_up(const std::vector<std::shared_ptr<Replica>>& replicas) {
  return std::ranges::any_of(replicas, [](const auto& replica) { return replica->is_up(); });
}

std::string shown(const std::string& backend, const Replica& replica) {
  return replica.id() == backend ? backend : std::format("{} ({})", backend, replica.id());
}

std::expected<void, std::string> check_backends(const std::vector<NamedBackend>& backends) {
  std::vector<std::string> names;
  for (const NamedBackend& backend : backends) {
    if (backend.name == kCloud)
      return std::unexpected(std::format("no backend may be called \"{}\": it is the real Claude's "
                                         "name",
                                         kCloud));
    if (std::ranges::find(names, backend.name) != names.end())
      return std::unexpected(std::format("two backends are called \"{}\"", backend.name));
    if (backend.servers.empty())
      return std::unexpected(std::format("the backend \"{}\" has no server", backend.name));
    names.push_back(backend.name);
  }
  return {};
}

} // namespace

std::expected<std::unique_ptr<Router>, std::string>
Router::make(RouterOptions options, std::vector<NamedBackend> backends, bool cloud) {
  if (auto checked = check_backends(backends); !checked)
    return std::unexpected(checked.error());
  std::vector<std::string> names;
  for (const NamedBackend& backend : backends)
    names.push_back(backend.name);
  if (cloud)
    names.emplace_back(kCloud);
  if (auto checked = check_routing(options.table, names); !checked)
    return std::unexpected(checked.error());
  const std::string& first = options.table.otherwise.front().backend;
  std::ranges::stable_partition(backends, [&](const auto& b) { return b.name == first; });
  std::vector<Group> groups;
  for (NamedBackend& backend : backends) {
    Group& group = groups.emplace_back(std::move(backend.name));
    for (NamedBackend::Server& server : backend.servers) {
      group.ids.push_back(server.id);
      group.replicas.push_back(std::make_shared<Replica>(
          std::move(server.id), std::move(server.backend), options.health));
    }
  }
  return std::unique_ptr<Router>(new Router(std::move(options), std::move(groups)));
}

std::unique_ptr<Router> cloud_alone() {
  RouterOptions options{.table = {.otherwise = {{std::string(kCloud)}}}};
  options.check_period = std::chrono::milliseconds(0);
  return std::move(*Router::make(std::move(options), {}, true));
}

Router::Router(RouterOptions options, std::vector<Group> groups)
    : options_(std::move(options)), groups_(std::move(groups)) {
  if (options_.check_period.count() == 0)
    return;
  checks_ = std::jthread([this](const std::stop_token& stop) {
    std::mutex mutex;
    std::condition_variable_any sleep;
    std::unique_lock lock(mutex);
    while (!stop.stop_requested()) {
      check_health();
      sleep.wait_for(lock, stop, options_.check_period, [] { return false; });
    }
  });
}

Router::~Router() = default;

void Router::check_health() {
  for (const Group& group : groups_)
    for (const auto& replica : group.replicas)
      replica->note(replica->backend().health().ready);
}

const Router::Group* Router::find(std::string_view name) const {
  const auto found = std::ranges::find(groups_, name, &Group::name);
  return found == groups_.end() ? nullptr : &*found;
}

/// Those that are up, the one to ask first in front. When none is, all of them: their own errors
/// say best what is wrong, and one may be back.
std::vector<std::shared_ptr<Replica>> Router::in_order(const Group& group,
                                                       const Caller& caller) const {
  std::vector<std::shared_ptr<Replica>> order;
  if (caller.session_key.empty()) {
    order = group.replicas;
    std::ranges::stable_sort(order, {},
                             [](const auto& replica) { return replica->running.load(); });
  } else {
    for (const std::size_t index : rendezvous_order(caller.session_key, group.ids))
      order.push_back(group.replicas[index]);
  }
  if (any_up(order))
    std::erase_if(order, [](const auto& replica) { return !replica->is_up(); });
  return order;
}

/// Every server that may answer, in the order to ask them. The real Claude is not among them.
std::vector<Candidate> Router::candidates(const std::vector<RouteTarget>& targets,
                                          const Caller& caller) const {
  std::vector<Candidate> up;
  std::vector<Candidate> down;
  for (const RouteTarget& target : targets) {
    const Group* group = find(target.backend);
    if (group == nullptr)
      continue;
    for (auto& replica : in_order(*group, caller)) {
      auto& list = replica->is_up() ? up : down;
      std::string name = shown(group->name, *replica);
      list.emplace_back(std::move(name), std::move(replica), target.model);
    }
  }
  return up.empty() ? down : up;
}

std::optional<PassedOn> Router::passes_through(const anthropic::Request& request,
                                               const Caller& caller) const {
  for (const RouteTarget& target : targets_for(options_.table, request, caller)) {
    if (target.backend == kCloud)
      return PassedOn{target.model};
    if (any_up(find(target.backend)->replicas))
      return std::nullopt;
  }
  return std::nullopt;
}

std::expected<int, Error> Router::count_tokens(const anthropic::Request& request) const {
  Error last{ErrorKind::overloaded, "No backend counts tokens for this request."};
  for (const Candidate& candidate :
       candidates(targets_for(options_.table, request, {}), Caller{})) {
    auto counted = candidate.replica->backend().count_tokens(request);
    if (counted || counted.error().kind == ErrorKind::invalid_request)
      return counted;
    last = std::move(counted.error());
  }
  return std::unexpected(std::move(last));
}

std::expected<std::unique_ptr<Generation>, Error>
Router::start(const anthropic::Request& request, const Caller& caller, EventSink sink) {
  auto found = candidates(targets_for(options_.table, request, caller), caller);
  if (found.empty()) // the rule names the real Claude alone, and the request was not passed to it
    return std::unexpected(Error{ErrorKind::overloaded,
                                 "This request is for the real Claude only, and cannot be passed "
                                 "to it from here."});
  return start_with_failover(std::move(found), request, caller, std::move(sink), retries_);
}

Abilities Router::abilities() const {
  const Group* group = find(options_.table.otherwise.front().backend);
  if (group == nullptr) // the real Claude
    return {.tools = true, .thinking = true, .images = true, .reports_cached_tokens = true};
  return group->replicas.front()->backend().abilities();
}

Health Router::health() const {
  std::string why;
  for (const RouteTarget& target : options_.table.otherwise) {
    const Group* group = find(target.backend);
    if (group == nullptr)
      return {true, ""};
    for (const auto& replica : group->replicas) {
      const Health health = replica->backend().health();
      if (health.ready)
        return {true, ""};
      why += (why.empty() ? "" : " ") + shown(group->name, *replica) + ": " + health.detail;
    }
  }
  return {false, why};
}

std::vector<ModelInfo> Router::models() const {
  std::vector<ModelInfo> all;
  for (const Group& group : groups_)
    for (const auto& replica : group.replicas)
      for (ModelInfo& model : replica->backend().models())
        if (std::ranges::find(all, model.id, &ModelInfo::id) == all.end())
          all.push_back(std::move(model));
  return all;
}

std::chrono::milliseconds Router::verdict_time() const {
  std::chrono::milliseconds longest{0};
  for (const Group& group : groups_)
    for (const auto& replica : group.replicas)
      longest = std::max(longest, replica->backend().verdict_time());
  return longest;
}

std::optional<EngineNumbers> Router::engine_numbers() const {
  for (const Group& group : groups_)
    for (const auto& replica : group.replicas)
      if (auto numbers = replica->backend().engine_numbers())
        return numbers;
  return std::nullopt;
}

std::vector<prompt::PromptReport> Router::prompt_reports() const {
  for (const Group& group : groups_)
    for (const auto& replica : group.replicas)
      if (auto reports = replica->backend().prompt_reports(); !reports.empty())
        return reports;
  return {};
}

std::shared_ptr<const kv::PrefixOutline> Router::prefixes() const {
  for (const Group& group : groups_)
    for (const auto& replica : group.replicas)
      if (auto prefixes = replica->backend().prefixes())
        return prefixes;
  return nullptr;
}

std::vector<ServerStatus> Router::servers() const {
  std::vector<ServerStatus> all;
  for (const Group& group : groups_)
    for (const auto& replica : group.replicas)
      all.emplace_back(group.name, replica->id(), replica->backend().health(), replica->is_up(),
                       replica->running.load(), replica->backend().models());
  return all;
}

} // namespace anyclaude::backend
