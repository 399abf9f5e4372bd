#include "commands/config.h"

#include "engine/engine.h"
#include "launch/paths.h"
#include "launch/server_kind.h"
#include "prompt/layout.h"
#include "upstream/url.h"

#include <toml++/toml.hpp>

#include <algorithm>
#include <format>
#include <fstream>
#include <functional>
#include <iterator>

namespace anyclaude::commands {
namespace fs = std::filesystem;

namespace {

constexpr std::int64_t kMaxContext = 1 << 24; // tokens
constexpr std::int64_t kMaxPort = 65535;

/// The keys of a table: "mode, menu, … and fallback" for the outermost.
std::string keys_of(std::string_view table) {
  std::vector<std::string> names;
  for (const ConfigKey& known : config_keys()) {
    if (!known.key.starts_with(table))
      continue;
    const std::string_view rest = known.key.substr(table.size());
    std::string name(rest.substr(0, rest.find('.')));
    if (names.empty() || names.back() != name)
      names.push_back(std::move(name));
  }
  std::string list;
  for (std::size_t i = 0; i < names.size(); ++i)
    list += (i == 0 ? "" : i + 1 == names.size() ? " and " : ", ") + names[i];
  return list;
}

/// "NAME" or "NAME:MODEL".
backend::RouteTarget target_of(const std::string& text) {
  const auto colon = text.find(':');
  if (colon == std::string::npos)
    return {text};
  return {text.substr(0, colon), text.substr(colon + 1)};
}

/// Reads one file's keys; the first fault is kept.
class Reader {
 public:
  explicit Reader(const fs::path& file) : file_(file) {}

  Config read(const toml::table& table) {
    for (const auto& [key, value] : table)
      read_key(key, value);
    check_names(table);
    return std::move(config_);
  }

  const std::string& error() const { return error_; }

 private:
  void read_key(const toml::key& key, const toml::node& value);
  void read_prompt(const toml::table& table);
  void read_store(const toml::table& table);
  void read_backend(const std::string& name, const toml::node& node);
  void read_local_backend(BackendConfig backend, const toml::table& table);
  void read_backends(const toml::node& value);
  void read_routes(const toml::node& value);
  void read_fallback(const toml::node& value);
  void check_names(const toml::table& table);

  void fault(const toml::node& where, const std::string& what) {
    if (error_.empty())
      error_ = std::format("{}:{}: {}", file_.native(), where.source().begin.line, what);
  }

  void unknown(const toml::node& where, std::string_view table, const toml::key& key) {
    std::string shown(table);
    fault(where, std::format("unknown key \"{}{}\"; there are {}", shown, key.str(),
                             keys_of(table.starts_with("backends.") ? "backends.NAME." : table)));
  }

  std::string text(const toml::key& key, const toml::node& value) {
    const auto found = value.value_exact<std::string>();
    if (found && !found->empty())
      return *found;
    fault(value, std::format("\"{}\" must be a text in quotes", key.str()));
    return {};
  }

  bool yes(const toml::key& key, const toml::node& value) {
    const auto found = value.value_exact<bool>();
    if (!found)
      fault(value, std::format("\"{}\" must be true or false", key.str()));
    return found.value_or(false);
  }

  std::int64_t number(const toml::key& key, const toml::node& value, std::int64_t least,
                      std::int64_t most) {
    const auto found = value.value_exact<std::int64_t>();
    if (found && *found >= least && *found <= most)
      return *found;
    fault(value,
          std::format("\"{}\" must be a whole number from {} to {}", key.str(), least, most));
    return least;
  }

  std::vector<std::string> texts(const toml::key& key, const toml::node& value) {
    if (value.is_string())
      return {text(key, value)};
    std::vector<std::string> list;
    if (const toml::array* array = value.as_array())
      for (const toml::node& one : *array)
        list.push_back(text(key, one));
    if (list.empty())
      fault(value, std::format("\"{}\" must be a text in quotes, or a list of them", key.str()));
    return list;
  }

  std::string url(const toml::key& key, const toml::node& value, const std::string& given) {
    if (const auto parsed = upstream::parse_url(given); !parsed)
      fault(value, std::format("\"{}\": {}", key.str(), parsed.error()));
    return given;
  }

  fs::path path(const toml::key& key, const toml::node& value) {
    const std::string given = text(key, value);
    if (given == "~")
      return launch::process_environment("HOME").value_or("/");
    if (given.starts_with("~/"))
      return fs::path(launch::process_environment("HOME").value_or("/")) / given.substr(2);
    return (file_.parent_path() / given).lexically_normal();
  }

