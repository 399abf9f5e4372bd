#include "launch/claude_settings.h"

#include "anthropic/json.h"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <array>
#include <format>
#include <fstream>
#include <iterator>
#include <optional>
#include <string_view>

namespace anyclaude::launch {
namespace fs = std::filesystem;

namespace {

// Claude Code 2.1.330 takes no more than 30 minutes for either of the first two.
constexpr const char* kLongestStreamSilence = "1800000"; // ms
constexpr const char* kLongestRequest = "7200000";       // ms

/// Variables that bring another key. An empty value counts as unset.
constexpr std::array kKeys = {"ANTHROPIC_API_KEY", "ANTHROPIC_CUSTOM_HEADERS"};

/// Variables that lead past our gateway.
constexpr std::array kProviders = {
    "ANTHROPIC_UNIX_SOCKET",         "CLAUDE_CODE_USE_BEDROCK",
    "CLAUDE_CODE_USE_VERTEX",        "CLAUDE_CODE_USE_FOUNDRY",
    "CLAUDE_CODE_USE_MANTLE",        "CLAUDE_CODE_USE_GATEWAY",
    "CLAUDE_CODE_USE_ANTHROPIC_AWS", "CLAUDE_CODE_USE_ANTHROPIC_GOOGLE_CLOUD"};

constexpr std::array kProxies = {"HTTP_PROXY",  "http_proxy", "HTTPS_PROXY",
                                 "https_proxy", "ALL_PROXY",  "all_proxy"};

/// Whether the real Claude answers everything.
bool is_claudes(const ClaudeConnection& connection) {
  return connection.own_login && connection.model_id.empty();
}

int output_limit(const ClaudeConnection& connection) {
  if (connection.max_output_tokens > 0)
    return connection.max_output_tokens;
  return std::clamp(connection.context_tokens / 4, 1024, 32'000);
}

std::optional<std::string> read_file(const fs::path& path) {
  std::error_code ignored;
  if (fs::is_directory(path, ignored))
    return std::nullopt;
  std::ifstream file(path, std::ios::binary);
  if (!file)
    return std::nullopt;
  return std::string(std::istreambuf_iterator<char>(file), {});
}

/// A settings file that cannot be read is Claude Code's to complain about.
Json read_settings(const fs::path& path) {
  const auto text = read_file(path);
  Json json = text ? Json::parse(*text, nullptr, false, true) : Json();
  return json.is_object() ? json : Json::object();
}

std::optional<std::string> text_at(const Json& env, const std::string& name) {
  if (!env.is_object() || !env.contains(name) || !env.at(name).is_string())
    return std::nullopt;
  return env.at(name).get<std::string>();
}

struct PersonsArguments {
  std::vector<std::string> rest;
  std::optional<std::string> settings; // the last --settings, as Claude Code itself takes it
};

std::expected<PersonsArguments, std::string>
take_settings_argument(const std::vector<std::string>& arguments) {
  constexpr std::string_view kOption = "--settings";
  PersonsArguments taken;
  for (std::size_t i = 0; i < arguments.size(); ++i) {
    const std::string& argument = arguments[i];
    if (argument == "--") {
      taken.rest.insert(taken.rest.end(), arguments.begin() + static_cast<std::ptrdiff_t>(i),
                        arguments.end());
      break;
    }
    if (argument == kOption) {
      if (++i == arguments.size())
        return std::unexpected("--settings needs a file's name or JSON after it");
      taken.settings = arguments[i];
    } else if (argument.starts_with(std::string(kOption) + "=")) {
      taken.settings = argument.substr(kOption.size() + 1);
    } else {
      taken.rest.push_back(argument);
    }
  }
  return taken;
}

std::expected<Json, std::string> parse_persons_settings(const std::string& value) {
  const auto first = value.find_first_not_of(" \t\r\n");
  const bool is_inline = first != std::string::npos && value[first] == '{';
  const auto text = is_inline ? value : read_file(value);
  if (!text)
    return std::unexpected(std::format("--settings: cannot read the file {}", value));
  Json json = Json::parse(*text, nullptr, false, true);
  if (!json.is_object())
    return std::unexpected(
        std::format("--settings: {} is not a JSON object", is_inline ? "the value" : value));
  if (json.contains("env") && !json.at("env").is_object())
    return std::unexpected("--settings: its \"env\" is not a JSON object");
  return json;
}

/// Every settings file's env, the one that counts least first.
std::vector<Json> environments_of(const ClaudeSettingsPlaces& places, const Json& persons) {
  std::vector<fs::path> files{places.user};
  files.insert(files.end(), places.project.begin(), places.project.end());
  std::vector<Json> environments;
  for (const auto& file : files)
    environments.push_back(read_settings(file).value("env", Json::object()));
  environments.push_back(persons.value("env", Json::object()));
  for (const auto& file : places.managed)
    environments.push_back(read_settings(file).value("env", Json::object()));
  return environments;
}

/// With a proxy set anywhere, loopback must be named as not to be proxied.
Variables proxy_exceptions(const std::vector<Json>& environments,
                           const EnvironmentLookup& environment) {
  const auto value_of = [&](const char* name) {
    auto value = environment(name);
    for (const Json& env : environments)
      if (auto own = text_at(env, name))
        value = std::move(own);
    return value.value_or("");
  };
  if (std::ranges::all_of(kProxies, [&](const char* name) { return value_of(name).empty(); }))
    return {};
  std::string list = value_of("NO_PROXY");
  for (const std::string& more : {value_of("no_proxy"), std::string("127.0.0.1,localhost")})
    if (!more.empty() && more != list)
      list += (list.empty() ? "" : ",") + more;
  return {{"NO_PROXY", list}, {"no_proxy", list}};
}

void warn_about_policy(const ClaudeSettingsPlaces& places, const Variables& variables,
                       bool own_login, std::vector<std::string>& warnings) {
  for (const auto& file : places.managed) {
    const Json settings = read_settings(file);
    const Json env = settings.value("env", Json::object());
    for (const auto& [name, value] : variables)
      if (const auto theirs = text_at(env, name); theirs && *theirs != value)
        warnings.push_back(std::format("{} sets {}, which overrides anyclaude's value: Claude Code "
                                       "may not come through anyclaude",
                                       file.native(), name));
    if (settings.contains("apiKeyHelper") && !own_login)
      warnings.push_back(std::format(
          "{} sets apiKeyHelper: its key is sent to the local gateway, which ignores it",
          file.native()));
  }
}

/// What Claude Code must know of a model that it does not know.
void add_model_variables(const ClaudeConnection& connection, Variables& variables) {
  for (const char* name : {"ANTHROPIC_MODEL", "ANTHROPIC_SMALL_FAST_MODEL"})
    variables.emplace_back(name, connection.model_id);
  if (!connection.own_model_names)
    for (const char* name : {"ANTHROPIC_DEFAULT_OPUS_MODEL", "ANTHROPIC_DEFAULT_SONNET_MODEL",
                             "ANTHROPIC_DEFAULT_HAIKU_MODEL", "ANTHROPIC_DEFAULT_FABLE_MODEL",
                             "CLAUDE_CODE_SUBAGENT_MODEL"})
      variables.emplace_back(name, connection.model_id);
  // Without it a line that changes with every first question stands before the tools' schemas.
  variables.emplace_back("CLAUDE_CODE_ATTRIBUTION_HEADER", "0");
  // Each request says in a header what it is for: the gateway lets a person's go first.
  variables.emplace_back("CLAUDE_CODE_GATEWAY_HINT_HEADERS", "1");
  // Unknown model names are taken for a window of a million tokens.
  if (connection.context_tokens > 0)
    variables.emplace_back("CLAUDE_CODE_MAX_CONTEXT_TOKENS",
                           std::to_string(connection.context_tokens));
  variables.emplace_back("CLAUDE_CODE_MAX_OUTPUT_TOKENS", std::to_string(output_limit(connection)));
  // Includes the update check: a local model must not depend on a network.
  variables.emplace_back("CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC", "1");
  // A long prefill is silent but for pings; the first two are the longest that it accepts.
  variables.emplace_back("CLAUDE_STREAM_IDLE_TIMEOUT_MS", kLongestStreamSilence);
  variables.emplace_back("CLAUDE_STREAM_FIRST_BYTE_TIMEOUT_MS", kLongestStreamSilence);
  variables.emplace_back("API_FORCE_IDLE_TIMEOUT", "0");
  variables.emplace_back("API_TIMEOUT_MS", kLongestRequest);
}

/// Another provider is reached past our gateway. To be said where the real Claude answers
/// everything: elsewhere we take these variables away.
void warn_about_providers(const std::vector<Json>& environments,
                          const EnvironmentLookup& environment,
                          std::vector<std::string>& warnings) {
  for (const std::string name : kProviders) {
    auto value = environment(name.c_str());
    for (const Json& env : environments)
      if (auto own = text_at(env, name))
        value = std::move(own);
    if (!value.value_or("").empty() && *value != "0" && *value != "false")
      warnings.push_back(
          std::format("{} is set: Claude Code goes to that provider, not through anyclaude", name));
  }
}

/// A list of allowed models turns ours away without asking.
void warn_about_model_lists(const ClaudeSettingsPlaces& places, const std::string& model,
                            std::vector<std::string>& warnings) {
  std::vector<fs::path> files{places.user};
  files.insert(files.end(), places.project.begin(), places.project.end());
  files.insert(files.end(), places.managed.begin(), places.managed.end());
  for (const auto& file : files) {
    const Json list = read_settings(file).value("availableModels", Json());
    if (list.is_array() && std::ranges::find(list, Json(model)) == list.end())
      warnings.push_back(std::format("availableModels in {} does not list \"{}\": Claude Code will "
                                     "ask for another model; add it there",
                                     file.native(), model));
  }
}

std::vector<fs::path> managed_places() {
#ifdef __APPLE__
  const fs::path folder = "/Library/Application Support/ClaudeCode";
#else
  const fs::path folder = "/etc/claude-code";
#endif
  std::vector<fs::path> files{folder / "managed-settings.json"};
  std::error_code ignored;
  std::vector<fs::path> more;
  for (const auto& entry : fs::directory_iterator(folder / "managed-settings.d", ignored))
    if (entry.path().extension() == ".json")
      more.push_back(entry.path());
  std::ranges::sort(more);
  files.insert(files.end(), more.begin(), more.end());
  return files;
}

} // namespace

std::string url_with_token(const std::string& base_url, const std::string& token) {
  std::string url = base_url + "/t/";
  for (const char c : token) {
    const bool is_plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
                          (c >= '0' && c <= '9') || c == '-' || c == '_';
    url += is_plain ? std::string(1, c) : std::format("%{:02X}", static_cast<unsigned char>(c));
  }
  return url;
}

Variables claude_variables(const ClaudeConnection& connection) {
  const std::string prefix = connection.session.empty()
                                 ? ""
                                 : (connection.is_private ? "/p/" : "/s/") + connection.session;
  Variables variables;
  if (connection.own_login) {
    variables.emplace_back("ANTHROPIC_BASE_URL",
                           url_with_token(connection.base_url, connection.token) + prefix);
  } else {
    variables.emplace_back("ANTHROPIC_BASE_URL", connection.base_url + prefix);
    variables.emplace_back("ANTHROPIC_AUTH_TOKEN", connection.token);
  }
  if (!connection.model_id.empty())
    add_model_variables(connection, variables);
  if (!connection.own_login)
    for (const char* name : kKeys)
      variables.emplace_back(name, "");
  if (!is_claudes(connection))
    for (const char* name : kProviders)
      variables.emplace_back(name, "");
  return variables;
}

ClaudeSettingsPlaces settings_places(const fs::path& working_directory,
                                     const EnvironmentLookup& environment) {
  const auto own = environment("CLAUDE_CONFIG_DIR");
  const fs::path folder = own && !own->empty()
                              ? fs::path(*own)
                              : fs::path(environment("HOME").value_or("")) / ".claude";
  return {folder / "settings.json",
          {working_directory / ".claude/settings.json",
           working_directory / ".claude/settings.local.json"},
          managed_places()};
}

std::expected<ClaudeSettings, std::string>
make_claude_settings(const ClaudeConnection& connection, const std::vector<std::string>& arguments,
                     const ClaudeSettingsPlaces& places, const EnvironmentLookup& environment) {
  auto taken = take_settings_argument(arguments);
  if (!taken)
    return std::unexpected(taken.error());
  Json settings = Json::object();
  if (taken->settings) {
    auto persons = parse_persons_settings(*taken->settings);
    if (!persons)
      return std::unexpected(persons.error());
    settings = std::move(*persons);
  }
  ClaudeSettings made;
  made.arguments = std::move(taken->rest);
  made.variables = claude_variables(connection);
  const auto environments = environments_of(places, settings);
  made.variables.append_range(proxy_exceptions(environments, environment));
  for (const auto& [name, value] : made.variables)
    settings["env"][name] = value;
  if (is_claudes(connection))
    warn_about_providers(environments, environment, made.warnings);
  if (!connection.own_login)
    settings["apiKeyHelper"] = ""; // or its key would be sent beside our token
  made.json = settings.dump(2);
  warn_about_policy(places, made.variables, connection.own_login, made.warnings);
  if (!connection.model_id.empty())
    warn_about_model_lists(places, connection.model_id, made.warnings);
  return made;
}

} // namespace anyclaude::launch
