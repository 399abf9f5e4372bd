#include "commands/daemon_backend.h"

#include "backend/no_model.h"
#include "backend/openai.h"
#include "backend/router.h"
#include "launch/paths.h"
#include "prompt/layout.h"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <format>

namespace anyclaude::commands {
namespace fs = std::filesystem;

namespace {

constexpr const char* kClaude = "https://api.anthropic.com";

/// Every backend that a rule or the fallback names.
std::vector<std::string> named_by(const backend::RoutingTable& table) {
  std::vector<std::string> names;
  const auto add = [&](const std::vector<backend::RouteTarget>& targets) {
    for (const backend::RouteTarget& target : targets)
      if (!std::ranges::contains(names, target.backend))
        names.push_back(target.backend);
  };
  for (const backend::RouteRule& rule : table.rules)
    add(rule.targets);
  add(table.otherwise);
  return names;
}

/// A private folder of this name; nothing where there can be none, with a warning.
fs::path private_folder(const fs::path& where, const char* name) {
  if (where.empty())
    return {};
  auto folder = where / name;
  if (const auto made = launch::make_private_folder(folder); !made) {
    spdlog::warn("{}; nothing is kept there", made.error());
    return {};
  }
  return folder;
}

/// "/models/qwen3-30b" as "qwen3-30b".
std::string shown_model(const std::string& model) {
  return fs::path(model).filename().string();
}

} // namespace

std::optional<BackendConfig> backend_of_mode(const std::string& mode,
                                             const std::vector<BackendConfig>& backends) {
  const auto named = std::ranges::find(backends, mode, &BackendConfig::name);
  if (named != backends.end())
    return *named;
  if (launch::find_server_kind(mode))
    return BackendConfig{.name = mode, .kind = mode};
  return std::nullopt;
}

DaemonBackend::DaemonBackend(const DaemonOptions& options, std::function<void()> on_change)
    : options_(options), on_change_(std::move(on_change)),
      tool_order_(
          std::make_shared<prompt::ToolOrder>(private_folder(options.state, "tool-order"))) {}

std::expected<std::unique_ptr<DaemonBackend>, std::string>
DaemonBackend::make(const DaemonOptions& options, std::function<void()> on_change) {
  std::unique_ptr<DaemonBackend> made(new DaemonBackend(options, std::move(on_change)));
  if (auto chosen = made->choose(); !chosen)
    return std::unexpected(chosen.error());
  return made;
}

prompt::PromptOptions DaemonBackend::prompt_options() const {
  prompt::PromptOptions prompts;
  prompts.layout =
      prompt::parse_layout(options_.prompt_layout).value_or(prompt::Layout::stable_first);
  prompts.tool_order = tool_order_;
  if (options_.keeps_prefixes)
    prompts.replay_folder = private_folder(options_.cache, "replay");
  return prompts;
}

/// How many models share this machine's memory: the mode's own, and those that routes lead to.
int DaemonBackend::models_here() const {
  const auto is_here = [this](const std::string& name) {
    const auto config = backend_of_mode(name, options_.backends);
    return name != options_.mode && config && config->kind == kLocal;
  };
  const int named = static_cast<int>(std::ranges::count_if(named_by(options_.routes), is_here));
  return named + (options_.mode == kLocal && !options_.model.empty() ? 1 : 0);
}

std::shared_ptr<backend::Embedded> DaemonBackend::make_engine(const fs::path& model,
                                                              int context_tokens) {
  engine::EngineOptions engine;
  engine.model = model;
  engine.context_tokens = context_tokens;
  engine.models_here = models_here();
  if (model == options_.model)
    engine.projector = options_.projector;
  engine.batch_tokens = options_.batch_tokens;
  engine.max_running = options_.parallel;
  engine.threads = options_.threads;
  engine.kv_type = options_.kv_type;
  engine.cache_folder = options_.cache;
  engine.keeps_prefixes = options_.keeps_prefixes;
  engine.store_bytes = options_.store_bytes;
  engine.on_status_change = on_change_;
  engines_.push_back(std::make_shared<backend::Embedded>(std::move(engine), prompt_options()));
  return engines_.back();
}

/// Of mode local.
std::shared_ptr<backend::Backend> DaemonBackend::make_own() {
  if (options_.model.empty())
    return std::make_shared<backend::NoModel>();
  auto own = make_engine(options_.model, options_.context_tokens);
  embedded_ = own.get();
  return own;
}

std::expected<std::vector<std::shared_ptr<backend::Backend>>, std::string>
DaemonBackend::make_servers(const BackendConfig& config, std::vector<std::string>& ids) {
  if (config.kind == kLocal) {
    ids = {config.name};
    return std::vector<std::shared_ptr<backend::Backend>>{
        make_engine(config.model, config.context_tokens)};
  }
  const auto key = api_key_of(config);
  if (!key)
    return std::unexpected(key.error());
  const launch::ServerKind* kind = launch::find_server_kind(config.kind);
  std::vector<std::string> urls = config.urls;
  std::string model = config.model;
  int context = config.context_tokens;
  if (kind) {
    const auto resolved = launch::resolve_model(*kind, config.model);
    if (!resolved && urls.empty())
      return std::unexpected(resolved.error());
    if (resolved && !resolved->empty()) // of a server elsewhere it may be its own name
      model = launch::served_name(*kind, *resolved);
    if (config.name == options_.mode)
      server_model_ = shown_model(config.model);
    if (urls.empty()) {
      launch::ServerWish wish{kind,          "",
                              *resolved,     config.context_tokens,
                              *key,          options_.state / std::format("{}.log", config.name),
                              options_.state};
      const auto place = launch::place_server(wish);
      if (!place)
        return std::unexpected(place.error());
      if (place->found)
        spdlog::info("{} runs already at {}", kind->title, place->url);
      urls = {place->url};
      model = place->model;
      context = place->context_tokens;
      keeps_own_ = keeps_own_ || config.name == options_.mode;
      keepers_.push_back(
          std::make_unique<launch::ServerKeeper>(std::move(wish), *place, on_change_));
    }
  }
  if (!client_) // the authorities that it trusts take 10 MB
    client_ = std::make_unique<upstream::Client>();
  std::vector<std::shared_ptr<backend::Backend>> servers;
  for (const std::string& url : urls) {
    backend::OpenAiOptions options{.name = config.name,
                                   .dialect = config.kind,
                                   .base_url = url,
                                   .model = model,
                                   .api_key = *key,
                                   .context_tokens = context};
    options.on_status_change = on_change_;
    servers.push_back(std::make_shared<backend::OpenAi>(std::move(options), *client_,
                                                        prompt_options(), options_.cache));
    ids.push_back(url);
  }
  return servers;
}

std::expected<void, std::string> DaemonBackend::choose() {
  const std::string claude = options_.claude_url.empty() ? kClaude : options_.claude_url;
  if (options_.mode == backend::kCloud) {
    backend_ = backend::cloud_alone();
    cloud_ = gateway::PassThroughOptions{.base_url = claude};
    return {};
  }
  std::vector<std::shared_ptr<backend::Backend>> own;
  std::vector<std::string> ids;
  if (options_.mode == kLocal) {
    own = {make_own()};
    ids = {"here"};
  } else {
    auto config = backend_of_mode(options_.mode, options_.backends);
    if (!config)
      return std::unexpected(
          options_.mode == "openai"
              ? "mode openai needs to know where: [backends.openai] with a url in config.toml"
              : std::format("there is no mode {}; there are {}", options_.mode,
                            launch::listed_modes()));
    if (!options_.server_model.empty())
      config->model = options_.server_model;
    if (options_.context_tokens > 0)
      config->context_tokens = options_.context_tokens;
    auto servers = make_servers(*config, ids);
    if (!servers)
      return std::unexpected(servers.error());
    own = std::move(*servers);
  }
  if (own.size() > 1 || !named_by(options_.routes).empty())
    return add_router(std::move(own), std::move(ids));
  backend_ = std::move(own.front());
  return {};
}

/// Puts the mode's own backend and those that the rules name behind a router.
std::expected<void, std::string>
DaemonBackend::add_router(std::vector<std::shared_ptr<backend::Backend>> own,
                          std::vector<std::string> ids) {
  std::vector<backend::NamedBackend> backends;
  const auto add = [&](const std::string& name,
                       const std::vector<std::shared_ptr<backend::Backend>>& servers,
                       const std::vector<std::string>& addresses) {
    backend::NamedBackend named{name, {}};
    for (std::size_t i = 0; i < servers.size(); ++i)
      named.servers.push_back({addresses[i], servers[i]});
    backends.push_back(std::move(named));
  };
  add(options_.mode, own, ids);
  backend::RouterOptions router;
  router.table = options_.routes;
  router.table.otherwise.insert(router.table.otherwise.begin(), {options_.mode});
  bool cloud = false;
  for (const std::string& name : named_by(options_.routes)) {
    if (name == backend::kCloud) {
      cloud = true;
      continue;
    }
    if (name == options_.mode)
      continue;
    const auto config = backend_of_mode(name, options_.backends);
    if (!config)
      return std::unexpected(
          std::format("a route leads to \"{}\", which only mode {} has", name, name));
    std::vector<std::string> addresses;
    const auto servers = make_servers(*config, addresses);
    if (!servers)
      return std::unexpected(servers.error());
    add(name, *servers, addresses);
  }
  if (cloud)
    cloud_ = gateway::PassThroughOptions{
        .base_url = options_.claude_url.empty() ? kClaude : options_.claude_url,
        .everything = false};
  auto made = backend::Router::make(std::move(router), std::move(backends), cloud);
  if (!made)
    return std::unexpected(made.error());
  backend_ = std::move(*made);
  return {};
}

DaemonBackend::State DaemonBackend::server_state() const {
  State state;
  const backend::Health health = backend_->health();
  if (health.ready)
    state.state = launch::DaemonState::ready;
  state.detail = health.detail;
  state.context_tokens = options_.context_tokens;
  state.model_id = server_model_;
  if (keepers_.empty() || !keeps_own_)
    return state;
  const launch::ServerStatus server = keepers_.front()->status();
  if (server.state == launch::ServerState::failed)
    state.state = launch::DaemonState::failed;
  if (server.state == launch::ServerState::ready)
    state.state = launch::DaemonState::ready;
  if (!server.detail.empty())
    state.detail = server.detail;
  if (state.context_tokens == 0)
    state.context_tokens = server.server.context_tokens;
  return state;
}

DaemonBackend::State DaemonBackend::state() const {
  State state;
  if (options_.mode == backend::kCloud) {
    state.state = launch::DaemonState::ready;
    return state;
  }
  if (options_.mode != kLocal) {
    state = server_state();
  } else {
    const backend::Health health = backend_->health();
    using engine::EngineState;
    const auto engine = embedded_ ? embedded_->engine().status() : engine::EngineStatus{};
    const bool failed = !embedded_ || engine.state == EngineState::failed;
    state.state = health.ready ? launch::DaemonState::ready
                  : failed     ? launch::DaemonState::failed
                               : launch::DaemonState::loading;
    state.progress = static_cast<double>(engine.progress);
    state.detail = health.detail;
  }
  if (const auto models = backend_->models(); !models.empty()) {
    if (state.model_id.empty())
      state.model_id = models.front().id;
    if (models.front().context_tokens > 0)
      state.context_tokens = models.front().context_tokens;
  }
  return state;
}

} // namespace anyclaude::commands