  const fs::path& file_;
  Config config_;
  std::string error_;
};

void Reader::read_key(const toml::key& key, const toml::node& value) {
  if (key == "mode") {
    config_.mode = text(key, value);
  } else if (key == "menu") {
    config_.menu = yes(key, value);
  } else if (key == "model") {
    config_.model = path(key, value);
    config_.model_text = text(key, value);
  } else if (key == "mmproj") {
    config_.projector = value.value_exact<std::string>() == engine::EngineOptions::kNone
                            ? fs::path(engine::EngineOptions::kNone)
                            : path(key, value);
  } else if (key == "context") {
    config_.context_tokens = static_cast<int>(number(key, value, 1, kMaxContext));
  } else if (key == "host") {
    config_.host = text(key, value);
  } else if (key == "port") {
    config_.port = static_cast<std::uint16_t>(number(key, value, 0, kMaxPort));
  } else if (key == "token") {
    config_.token = text(key, value);
  } else if (key == "claude") {
    config_.claude = path(key, value).native();
  } else if (key == "claude_url") {
    config_.claude_url = url(key, value, text(key, value));
  } else if (key == "prompt" && value.is_table()) {
    read_prompt(*value.as_table());
  } else if (key == "store" && value.is_table()) {
    read_store(*value.as_table());
  } else if (key == "backends") {
    read_backends(value);
  } else if (key == "routes") {
    read_routes(value);
  } else if (key == "fallback") {
    read_fallback(value);
  } else {
    unknown(value, "", key);
  }
}

void Reader::read_prompt(const toml::table& table) {
  for (const auto& [key, value] : table) {
    if (key == "layout")
      config_.prompt_layout = text(key, value);
    else
      unknown(value, "prompt.", key);
    if (config_.prompt_layout && !prompt::parse_layout(*config_.prompt_layout))
      fault(value, "\"prompt.layout\" must be \"stable-first\" or \"as-sent\"");
  }
}

void Reader::read_store(const toml::table& table) {
  for (const auto& [key, value] : table) {
    if (key != "exclude")
      unknown(value, "store.", key);
    else if (!value.is_array())
      fault(value, "\"store.exclude\" must be a list of folders: [\"~/secret\"]");
    else
      for (const toml::node& folder : *value.as_array())
        config_.excluded.push_back(path(key, folder));
  }
}

void Reader::read_backends(const toml::node& value) {
  const toml::table* table = value.as_table();
  if (!table)
    return fault(value, "\"backends\" must be tables: [backends.NAME]");
  for (const auto& [name, one] : *table)
    read_backend(std::string(name.str()), one);
}

void Reader::read_backend(const std::string& name, const toml::node& node) {
  const toml::table* table = node.as_table();
  if (!table)
    return fault(node, std::format("\"backends.{}\" must be a table: [backends.{}]", name, name));
  BackendConfig backend{.name = name, .kind = name};
  if (name == kLocal || name == backend::kCloud)
    return fault(node, std::format("a backend cannot be called \"{}\": that is a mode", name));
  const toml::node* kind = &node;
  for (const auto& [key, value] : *table) {
    if (key == "kind") {
      backend.kind = text(key, value);
      kind = &value;
    } else if (key == "url") {
      backend.urls.insert(backend.urls.begin(), url(key, value, text(key, value)));
    } else if (key == "replicas") {
      for (const std::string& replica : texts(key, value))
        backend.urls.push_back(url(key, value, replica));
    } else if (key == "model") {
      backend.model = text(key, value);
    } else if (key == "api_key_env") {
      backend.api_key_env = text(key, value);
    } else if (key == "api_key_file") {
      backend.api_key_file = path(key, value);
    } else if (key == "context") {
      backend.context_tokens = static_cast<int>(number(key, value, 1, kMaxContext));
    } else {
      unknown(value, std::format("backends.{}.", name), key);
    }
  }
  if (backend.kind == kLocal)
    return read_local_backend(std::move(backend), *table);
  if (!launch::find_server_kind(backend.kind) && backend.kind != "openai") {
    std::string kinds;
    for (const launch::ServerKind& one : launch::server_kinds())
      kinds += std::string(one.mode) + ", ";
    fault(*kind,
          std::format("\"backends.{}\" needs a kind; there are {}openai and local", name, kinds));
  }
  if (backend.kind == "openai" && backend.urls.empty())
    fault(node, std::format("\"backends.{}\" needs a url: where its OpenAI API is", name));
  config_.backends.push_back(std::move(backend));
}

/// Another model in our own engine: a file, and nothing that belongs to a server.
void Reader::read_local_backend(BackendConfig backend, const toml::table& table) {
  const toml::node* model = table.get("model");
  if (!model)
    return fault(table, std::format("\"backends.{}\" needs a model: a GGUF file", backend.name));
  for (const auto& [key, value] : table)
    if (key != "kind" && key != "model" && key != "context")
      fault(value, std::format("\"{}\" is of servers; our own engine has none", key.str()));
  backend.model = path(toml::key("model"), *model).native();
  config_.backends.push_back(std::move(backend));
}

void Reader::read_routes(const toml::node& value) {
  const toml::array* rules = value.as_array();
  if (!rules || !rules->is_homogeneous<toml::table>())
    return fault(value, "\"routes\" must be tables: [[routes]]");
  for (const toml::node& node : *rules) {
    backend::RouteRule rule;
    for (const auto& [key, one] : *node.as_table()) {
      if (key == "model")
        rule.model = text(key, one);
      else if (key == "background")
        rule.background = yes(key, one);
      else if (key == "tools")
        rule.tools = yes(key, one);
      else if (key == "subagent")
        rule.subagent = yes(key, one);
      else if (key == "server_tools")
        rule.server_tools = yes(key, one);
      else if (key == "min_tokens")
        rule.min_tokens = number(key, one, 1, kMaxContext);
      else if (key == "max_tokens")
        rule.max_tokens = number(key, one, 1, kMaxContext);
      else if (key == "to")
        std::ranges::transform(texts(key, one), std::back_inserter(rule.targets), target_of);
      else
        unknown(one, "routes.", key);
    }
    if (rule.targets.empty())
      fault(node, "a route needs \"to\": the backend that answers");
    config_.routes.rules.push_back(std::move(rule));
  }
}

void Reader::read_fallback(const toml::node& value) {
  const toml::table* table = value.as_table();
  if (!table)
    return fault(value, "\"fallback\" must be a table: [fallback]");
  for (const auto& [key, one] : *table) {
    if (key == "cloud")
      config_.routes.allow_cloud_fallback = yes(key, one);
    else if (key == "to")
      std::ranges::transform(texts(key, one), std::back_inserter(config_.routes.otherwise),
                             target_of);
    else
      unknown(one, "fallback.", key);
  }
}

/// What names a backend must name one that there is.
void Reader::check_names(const toml::table& table) {
  std::vector<std::string> names = {std::string(kLocal), std::string(backend::kCloud)};
  for (const launch::ServerKind& kind : launch::server_kinds())
    names.emplace_back(kind.mode);
  for (const BackendConfig& backend : config_.backends)
    names.push_back(backend.name);
  const auto check = [&](const toml::node* where, const std::string& name) {
    if (where && !std::ranges::contains(names, name))
      fault(*where,
            std::format("there is no backend \"{}\"; add a [backends.{}], or name one of {}", name,
                        name, launch::listed_modes()));
  };
  if (config_.mode)
    check(table.get("mode"), *config_.mode);
  const toml::node* routes = table.get("routes");
  for (std::size_t i = 0; i < config_.routes.rules.size(); ++i)
    for (const auto& target : config_.routes.rules[i].targets)
      check(routes && routes->as_array() ? routes->as_array()->get(i) : nullptr, target.backend);
  for (const auto& target : config_.routes.otherwise)
    check(table.get("fallback"), target.backend);
}

} // namespace

const BackendConfig* Config::backend(std::string_view name) const {
  const auto found = std::ranges::find(backends, name, &BackendConfig::name);
  return found == backends.end() ? nullptr : &*found;
}

std::expected<Config, std::string> read_config(const fs::path& file) {
  std::error_code failed;
  if (!fs::exists(file, failed))
    return Config{};
  std::ifstream stream(file, std::ios::binary);
  const std::string text{std::istreambuf_iterator<char>(stream), {}};
  if (!stream.is_open() || stream.bad())
    return std::unexpected(std::format("cannot read {}", file.native()));
  try { // the library as Debian builds it reports by exceptions
    Reader reader(file);
    Config config = reader.read(toml::parse(text));
    if (!reader.error().empty())
      return std::unexpected(reader.error());
    return config;
  } catch (const toml::parse_error& fault) {
    return std::unexpected(
        std::format("{}:{}: {}", file.native(), fault.source().begin.line, fault.description()));
  }
}

std::expected<std::string, std::string> api_key_of(const BackendConfig& backend) {
  if (!backend.api_key_env.empty()) {
    if (auto key = launch::process_environment(backend.api_key_env.c_str()); key && !key->empty())
      return *key;
    return std::unexpected(
        std::format("backend {}: the environment variable {} is not set; it holds "
                    "the key",
                    backend.name, backend.api_key_env));
  }
  if (backend.api_key_file.empty())
    return std::string();
  std::ifstream file(backend.api_key_file);
  std::string key;
  if (!(file >> key))
    return std::unexpected(std::format("backend {}: there is no key in {}", backend.name,
                                       backend.api_key_file.native()));
  return key;
}

bool is_excluded(const Config& config, const fs::path& folder) {
  std::error_code failed;
  const fs::path inside = fs::weakly_canonical(folder, failed);
  return std::ranges::any_of(config.excluded, [&](const fs::path& excluded) {
    fs::path outside = fs::weakly_canonical(excluded, failed);
    if (!outside.has_filename()) // "folder/"
      outside = outside.parent_path();
    return std::ranges::mismatch(outside, inside).in1 == outside.end();
  });
}

} // namespace anyclaude::commands
