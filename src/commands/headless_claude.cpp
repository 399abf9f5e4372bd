#include "commands/headless_claude.h"

#include <unistd.h>

#include <chrono>
#include <system_error>
#include <utility>

namespace anyclaude::commands {
namespace fs = std::filesystem;

using namespace std::chrono_literals;

std::expected<launch::Captured, std::string>
ask_headless(const launch::Paths& paths, const fs::path& program,
             const launch::ClaudeConnection& connection, const std::string& question,
             std::function<void()> while_running) {
  std::error_code ignored;
  const fs::path here = fs::current_path(ignored);
  auto settings = launch::make_claude_settings(
      connection, {"-p", question, "--output-format", "json", "--max-turns", "1"},
      launch::settings_places(here));
  if (!settings)
    return std::unexpected(settings.error());
  const auto file = launch::SettingsFile::write(paths, settings->json);
  if (!file)
    return std::unexpected(file.error());
  settings->arguments.insert(settings->arguments.begin(), {"--settings", file->path().native()});
  if (::geteuid() == 0) // where it expects a sandbox
    settings->variables.emplace_back("IS_SANDBOX", "1");
  return launch::run_captured({.command = {.program = program,
                                           .arguments = settings->arguments,
                                           .variables = settings->variables},
                               .working_directory = here,
                               .timeout = 3600s,
                               .while_running = std::move(while_running)});
}

std::string end_of_output(const launch::Captured& run) {
  constexpr std::size_t kBytes = 600; // of each
  const auto end = [](const std::string& text) {
    return text.size() > kBytes ? "…" + text.substr(text.size() - kBytes) : text;
  };
  return end(run.output) + end(run.errors);
}

} // namespace anyclaude::commands
