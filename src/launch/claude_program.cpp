#include "launch/claude_program.h"

#include <unistd.h>

#include <format>
#include <ranges>
#include <string_view>
#include <vector>

namespace anyclaude::launch {
namespace fs = std::filesystem;

namespace {

constexpr const char* kInstall = "npm install -g @anthropic-ai/claude-code";

bool is_program(const fs::path& path) {
  std::error_code ignored;
  return fs::is_regular_file(path, ignored) && ::access(path.c_str(), X_OK) == 0;
}

std::vector<fs::path> folders_of_path(const EnvironmentLookup& environment) {
  std::vector<fs::path> folders;
  const std::string path = environment("PATH").value_or("");
  for (const auto part : std::views::split(path, ':'))
    folders.emplace_back(part.empty() ? std::string_view(".") : std::string_view(part));
  return folders;
}

std::vector<fs::path> folders_of_installers(const EnvironmentLookup& environment) {
  std::vector<fs::path> folders;
  if (const auto home = environment("HOME"); home && !home->empty()) {
    folders.push_back(fs::path(*home) / ".local/bin");
    folders.push_back(fs::path(*home) / ".claude/local");
    folders.push_back(fs::path(*home) / ".npm-global/bin");
  }
  for (const char* prefix : {"NPM_CONFIG_PREFIX", "npm_config_prefix"})
    if (const auto value = environment(prefix); value && !value->empty())
      folders.push_back(fs::path(*value) / "bin");
  folders.emplace_back("/opt/homebrew/bin");
  folders.emplace_back("/usr/local/bin");
  return folders;
}

} // namespace

std::expected<fs::path, std::string> find_claude(const std::string& explicit_path,
                                                 const EnvironmentLookup& environment) {
  if (!explicit_path.empty()) {
    std::error_code ignored;
    if (is_program(explicit_path))
      return fs::absolute(explicit_path, ignored);
    return std::unexpected(std::format(
        "{} is not a program that can be run; give the path of Claude Code's `claude`, or install "
        "it with: {}",
        explicit_path, kInstall));
  }
  auto folders = folders_of_path(environment);
  folders.append_range(folders_of_installers(environment));
  for (const auto& folder : folders)
    if (is_program(folder / "claude"))
      return folder / "claude";
  return std::unexpected(std::format("Claude Code is not installed: there is no `claude` in PATH, "
                                     "~/.local/bin, ~/.claude/local or "
                                     "npm's global folder. Install it with: {}",
                                     kInstall));
}

} // namespace anyclaude::launch
