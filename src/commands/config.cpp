#include "commands/config.h"

#include "launch/paths.h"
#include "prompt/layout.h"

#include <toml++/toml.hpp>

#include <algorithm>
#include <format>
#include <fstream>
#include <iterator>

namespace anyclaude::commands {
namespace fs = std::filesystem;

namespace {

constexpr std::int64_t kMaxContext = 1 << 24; // tokens
constexpr std::int64_t kMaxPort = 65535;

/// Reads one file's keys; the first fault is kept.
class Reader {
 public:
  explicit Reader(const fs::path& file) : file_(file) {}

  void read(const toml::table& table, Config& config) {
    for (const auto& [key, value] : table) {
      if (key == "model")
        config.model = path(key, value);
      else if (key == "context")
        config.context_tokens = static_cast<int>(number(key, value, 1, kMaxContext));
      else if (key == "host")
        config.host = text(key, value);
      else if (key == "port")
        config.port = static_cast<std::uint16_t>(number(key, value, 0, kMaxPort));
      else if (key == "token")
        config.token = text(key, value);
      else if (key == "claude")
        config.claude = path(key, value).native();
      else if (key == "prompt" && value.is_table())
        read_prompt(*value.as_table(), config);
      else if (key == "store" && value.is_table())
        read_store(*value.as_table(), config);
      else
        fault(value, std::format("unknown key \"{}\"; there are model, context, host, port, token, "
                                 "claude, prompt.layout and store.exclude",
                                 key.str()));
    }
  }

  const std::string& error() const { return error_; }

 private:
  void read_prompt(const toml::table& table, Config& config) {
    for (const auto& [key, value] : table) {
      if (key == "layout")
        config.prompt_layout = text(key, value);
      else
        fault(value, std::format("unknown key \"prompt.{}\"; there is layout", key.str()));
      if (config.prompt_layout && !prompt::parse_layout(*config.prompt_layout))
        fault(value, "\"prompt.layout\" must be \"stable-first\" or \"as-sent\"");
    }
  }

  void read_store(const toml::table& table, Config& config) {
    for (const auto& [key, value] : table) {
      if (key != "exclude")
        fault(value, std::format("unknown key \"store.{}\"; there is exclude", key.str()));
      else if (!value.is_array())
        fault(value, "\"store.exclude\" must be a list of folders: [\"~/secret\"]");
      else
        for (const toml::node& folder : *value.as_array())
          config.excluded.push_back(path(key, folder));
    }
  }

  void fault(const toml::node& where, const std::string& what) {
    if (error_.empty())
      error_ = std::format("{}:{}: {}", file_.native(), where.source().begin.line, what);
  }

  std::string text(const toml::key& key, const toml::node& value) {
    const auto found = value.value_exact<std::string>();
    if (found && !found->empty())
      return *found;
    fault(value, std::format("\"{}\" must be a text in quotes", key.str()));
    return {};
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

  fs::path path(const toml::key& key, const toml::node& value) {
    const std::string given = text(key, value);
    if (given == "~")
      return launch::process_environment("HOME").value_or("/");
    if (given.starts_with("~/"))
      return fs::path(launch::process_environment("HOME").value_or("/")) / given.substr(2);
    return (file_.parent_path() / given).lexically_normal();
  }

  const fs::path& file_;
  std::string error_;
};

} // namespace

std::expected<Config, std::string> read_config(const fs::path& file) {
  std::error_code failed;
  if (!fs::exists(file, failed))
    return Config{};
  std::ifstream stream(file, std::ios::binary);
  const std::string text{std::istreambuf_iterator<char>(stream), {}};
  if (!stream.is_open() || stream.bad())
    return std::unexpected(std::format("cannot read {}", file.native()));
  Config config;
  try { // the library as Debian builds it reports by exceptions
    Reader reader(file);
    reader.read(toml::parse(text), config);
    if (!reader.error().empty())
      return std::unexpected(reader.error());
  } catch (const toml::parse_error& fault) {
    return std::unexpected(
        std::format("{}:{}: {}", file.native(), fault.source().begin.line, fault.description()));
  }
  return config;
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
