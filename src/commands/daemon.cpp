#include "commands/daemon.h"

#include "anthropic/json.h"
#include "commands/daemon_backend.h"
#include "engine/available_memory.h"
#include "gateway/gateway.h"
#include "launch/control_server.h"
#include "launch/paths.h"
#include "telemetry/history.h"
#include "telemetry/trace.h"
#include "text/random_text.h"

#if defined(__GLIBC__)
#include <malloc.h>
#endif
#include <nlohmann/json.hpp>
#include <pthread.h>
#include <spdlog/spdlog.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <ctime>
#include <format>
#include <functional>
#include <limits>
#include <memory>
#include <mutex>

namespace anyclaude::commands {

namespace {

/// The signals that end a daemon. Blocked before any thread starts, so that all of them inherit it
/// and one place waits for them.
class EndSignals {
 public:
  EndSignals() {
    sigemptyset(&signals_);
    for (const int signal : {SIGTERM, SIGINT, SIGHUP})
      sigaddset(&signals_, signal);
    ::pthread_sigmask(SIG_BLOCK, &signals_, nullptr);
    std::signal(SIGPIPE, SIG_IGN);
  }
  EndSignals(const EndSignals&) = delete;
  EndSignals& operator=(const EndSignals&) = delete;
  /// A second signal ends a shutdown that hangs.
  ~EndSignals() { ::pthread_sigmask(SIG_UNBLOCK, &signals_, nullptr); }

  void wait() const { spdlog::info("ending on {}", ::strsignal(next())); }

 private:
#if defined(__GLIBC__)
  /// Meanwhile free pages in the middle of heaps go back to the system, which free() does not do
  /// (malloc_trim(3)): up to a sixth of all memory where many ask at once, in 10 ms.
  int next() const {
    constexpr timespec kPeriod{.tv_sec = 30, .tv_nsec = 0};
    int signal = 0;
    while ((signal = ::sigtimedwait(&signals_, nullptr, &kPeriod)) < 0)
      if (errno == EAGAIN)
        ::malloc_trim(0);
    return signal;
  }
#else
  int next() const {
    int signal = 0;
    while (::sigwait(&signals_, &signal) != 0) {
    }
    return signal;
  }
#endif

  sigset_t signals_{};
};

launch::SessionNumbers session_numbers(const telemetry::Stats& stats, const std::string& session) {
  const telemetry::Totals totals = stats.session(session);
  return {.requests = totals.requests,
          .prompt_tokens = totals.prompt_tokens,
          .reused_tokens = totals.reused_tokens,
          .computed_tokens = totals.computed_tokens,
          .output_tokens = totals.output_tokens,
          .saved_ms = totals.saved_ms,
          .records = telemetry::to_json(stats.records(session))};
}

/// What the mode's own engine keeps of prefixes, for `anyclaude cache`. `change` is told to all
/// engines first; it has been seen when all of them have.
std::string store_numbers(const DaemonBackend& backend, const std::string& model,
                          const std::string& change) {
  std::uint64_t told = 0;
  std::uint64_t seen = std::numeric_limits<std::uint64_t>::max();
  for (const auto& embedded : backend.engines()) {
    if (!change.empty())
      told = embedded->engine().store_changed(change == "cleared");
    seen = std::min(seen, embedded->engine().store_changes_seen());
  }
  const engine::SchedulerStats stats = backend.embedded()->engine().stats();
  const kv::BlockStoreStats& store = stats.store;
  const Json json = {{"model", model},
                     {"change", told},
                     {"changes_seen", seen},
                     {"running", stats.running + stats.queued},
                     {"unstored", stats.unstored_prefixes + store.unwritten_bytes},
                     {"requests", store.totals.requests},
                     {"asked_tokens", store.totals.asked_tokens},
                     {"found_tokens", store.totals.found_tokens},
                     {"saved_seconds", store.totals.saved_seconds},
                     {"restored_tokens", stats.restored_tokens},
                     {"blocks", store.blocks},
                     {"memory_bytes", store.memory_bytes},
                     {"disk_bytes", store.disk_bytes},
                     {"pinned_bytes", store.pinned_bytes},
                     {"evicted", store.evicted},
                     {"damaged", store.damaged}};
  return json.dump();
}

/// The parts of a daemon and what it says of itself.
class Daemon {
 public:
  explicit Daemon(const DaemonOptions& options)
      : options_(options), stats_(open_history()),
        token_(options.token.empty() ? text::random_text(32) : options.token) {
    status_.version = program_version();
    status_.pid = ::getpid();
    status_.mode = options.mode;
    status_.model_path = options.mode == "local" ? options.model.native() : options.server_model;
    status_.trace = options.trace;
    status_.launcher_started = options.ends_with_last_launcher;
    status_.token = token_;
  }

