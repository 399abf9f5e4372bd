#include "commands/launch.h"

#include "commands/advice.h"
#include "commands/log_format.h"
#include "commands/progress_line.h"
#include "commands/speeds.h"
#include "commands/tell.h"
#include "launch/claude_process.h"
#include "launch/claude_program.h"
#include "launch/summary.h"
#include "text/random_text.h"

#include <spdlog/spdlog.h>

#include <chrono>
#include <cstdio>
#include <filesystem>
#include <format>
#include <utility>

namespace anyclaude::commands {
namespace fs = std::filesystem;

namespace {

using namespace std::chrono_literals;

/// Whether a daemon runs already: then its model will do.
bool daemon_runs(const launch::Paths& paths) {
  return launch::ControlClient::connect(paths.control_socket(), {program_version(), 0, "", false})
      .has_value();
}

/// A daemon that has to take the running one's place serves what that served.
DaemonOptions like_the_running(DaemonOptions options, const launch::DaemonStatus& status) {
  options.mode = status.mode;
  if (status.mode == "local")
    options.model = status.model_path;
  else
    options.server_model = status.model_path;
  options.trace = status.trace;
  return options;
}

/// The settings of the running daemon's own start count, not this launcher's.
void tell_what_does_not_apply(const LaunchOptions& options, const launch::DaemonStatus& status) {
  if (options.daemon.context_tokens > 0 && status.context_tokens > 0 &&
      options.daemon.context_tokens != status.context_tokens)
    tell(std::format("the running daemon has a context of {} tokens; --ctx {} counts for the next",
                     status.context_tokens, options.daemon.context_tokens));
  if (!options.engine_options.empty())
    tell(std::format("the running daemon goes on as it was started; {} for the next",
                     options.engine_options.contains(',') ? options.engine_options + " count"
                                                          : options.engine_options + " counts"));
  if (!options.daemon.trace.empty() && options.daemon.trace != status.trace)
    tell("the running daemon was started without this --trace, which counts for the next "
         "(`anyclaude stop` ends this one)");
}

} // namespace

launch::DaemonOrder daemon_order(DaemonOptions options, std::string session) {
  launch::DaemonOrder order;
  order.version = program_version();
  order.session = std::move(session);
  order.mode = options.mode;
  order.model_path = options.mode == "local" ? options.model.native() : options.server_model;
  order.port = options.port;
  order.token = options.token;
  order.main = [options = std::move(options)](launch::DaemonStart start) {
    set_log_pattern("%Y-%m-%d %H:%M:%S.%e %l: %*");
    spdlog::flush_on(spdlog::level::trace);
    DaemonOptions own = options;
    own.port = start.port;
    own.token = start.token;
    own.token_was_made = options.token.empty();
    own.ends_with_last_launcher = true;
    return run_daemon(own, std::move(start.listener));
  };
  return order;
}

launch::ClaudeConnection connection_to(const launch::DaemonStatus& status,
                                       const std::string& session) {
  return {.base_url = status.base_url,
          .session = session,
          .token = status.token,
          .own_login = status.reaches_claude,
          .own_model_names = status.routes_by_model,
          .model_id = status.model_id,
          .context_tokens = status.context_tokens,
          .max_output_tokens = status.max_output_tokens};
}

std::expected<launch::DaemonStatus, std::string> wait_until_ready(const launch::Paths& paths,
                                                                  launch::Attached& daemon) {
  const launch::DaemonStatus& first = daemon.client.status();
  if (first.mode != "local") { // a server says itself what it does
    TerminalLine line;
    return launch::wait_ready(
        paths, daemon, [&line](const launch::DaemonStatus& status) { line.write(status.detail); });
  }
  const fs::path model = first.model_path;
  if (model.empty())
    return std::unexpected("the running daemon serves no model. " + advice_without_model(paths));
  ProgressLine line("loading " + model.stem().string());
  return launch::wait_ready(
      paths, daemon, [&line](const launch::DaemonStatus& status) { line.show(status.progress); });
}

int launch_claude(const launch::Paths& paths, const LaunchOptions& options) {
  const auto program = launch::find_claude(options.claude);
  if (!program)
    return fail(program.error());
  if (options.daemon.mode == "local" && options.daemon.model.empty() && !daemon_runs(paths))
    return fail("no model is configured. " + advice_without_model(paths));

  const std::string session = text::random_text(8);
  launch::DaemonOrder order = daemon_order(options.daemon, session);
  if (!options.insists_on_model)
    order.model_path.clear();
  if (!options.insists_on_mode)
    order.mode.clear();
  auto daemon = launch::attach_or_start(paths, order);
  if (!daemon)
    return fail(daemon.error());
  const bool is_ours = daemon->child > 0;
  const auto status = wait_until_ready(paths, *daemon);
  if (!status)
    return fail(status.error());
  if (!is_ours) {
    tell_what_does_not_apply(options, *status);
    order.main = daemon_order(like_the_running(options.daemon, *status), session).main;
  }

  if (!status->trace.empty())
    tell(options.is_private ? "the running daemon writes requests to files (--trace), but none of "
                              "this session: what is said here is not kept on the disk"
                            : trace_warning(status->trace));

  std::error_code ignored;
  launch::ClaudeConnection connection = connection_to(*status, session);
  connection.is_private = options.is_private;
  auto settings = launch::make_claude_settings(connection, options.arguments,
                                               launch::settings_places(fs::current_path(ignored)));
  if (!settings)
    return fail(settings.error());
  for (const std::string& warning : settings->warnings)
    tell(warning);
  const auto file = launch::SettingsFile::write(paths, settings->json);
  if (!file)
    return fail(file.error());

  launch::ClaudeCommand command{
      *program, {"--settings", file->path().native()}, settings->variables};
  command.arguments.append_range(settings->arguments);
  launch::DaemonKeeper keeper(paths, order, std::move(*daemon));
  const int exit_status = launch::run_claude(command, &keeper);

  for (const std::string& note : keeper.notes())
    tell(note);
  if (const auto numbers = keeper.ask_session(2s)) {
    std::fputs(launch::session_summary(*numbers).c_str(), stderr);
    write_speed(paths.state, keeper.status().mode, speed_of(*numbers));
  }
  return exit_status;
}

} // namespace anyclaude::commands
