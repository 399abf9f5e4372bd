#include "launch/server_keeper.h"

#include "launch/captured_process.h"
#include "launch/server_process.h"

#include <spdlog/spdlog.h>

#include <deque>
#include <format>

namespace anyclaude::launch {

namespace {

using Clock = std::chrono::steady_clock;
using namespace std::chrono_literals;

constexpr auto kBetweenLooks = 300ms; // while it starts
constexpr auto kBetweenChecks = 2s;   // once it runs
constexpr int kMissesUntilGone = 3;   // a server that computes may be slow to answer
constexpr std::size_t kStartsPerMinute = 3;

ServerPlace place_of(const FoundServer& found, const ServerWish& wish) {
  ServerPlace place{found.url, true, served_name(*wish.kind, wish.model),
                    wish.context_tokens > 0 ? wish.context_tokens : found.context_tokens};
  for (const ServedModel& model : found.models) {
    // What it calls the model counts, not what we would have called it.
    const bool is_wanted = model.path == wish.model || (wish.model.empty() && model.loaded);
    if (is_wanted && wish.kind->mode != "mlx-lm") {
      place.model = model.id;
      break;
    }
  }
  return place;
}

std::string not_installed(const ServerKind& kind) {
  return std::format(
      "{} does not run on this machine and is not installed: there is no {} in PATH. "
      "Get it: {}. Or name one that runs elsewhere, with a [backends.NAME] in "
      "config.toml",
      kind.title, kind.program, kind.install);
}

/// "mlx_lm.server is starting (12 s): Loading weights"
std::string progress(const ServerKind& kind, Clock::time_point since, const std::string& line) {
  const auto seconds =
      std::chrono::duration_cast<std::chrono::seconds>(Clock::now() - since).count();
  std::string text = std::format("starting {} ({} s)", kind.title, seconds);
  if (!line.empty())
    text += ": " + line;
  return text;
}

} // namespace

std::expected<ServerPlace, std::string> place_server(const ServerWish& wish) {
  const ServerKind& kind = *wish.kind;
  ServerProbe probe;
  if (!wish.url.empty()) {
    const auto found = probe.look(wish.url, wish.api_key);
    return found ? place_of(*found, wish)
                 : ServerPlace{wish.url, true, served_name(kind, wish.model), wish.context_tokens};
  }
  for (const std::uint16_t port : kind.ports)
    if (const auto found = probe.look(loopback_url(port));
        found && serves(*found, kind, wish.model))
      return place_of(*found, wish);
  if (wish.model.empty() && kind.needs_model)
    return std::unexpected(
        std::format("no {} server runs at {} on this machine, and there is no model "
                    "to start one with: name it with --model",
                    kind.title, loopback_url(kind.ports.front())));
  if (!kind.command || find_program(kind.program).empty())
    return std::unexpected(not_installed(kind));
  const std::uint16_t port = is_free_port(kind.ports.front()) ? kind.ports.front() : free_port();
  return ServerPlace{loopback_url(port), false, served_name(kind, wish.model), wish.context_tokens};
}

ServerKeeper::ServerKeeper(ServerWish wish, ServerPlace place, std::function<void()> on_change)
    : wish_(std::move(wish)), place_(std::move(place)), on_change_(std::move(on_change)) {
  status_.detail = progress(*wish_.kind, Clock::now(), "");
  thread_ = std::jthread([this](const std::stop_token& stop) { keep(stop); });
}

ServerStatus ServerKeeper::status() const {
  const std::scoped_lock lock(mutex_);
  return status_;
}

void ServerKeeper::set(ServerStatus status) {
  {
    const std::scoped_lock lock(mutex_);
    status_ = std::move(status);
  }
  if (on_change_)
    on_change_();
}

/// False when the keeper is to end.
bool ServerKeeper::pause(const std::stop_token& stop, std::chrono::milliseconds time) {
  std::unique_lock lock(pause_mutex_);
  pause_.wait_for(lock, stop, time, [] { return false; });
  return !stop.stop_requested();
}

bool ServerKeeper::can_start() const {
  const auto url = upstream::parse_url(place_.url);
  return wish_.url.empty() && wish_.kind->command && url && is_free_port(url->origin.port) &&
         (!wish_.model.empty() || !wish_.kind->needs_model) &&
         !find_program(wish_.kind->program).empty();
}

void ServerKeeper::keep(const std::stop_token& stop) {
  std::deque<Clock::time_point> starts;
  bool is_found = place_.found;
  while (!stop.stop_requested()) {
    if (is_found) {
      watch(stop);
      is_found = false;
      continue;
    }
    while (!starts.empty() && Clock::now() - starts.front() > 1min)
      starts.pop_front();
    if (starts.size() >= kStartsPerMinute) {
      set({ServerState::failed,
           std::format("{} has ended {} times within a minute; its log is {}", wish_.kind->title,
                       starts.size(), wish_.log.native()),
           {}});
      return;
    }
    starts.push_back(Clock::now());
    if (!start_and_wait(stop))
      return;
  }
}

/// Waits for a server that somebody else runs, and returns when it has gone and can be started
/// here.
void ServerKeeper::watch(const std::stop_token& stop) {
  ServerProbe probe(10s);
  int misses = 0;
  do {
    if (auto found = probe.look(place_.url, wish_.api_key); found && !found->loading) {
      misses = 0;
      if (status().state != ServerState::ready) {
        spdlog::info("{} answers at {}", wish_.kind->title, place_.url);
        set({ServerState::ready, "", std::move(*found)});
      }
    } else if (++misses >= kMissesUntilGone || status().state == ServerState::starting) {
      const std::string gone =
          std::format("{} does not answer at {}; start it", wish_.kind->title, place_.url);
      if (status().state == ServerState::ready)
        spdlog::warn("{}", gone);
      if (misses >= kMissesUntilGone && can_start())
        return;
      set({ServerState::starting, gone, {}});
    }
  } while (pause(stop, kBetweenChecks));
}

/// False when there is nothing more to keep.
bool ServerKeeper::start_and_wait(const std::stop_token& stop) {
  const auto fail = [this](const std::string& why) {
    spdlog::error("{}", why);
    set({ServerState::failed, why, {}});
    return false;
  };
  const auto url = upstream::parse_url(place_.url);
  const ServerOrder order{wish_.model, url->origin.port, wish_.context_tokens, wish_.folder};
  const auto command = wish_.kind->command(order);
  if (!command)
    return fail(command.error());
  auto process = ServerProcess::start(*command, wish_.log);
  if (!process)
    return fail(process.error());
  spdlog::info("started {} (process {}) at {}; its log is {}", wish_.kind->title, (*process)->pid(),
               place_.url, wish_.log.native());
  ServerProbe probe;
  const auto since = Clock::now();
  bool ready = false;
  do {
    if (const auto how = (*process)->how_it_ended()) {
      const std::string why =
          std::format("{} ended with {}. The end of its log, {}:\n{}", wish_.kind->title, *how,
                      wish_.log.native(), (*process)->last_lines(8));
      if (!ready)
        return fail(why);
      spdlog::error("{}", why);
      return true; // and start it again
    }
    if (ready)
      continue;
    if (auto found = probe.look(place_.url); found && !found->loading) {
      if (!command->then.empty()) {
        auto loaded = run_captured({{find_program(command->then.front()),
                                     {command->then.begin() + 1, command->then.end()},
                                     command->variables},
                                    "/",
                                    600s,
                                    {}});
        if (!loaded || loaded->status != 0)
          return fail(std::format("`{}` failed: {}", command->then.front(),
                                  loaded ? loaded->output + loaded->errors : loaded.error()));
        found = probe.look(place_.url);
      }
      ready = true;
      spdlog::info("{} is ready", wish_.kind->title);
      set({ServerState::ready, "", found.value_or(FoundServer{})});
    } else {
      set({ServerState::starting, progress(*wish_.kind, since, (*process)->last_lines(1)), {}});
    }
  } while (pause(stop, ready ? std::chrono::milliseconds(kBetweenChecks) : kBetweenLooks));
  return false;
}

} // namespace anyclaude::launch
