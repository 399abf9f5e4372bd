#include "commands/cache_warm.h"

#include "commands/advice.h"
#include "commands/cache_store.h"
#include "commands/launch.h"
#include "commands/terminal_line.h"
#include "launch/captured_process.h"
#include "launch/claude_program.h"
#include "launch/claude_settings.h"
#include "text/random_text.h"

#include <unistd.h>

#include <chrono>
#include <system_error>
#include <thread>

namespace anyclaude::commands {
namespace fs = std::filesystem;

namespace {

using namespace std::chrono_literals;
using Clock = std::chrono::steady_clock;

constexpr const char* kQuestion = "Answer with the one word OK.";

/// Waits until everything that was computed is on the disk; false when that does not come about.
bool wait_until_stored(const launch::Paths& paths) {
  for (const auto limit = Clock::now() + 120s; Clock::now() < limit;
       std::this_thread::sleep_for(50ms)) {
    const auto store = ask_store(paths);
    if (!store)
      return false;
    if (store->value("unstored", std::uint64_t{1}) == 0 &&
        store->value("running", std::int64_t{1}) == 0)
      return store->value("disk_bytes", std::uint64_t{0}) > 0;
  }
  return false;
}

std::string end_of(const std::string& text) {
  constexpr std::size_t kBytes = 600;
  return text.size() > kBytes ? "…" + text.substr(text.size() - kBytes) : text;
}

} // namespace

int warm_cache(const launch::Paths& paths, const WarmOptions& options) {
  const auto program = launch::find_claude(options.claude);
  if (!program)
    return cache_failure(program.error());
  const std::string session = text::random_text(8);
  launch::DaemonOrder order = daemon_order(options.daemon, session);
  if (!options.insists_on_model)
    order.model_path.clear();
  auto daemon = launch::attach_or_start(paths, order);
  if (!daemon)
    return cache_failure(daemon.error());
  const auto status = wait_until_ready(paths, *daemon);
  if (!status)
    return cache_failure(status.error());

  std::error_code ignored;
  const fs::path here = fs::current_path(ignored);
  auto settings =
      launch::make_claude_settings(connection_to(*status, session),
                                   {"-p", kQuestion, "--output-format", "json", "--max-turns", "1"},
                                   launch::settings_places(here));
  if (!settings)
    return cache_failure(settings.error());
  const auto file = launch::SettingsFile::write(paths, settings->json);
  if (!file)
    return cache_failure(file.error());
  settings->arguments.insert(settings->arguments.begin(), {"--settings", file->path().native()});
  if (::geteuid() == 0) // where it expects a sandbox
    settings->variables.emplace_back("IS_SANDBOX", "1");
  const auto began = Clock::now();
  TerminalLine line;
  const auto run = launch::run_captured(
      {.command = {.program = *program,
                   .arguments = settings->arguments,
                   .variables = settings->variables},
       .working_directory = here,
       .timeout = 3600s,
       .while_running = [&] {
         line.write(std::format("computing what Claude Code begins with … {:.0f} s",
                                std::chrono::duration<double>(Clock::now() - began).count()));
       }});
  line.clear();
  if (!run)
    return cache_failure(run.error());
  const auto numbers = daemon->client.ask_session(10s);
  if (!numbers || numbers->prompt_tokens == 0)
    return cache_failure(std::format("Claude Code asked nothing; it ended with status {}: {}{}",
                                     run->status, end_of(run->output), end_of(run->errors)));
  if (!wait_until_stored(paths))
    return cache_failure("what was computed is not on the disk: does the daemon run with "
                         "--no-store, or is the disk full? See " +
                         paths.daemon_log().native());
  print("{} tokens of prompts, {} of them computed now, {} known before; they are on the disk\n",
        numbers->prompt_tokens, numbers->computed_tokens, numbers->reused_tokens);
  return 0;
}

} // namespace anyclaude::commands
