#include "commands/serve.h"

#include "commands/advice.h"
#include "commands/log_format.h"
#include "commands/tell.h"
#include "launch/claude_settings.h"
#include "launch/daemon.h"

#include <spdlog/sinks/stdout_color_sinks.h>
#include <spdlog/spdlog.h>

#include <chrono>
#include <cstdio>
#include <format>

namespace anyclaude::commands {

namespace {

using namespace std::chrono_literals;

/// The headers' credentials are the real Claude's; ours stands in the path.
void print_pass_through(const DaemonAddress& address) {
  const std::string text =
      std::format(R"(anyclaude {} is listening

  ANTHROPIC_BASE_URL={}

That variable leads a client of the Messages API to the real Claude through here, with a key or login
of its own. Ctrl-C ends it.
)",
                  program_version(), launch::url_with_token(address.base_url, address.token));
  std::fputs(text.c_str(), stdout);
  std::fflush(stdout);
}

void print_address(const DaemonAddress& address) {
  const std::string text = std::format(R"(anyclaude {} is listening

  ANTHROPIC_BASE_URL={}
  ANTHROPIC_AUTH_TOKEN={}

Those two variables lead any client of the Messages API here; `anyclaude` in another terminal needs
neither. Ctrl-C ends it.
)",
                                       program_version(), address.base_url, address.token);
  std::fputs(text.c_str(), stdout);
  std::fflush(stdout);
}

} // namespace

int serve(const launch::Paths& paths, const DaemonOptions& options) {
  spdlog::set_default_logger(spdlog::stderr_color_mt("serve"));
  set_log_pattern("%H:%M:%S.%e %^%l%$: %*");
  auto listener = launch::open_control_listener(paths);
  if (!listener) {
    return fail(listener.error().busy
                    ? "a daemon runs already; `anyclaude` attaches to it, `anyclaude stop` ends it"
                    : listener.error().message);
  }
  const bool passes_through = options.mode == "claude";
  if (options.mode == "local" && options.model.empty())
    spdlog::warn("no model is configured. {}", advice_without_model(paths));
  return run_daemon(options, std::move(*listener),
                    passes_through ? print_pass_through : print_address);
}

int stop(const launch::Paths& paths) {
  const auto stopped = launch::stop_daemon(paths, 15s);
  if (!stopped) {
    return fail(stopped.error());
  }
  std::puts(*stopped ? "the daemon has ended" : "no daemon was running");
  return 0;
}

} // namespace anyclaude::commands