  ~Daemon() {
    const std::scoped_lock lock(mutex_);
    ending_ = true; // what other threads still say is nobody's to hear
  }
  Daemon(const Daemon&) = delete;
  Daemon& operator=(const Daemon&) = delete;

  /// The error says which part could not start.
  std::expected<DaemonAddress, std::string> start(launch::ControlListener listener);

 private:
  std::expected<void, std::string> start_control(launch::ControlListener listener);
  std::expected<void, std::string> start_gateway();
  std::shared_ptr<telemetry::Trace> open_trace() const;
  std::expected<void, std::string> start_backend();
  std::optional<std::string> document(const std::string& name, const std::string& argument);
  std::unique_ptr<telemetry::History> open_history() const;
  void refresh();

  const DaemonOptions& options_;
  telemetry::Stats stats_;
  const std::string token_;
  std::mutex mutex_; // of the status, of backend_ and gateway_ being set, of ending_ and of
                     // longest_request_
  bool ending_ = false;
  launch::DaemonStatus status_;
  std::string longest_request_; // empty unless it is to be kept
  std::unique_ptr<launch::ControlServer> control_;
  std::unique_ptr<DaemonBackend> backend_;
  std::unique_ptr<gateway::Gateway> gateway_; // the last: its threads use the others
};

/// Brings the status up to date and tells it to the launchers. From any thread.
void Daemon::refresh() {
  {
    const std::scoped_lock lock(mutex_);
    if (!gateway_ || ending_) // ready is who can be asked, and a launcher takes us at our word
      return;
    const DaemonBackend::State now = backend_->state();
    status_.state = now.state;
    status_.progress = now.progress;
    status_.detail = now.detail;
    status_.model_id = now.model_id;
    status_.context_tokens = now.context_tokens;
  }
  control_->status_changed();
}

/// What `anyclaude doctor`, `top`, `cache` and `bench` ask for.
std::optional<std::string> Daemon::document(const std::string& name, const std::string& argument) {
  const std::scoped_lock lock(mutex_);
  if (ending_)
    return std::nullopt;
  if (name == "prompts" && backend_)
    return prompt::to_json(backend_->backend().prompt_reports());
  if (name == "state" && gateway_)
    return gateway_->state();
  if (name == "store" && backend_)
    return backend_->embedded() ? store_numbers(*backend_, status_.model_id, argument)
                                : std::string("{}");
  if (name == "request" && options_.keeps_longest_request)
    return longest_request_;
  return std::nullopt;
}

std::expected<void, std::string> Daemon::start_control(launch::ControlListener listener) {
  launch::ControlCallbacks callbacks;
  callbacks.status = [this] {
    const std::scoped_lock lock(mutex_);
    return status_;
  };
  callbacks.session = [this](const std::string& session) {
    return session_numbers(stats_, session);
  };
  callbacks.document = [this](const std::string& name, const std::string& argument) {
    return document(name, argument);
  };
  if (options_.ends_with_last_launcher)
    callbacks.on_last_detached = [] { ::kill(::getpid(), SIGTERM); };
  auto control = launch::ControlServer::start(std::move(listener), std::move(callbacks));
  if (!control)
    return std::unexpected(control.error());
  control_ = std::move(*control);
  return {};
}

/// Null where it cannot be kept, with a warning.
std::unique_ptr<telemetry::History> Daemon::open_history() const {
  if (options_.state.empty())
    return nullptr;
  auto history = telemetry::History::open(options_.state / launch::Paths::kHistory);
  if (history)
    return std::move(*history);
  spdlog::warn("the history of requests is not kept: {}", history.error());
  return nullptr;
}

std::expected<void, std::string> Daemon::start_backend() {
  auto made = DaemonBackend::make(options_, [this] { refresh(); });
  if (!made)
    return std::unexpected(made.error());
  const std::scoped_lock lock(mutex_);
  backend_ = std::move(*made);
  status_.reaches_claude = backend_->cloud().has_value();
  status_.routes_by_model = std::ranges::any_of(options_.routes.rules, [](const auto& rule) {
    return !rule.model.empty() && rule.model != "*";
  });
  return {};
}

/// Looked at ten times a second at most while there is plenty, since it takes some files of /proc
/// and /sys. When there is little, another program can take all of it within that time.
std::function<std::uint64_t()> watched_memory() {
  constexpr std::uint64_t kPlenty = 1U << 30; // bytes
  struct Seen {
    std::mutex mutex;
    std::chrono::steady_clock::time_point until{};
    std::uint64_t bytes = 0;
  };
  return [seen = std::make_shared<Seen>()] {
    const std::scoped_lock lock(seen->mutex);
    if (const auto now = std::chrono::steady_clock::now(); now >= seen->until) {
      seen->bytes = engine::memory_before_the_end();
      seen->until = now + std::chrono::milliseconds(seen->bytes < kPlenty ? 0 : 100);
    }
    return seen->bytes;
  };
}

/// Null without --trace.
std::shared_ptr<telemetry::Trace> Daemon::open_trace() const {
  if (options_.trace.empty())
    return nullptr;
  spdlog::warn("{}", trace_warning(options_.trace));
  return telemetry::Trace::open(options_.trace, {});
}

std::expected<void, std::string> Daemon::start_gateway() {
  gateway::GatewayOptions options;
  options.trace = open_trace();
  options.http.host = options_.host;
  options.http.port = options_.port;
  // A token that changes with every start must not make another tenant of its owner, or nothing
  // that is kept on the disk would be found again.
  const bool made = options_.token.empty() || options_.token_was_made;
  options.tokens = {{token_, made ? gateway::kOwner : ""}};
  options.token_hint = options_.ends_with_last_launcher
                           ? "Start Claude Code with `anyclaude`, which knows the token."
                           : "`anyclaude serve` has printed the token when it started.";
  options.allowed_hosts = options_.allowed_hosts;
  options.dashboard.version = program_version();
  if (!options_.state.empty())
    options.dashboard.history = options_.state / launch::Paths::kHistory;
  options.cloud = backend_->cloud();
  options.memory_left = watched_memory();
  if (options_.keeps_longest_request)
    options.on_message_body = [this](const std::string& body) {
      const std::scoped_lock lock(mutex_);
      if (body.size() > longest_request_.size())
        longest_request_ = body;
    };
  auto gateway = gateway::Gateway::start(std::move(options), backend_->backend(), stats_);
  if (!gateway)
    return std::unexpected(gateway.error());
  if (!gateway::is_loopback(options_.host))
    spdlog::warn("listening on {}: other machines can try tokens here, and nothing is encrypted "
                 "on the way; docs/security.md says what to put in front",
                 options_.host);
  const std::scoped_lock lock(mutex_);
  gateway_ = std::move(*gateway);
  status_.port = gateway_->port();
  const bool is_v6 = options_.host.contains(':');
  status_.base_url = std::format("http://{}{}{}:{}", is_v6 ? "[" : "", options_.host,
                                 is_v6 ? "]" : "", status_.port);
  return {};
}

std::expected<DaemonAddress, std::string> Daemon::start(launch::ControlListener listener) {
  if (auto started = start_control(std::move(listener)); !started)
    return std::unexpected(started.error());
  if (auto started = start_backend(); !started)
    return std::unexpected(started.error());
  if (auto started = start_gateway(); !started)
    return std::unexpected(started.error());
  refresh();
  const std::scoped_lock lock(mutex_);
  return DaemonAddress{status_.base_url, token_};
}

} // namespace

std::string program_version() {
  return ANYCLAUDE_VERSION;
}

std::string trace_warning(const std::filesystem::path& folder) {
  return std::format(
      "EVERY REQUEST AND ANSWER IS WRITTEN TO {} (--trace), with all that is said in "
      "them; credentials that are recognised are left out",
      folder.native());
}

namespace {

/// Memory of this size goes back to the system when it is freed. Left to itself, glibc raises the
/// limit behind the first large block that is freed, and then the KV blocks that come and go leave
/// holes (mallopt(3), M_MMAP_THRESHOLD). What is smaller comes from two heaps instead of eight for
/// each processor: what one thread frees of what another one has made, as of remembered answers,
/// would leave holes in all of them (M_ARENA_MAX).
void return_memory() {
#if defined(__GLIBC__)
  constexpr int kBytes = 256 << 10;
  mallopt(M_MMAP_THRESHOLD, kBytes);
  mallopt(M_ARENA_MAX, 2);
#endif
}

} // namespace

int run_daemon(const DaemonOptions& options, launch::ControlListener listener,
               const std::function<void(const DaemonAddress&)>& on_listening) {
  return_memory();
  const EndSignals signals;
  Daemon daemon(options);
  const auto address = daemon.start(std::move(listener));
  if (!address) {
    spdlog::error("{}", address.error());
    return 1;
  }
  spdlog::info("listening on {}", address->base_url);
  if (on_listening)
    on_listening(*address);
  signals.wait();
  return 0;
}

} // namespace anyclaude::commands
