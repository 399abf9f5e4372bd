#pragma once

#include "backend/route_rules.h"

#include <cstdint>
#include <expected>
#include <filesystem>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace anyclaude::commands {

/// The kind of a backend in our own engine, and the mode of the first of them.
inline constexpr std::string_view kLocal = "local";

/// One [backends.NAME]: a server that answers, or several that answer alike; or another model in
/// our own engine.
struct BackendConfig {
  std::string name;
  std::string kind; // a mode with a server, "openai", or kLocal; by default the name
  std::vector<std::string>
      urls{};                // the first is `url`, the others are `replicas`; empty: found here
  std::string model{};       // as a person names it (launch::resolve_model()); of kLocal absolute
  std::string api_key_env{}; // the variable that holds the key
  std::filesystem::path api_key_file{}; // the file that holds it
  int context_tokens = 0;               // 0: what the server says, or model and memory allow
};

/// What config.toml says. Every key is optional; options on the command line outrank it.
/// docs/configuration.md lists the keys (config_keys()).
struct Config {
  std::optional<std::string> mode; // one of launch::mode_names(), or a backend's name
  std::optional<bool> menu;
  std::optional<std::filesystem::path> model;     // absolute
  std::optional<std::string> model_text;          // the same as it was written: it may be no path
  std::optional<std::filesystem::path> projector; // absolute, or "none"
  std::optional<int> context_tokens;
  std::optional<std::string> host;
  std::optional<std::uint16_t> port;
  std::optional<std::string> token;
  std::optional<std::string> claude;
  std::optional<std::string> claude_url;
  std::optional<std::string> prompt_layout;    // one of the two
  std::vector<std::filesystem::path> excluded; // from what is kept on the disk; absolute
  std::vector<BackendConfig> backends;
  /// The rules of [[routes]]; what holds where none does is the mode's backend, and [fallback].
  backend::RoutingTable routes;

  /// Null when there is no such [backends.NAME].
  const BackendConfig* backend(std::string_view name) const;
};

/// Whether a folder is one of the excluded ones or below one, whatever links lead there.
bool is_excluded(const Config& config, const std::filesystem::path& folder);

/// A key of config.toml, for the documentation and for messages.
struct ConfigKey {
  std::string_view key;      // "backends.NAME.url"
  std::string_view type;     // "text", "whole number", "yes or no", …
  std::string_view standard; // what counts where it is absent
  std::string_view meaning;
};
std::span<const ConfigKey> config_keys();

/// An absent file is an empty configuration. The error names the file, the line, what is wrong and
/// what is wanted; an unknown key is an error, since it is mostly a misspelled one. A relative path
/// in it counts from the file's folder, and "~/" from HOME.
std::expected<Config, std::string> read_config(const std::filesystem::path& file);

/// The key of a backend, from where the configuration says; empty when it needs none.
std::expected<std::string, std::string> api_key_of(const BackendConfig& backend);

} // namespace anyclaude::commands
