#include "commands/config_command.h"

#include "backend/route_rules.h"
#include "commands/config.h"
#include "commands/daemon_backend.h"
#include "commands/tell.h"
#include "launch/paths.h"
#include "launch/server_kind.h"

#include <algorithm>
#include <filesystem>
#include <format>

namespace anyclaude::commands {

namespace {

void print_keys() {
  say("| key | value | without it | meaning |\n|---|---|---|---|");
  for (const ConfigKey& key : config_keys())
    say(std::format("| `{}` | {} | {} | {} |", key.key, key.type, key.standard, key.meaning));
}

std::string list(const std::vector<std::string>& texts) {
  std::string joined;
  for (const std::string& text : texts)
    joined += std::format("{}\"{}\"", joined.empty() ? "" : ", ", text);
  return "[" + joined + "]";
}

std::string list(const std::vector<backend::RouteTarget>& targets) {
  std::vector<std::string> texts;
  for (const backend::RouteTarget& target : targets)
    texts.push_back(target.backend + (target.model.empty() ? "" : ":" + target.model));
  return list(texts);
}

template <typename Value>
void show(const char* key, const std::optional<Value>& value) {
  if (!value)
    return;
  if constexpr (std::is_same_v<Value, std::string>)
    say(std::format("{} = \"{}\"", key, *value));
  else
    say(std::format("{} = {}", key, *value));
}

/// The same configuration as TOML, without what must stay secret.
void print_config(const Config& config) {
  show("mode", config.mode);
  show("menu", config.menu);
  show("model", config.model_text);
  show("context", config.context_tokens);
  show("host", config.host);
  show("port", config.port);
  if (config.token)
    say("token = \"…\" # set, not shown");
  show("claude", config.claude);
  show("claude_url", config.claude_url);
  show("prompt.layout", config.prompt_layout);
  for (const BackendConfig& backend : config.backends) {
    say(std::format("\n[backends.{}]\nkind = \"{}\"", backend.name, backend.kind));
    if (!backend.urls.empty())
      say(std::format("url = \"{}\"", backend.urls.front()));
    if (backend.urls.size() > 1)
      say(std::format("replicas = {}",
                      list(std::vector(backend.urls.begin() + 1, backend.urls.end()))));
    if (!backend.model.empty())
      say(std::format("model = \"{}\"", backend.model));
    if (!backend.api_key_env.empty())
      say(std::format("api_key_env = \"{}\"", backend.api_key_env));
    if (!backend.api_key_file.empty())
      say(std::format("api_key_file = \"{}\"", backend.api_key_file.native()));
    if (backend.context_tokens > 0)
      say(std::format("context = {}", backend.context_tokens));
  }
  for (const backend::RouteRule& rule : config.routes.rules) {
    say(std::format("\n[[routes]]\nto = {}", list(rule.targets)));
    if (!rule.model.empty())
      say(std::format("model = \"{}\"", rule.model));
    show("background", rule.background);
    show("tools", rule.tools);
    show("server_tools", rule.server_tools);
    show("subagent", rule.subagent);
    if (rule.min_tokens > 0)
      say(std::format("min_tokens = {}", rule.min_tokens));
    if (rule.max_tokens > 0)
      say(std::format("max_tokens = {}", rule.max_tokens));
  }
  if (config.routes.allow_cloud_fallback || !config.routes.otherwise.empty())
    say(std::format("\n[fallback]\ncloud = {}\nto = {}", config.routes.allow_cloud_fallback,
                    list(config.routes.otherwise)));
}

std::expected<void, std::string> check_routing_of(const Config& config, const std::string& mode) {
  backend::RoutingTable table = config.routes;
  const bool names_cloud = [&] {
    const auto is_cloud = [](const backend::RouteTarget& t) {
      return t.backend == backend::kCloud;
    };
    return std::ranges::any_of(table.otherwise, is_cloud) ||
           std::ranges::any_of(table.rules, [&](const backend::RouteRule& rule) {
             return std::ranges::any_of(rule.targets, is_cloud);
           });
  }();
  if (table.allow_cloud_fallback && !names_cloud)
    return std::unexpected("fallback.cloud is true, and nothing falls back to the real Claude: "
                           "add to = [\"claude:MODEL\"] to [fallback], or take it out");
  table.otherwise.insert(table.otherwise.begin(), {mode});
  std::vector<std::string> names; // that they exist was checked when the file was read
  for (const backend::RouteTarget& target : table.otherwise)
    names.push_back(target.backend);
  for (const backend::RouteRule& rule : table.rules)
    for (const backend::RouteTarget& target : rule.targets)
      names.push_back(target.backend);
  return backend::check_routing(table, names);
}

/// What reads well and yet cannot work, one sentence each.
std::vector<std::string> faults_of(const Config& config) {
  std::vector<std::string> faults;
  std::error_code failed;
  for (const BackendConfig& backend : config.backends) {
    if (const auto key = api_key_of(backend); !key)
      faults.push_back(key.error());
    if (backend.kind == kLocal && !std::filesystem::is_regular_file(backend.model, failed))
      faults.push_back(
          std::format("backend {}: there is no model file {}", backend.name, backend.model));
    const launch::ServerKind* kind = launch::find_server_kind(backend.kind);
    if (!kind || !backend.urls.empty() || backend.model.empty())
      continue;
    if (const auto model = launch::resolve_model(*kind, backend.model); !model)
      faults.push_back(std::format("backend {}: {}", backend.name, model.error()));
  }
  const std::string mode = config.mode.value_or("local");
  if (const auto routing = check_routing_of(config, mode); !routing)
    faults.push_back(routing.error());
  if (mode == "local" && config.model && !std::filesystem::is_regular_file(*config.model, failed))
    faults.push_back(std::format("there is no model file {}", config.model->native()));
  if (mode == "openai" && !config.backend("openai"))
    faults.emplace_back("mode openai needs a [backends.openai] with a url");
  return faults;
}

int check(const launch::Paths& paths, const Config& config) {
  const auto faults = faults_of(config);
  for (const std::string& fault : faults)
    tell(std::format("{}: {}", paths.config_file.native(), fault));
  if (!faults.empty())
    return 1;
  std::error_code failed;
  if (!std::filesystem::exists(paths.config_file, failed))
    say(std::format("There is no {}; everything is as without.", paths.config_file.native()));
  else
    say(std::format("{} is in order: mode {}, {} backends, {} routes.", paths.config_file.native(),
                    config.mode.value_or("local"), config.backends.size(),
                    config.routes.rules.size()));
  if (config.routes.allow_cloud_fallback)
    say("Prompts leave this machine when the backend of the mode is down: fallback.cloud is true.");
  return 0;
}

} // namespace

int run_config_command(ConfigQuestion question) {
  if (question == ConfigQuestion::keys) {
    print_keys();
    return 0;
  }
  const auto paths = launch::prepare_paths();
  if (!paths)
    return fail(paths.error());
  const auto config = read_config(paths->config_file);
  if (!config)
    return fail(config.error());
  if (question == ConfigQuestion::check)
    return check(*paths, *config);
  print_config(*config);
  return 0;
}

} // namespace anyclaude::commands
