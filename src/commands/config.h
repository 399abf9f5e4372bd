#pragma once

#include <cstdint>
#include <expected>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

namespace anyclaude::commands {

/// What config.toml says. Every key is optional; options on the command line outrank it.
///
///     model = "~/models/qwen3-30b.gguf"
///     context = 65536              # tokens
///     host = "127.0.0.1"           # of `anyclaude serve`
///     port = 8642
///     token = "…"
///     claude = "/opt/claude/claude"
///     [prompt]
///     layout = "as-sent"           # or "stable-first" (docs/prompt-layout.md)
///     [store]
///     exclude = ["~/secret"]       # nothing said below these folders is kept on the disk
struct Config {
  std::optional<std::filesystem::path> model; // absolute
  std::optional<int> context_tokens;
  std::optional<std::string> host;
  std::optional<std::uint16_t> port;
  std::optional<std::string> token;
  std::optional<std::string> claude;
  std::optional<std::string> prompt_layout; // one of the two
  std::vector<std::filesystem::path> excluded; // from what is kept on the disk; absolute
};

/// Whether a folder is one of the excluded ones or below one, whatever links lead there.
bool is_excluded(const Config& config, const std::filesystem::path& folder);

/// An absent file is an empty configuration. The error names the file, the line, what is wrong and
/// what is wanted; an unknown key is an error, since it is mostly a misspelled one. A relative path
/// in it counts from the file's folder, and "~/" from HOME.
std::expected<Config, std::string> read_config(const std::filesystem::path& file);

} // namespace anyclaude::commands
