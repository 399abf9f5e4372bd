#include "bench/claude_client.h"

#include "anthropic/json.h"
#include "launch/captured_process.h"

#include <nlohmann/json.hpp>
#include <unistd.h>

#include <format>
#include <optional>

namespace anyclaude::bench {

namespace {

/// What Claude Code needs to run as root, where it expects a sandbox.
void allow_root(launch::Variables& variables) {
  if (::geteuid() == 0)
    variables.emplace_back("IS_SANDBOX", "1");
}

std::string end_of(const std::string& text) {
  constexpr std::size_t kBytes = 600;
  return text.size() > kBytes ? "…" + text.substr(text.size() - kBytes) : text;
}

/// From the request's sending to the first content, in ms. Claude Code counts from its own start
/// and says when it sent the request.
std::optional<double> time_to_first_token(const Json& result) {
  const auto first = result.find("ttft_stream_ms");
  const auto sent = result.find("time_to_request_ms");
  if (first == result.end() || !first->is_number() || sent == result.end() || !sent->is_number())
    return std::nullopt;
  return first->get<double>() - sent->get<double>();
}

} // namespace

std::expected<std::string, std::string> claude_version(const std::filesystem::path& program,
                                                       const std::filesystem::path& home,
                                                       std::function<void()> while_running) {
  const auto run = launch::run_captured({.command = {.program = program,
                                                     .arguments = {"--version"},
                                                     .variables = {{"HOME", home.native()}}},
                                         .working_directory = home,
                                         .timeout = std::chrono::seconds(60),
                                         .while_running = std::move(while_running)});
  if (!run)
    return std::unexpected(run.error());
  if (run->status != 0)
    return std::unexpected(std::format("{} --version ended with status {}: {}", program.native(),
                                       run->status, end_of(run->errors)));
  return run->output.substr(0, run->output.find_first_of(" \n")); // "2.1.330 (Claude Code)"
}

std::expected<std::unique_ptr<ClaudeClient>, std::string>
ClaudeClient::create(std::filesystem::path program, std::filesystem::path home,
                     std::filesystem::path project, launch::Paths paths,
                     std::function<void()> while_running) {
  std::unique_ptr<ClaudeClient> client(new ClaudeClient);
  client->program_ = std::move(program);
  client->home_ = std::move(home);
  client->project_ = std::move(project);
  client->paths_ = std::move(paths);
  client->while_running_ = std::move(while_running);
  auto version = claude_version(client->program_, client->home_, client->while_running_);
  if (!version)
    return std::unexpected(version.error());
  client->version_ = std::move(*version);
  return client;
}

std::expected<double, std::string> ClaudeClient::ask(const launch::ClaudeConnection& connection,
                                                     const Question& question) {
  std::vector<std::string> arguments = {"-p", question.words, "--output-format", "json"};
  if (question.continues)
    arguments.emplace_back("--continue");
  auto settings = launch::make_claude_settings(connection, arguments, {});
  if (!settings)
    return std::unexpected(settings.error());
  const auto file = launch::SettingsFile::write(paths_, settings->json);
  if (!file)
    return std::unexpected(file.error());
  settings->arguments.insert(settings->arguments.begin(), {"--settings", file->path().native()});
  settings->variables.emplace_back("HOME", home_.native());
  settings->variables.emplace_back("CLAUDE_CONFIG_DIR", "");
  allow_root(settings->variables);
  const auto run = launch::run_captured({.command = {.program = program_,
                                                     .arguments = settings->arguments,
                                                     .variables = settings->variables},
                                         .working_directory = project_,
                                         .timeout = std::chrono::seconds(3600),
                                         .while_running = while_running_});
  if (!run)
    return std::unexpected(run.error());
  const Json result = Json::parse(run->output, nullptr, false);
  if (run->status != 0 || !result.is_object() || result.value("is_error", true))
    return std::unexpected(std::format("Claude Code ended with status {}: {}{}", run->status,
                                       end_of(run->output), end_of(run->errors)));
  const auto ttft = time_to_first_token(result);
  if (!ttft)
    return std::unexpected("Claude Code " + version_ +
                           " does not report when its answer began; try another version");
  return *ttft;
}

} // namespace anyclaude::bench
