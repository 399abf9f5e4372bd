#include "commands/cache_warm.h"

#include "commands/advice.h"
#include "commands/cache_store.h"
#include "commands/headless_claude.h"
#include "commands/launch.h"
#include "commands/terminal_line.h"
#include "launch/claude_program.h"
#include "text/random_text.h"

#include <chrono>
#include <format>

namespace anyclaude::commands {

namespace {

using namespace std::chrono_literals;
using Clock = std::chrono::steady_clock;

constexpr const char* kQuestion = "Answer with the one word OK.";

} // namespace

int warm_cache(const launch::Paths& paths, const WarmOptions& options) {
  const auto program = launch::find_claude(options.claude);
  if (!program)
    return fail(program.error());
  const std::string session = text::random_text(8);
  launch::DaemonOrder order = daemon_order(options.daemon, session);
  if (!options.insists_on_model)
    order.model_path.clear();
  auto daemon = launch::attach_or_start(paths, order);
  if (!daemon)
    return fail(daemon.error());
  const auto status = wait_until_ready(paths, *daemon);
  if (!status)
    return fail(status.error());

  const auto began = Clock::now();
  TerminalLine line;
  const auto run = ask_headless(paths, *program, connection_to(*status, session), kQuestion, [&] {
    line.write(std::format("computing what Claude Code begins with … {:.0f} s",
                           std::chrono::duration<double>(Clock::now() - began).count()));
  });
  line.clear();
  if (!run)
    return fail(run.error());
  const auto numbers = daemon->client.ask_session(10s);
  if (!numbers || numbers->prompt_tokens == 0)
    return fail(std::format("Claude Code asked nothing; it ended with status {}: {}", run->status,
                            end_of_output(*run)));
  if (!wait_until_stored(paths))
    return fail("what was computed is not on the disk: does the daemon run with "
                "--no-store, or is the disk full? See " +
                paths.daemon_log().native());
  print("{} tokens of prompts, {} of them computed now, {} known before; they are on the disk\n",
        numbers->prompt_tokens, numbers->computed_tokens, numbers->reused_tokens);
  return 0;
}

} // namespace anyclaude::commands
