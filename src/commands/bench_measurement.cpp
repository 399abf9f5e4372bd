#include "commands/bench_measurement.h"

#include "anthropic/json.h"
#include "bench/claude_client.h"
#include "bench/replay_client.h"
#include "bench/spread.h"
#include "commands/cache_store.h"
#include "commands/headless_claude.h"
#include "commands/launch.h"
#include "launch/claude_program.h"
#include "launch/control_client.h"
#include "text/random_text.h"

#include <nlohmann/json.hpp>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <chrono>
#include <csignal>
#include <format>
#include <future>
#include <thread>

namespace anyclaude::commands {
namespace fs = std::filesystem;

namespace {

using namespace std::chrono_literals;
using Clock = std::chrono::steady_clock;
using bench::Question;

constexpr const char* kFirst = "first request";
constexpr const char* kFollowUp = "follow-ups";
constexpr const char* kNewSession = "new session";
constexpr const char* kAtOnce = "sessions at once";
constexpr const char* kRestart = "restart";
constexpr const char* kAfter = "after restart";

volatile std::sig_atomic_t interrupted = 0;

std::vector<std::string> steps(const BenchOptions& options) {
  std::vector<std::string> steps = {kFirst, kFollowUp, kNewSession, kRestart, kAfter};
  if (options.sessions > 0)
    steps.insert(steps.begin() + 3, kAtOnce);
  return steps;
}

/// The second one ends the program as if it were not caught; the next benchmark cleans up.
void on_interrupt(int signal) {
  if (interrupted != 0) {
    std::signal(signal, SIG_DFL);
    std::raise(signal);
  }
  interrupted = 1;
}

/// "bench-PID", if it is one.
std::optional<pid_t> owner_of(const std::string& name) {
  constexpr std::string_view kPrefix = "bench-";
  pid_t pid = 0;
  if (!name.starts_with(kPrefix))
    return std::nullopt;
  const char* end = name.data() + name.size();
  const auto read = std::from_chars(name.data() + kPrefix.size(), end, pid);
  return read.ec == std::errc() && read.ptr == end ? std::optional(pid) : std::nullopt;
}

std::string utc_now() {
  return std::format("{:%FT%TZ}",
                     std::chrono::floor<std::chrono::seconds>(std::chrono::system_clock::now()));
}

} // namespace

BenchFolder::BenchFolder(const fs::path& cache) {
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(cache, error))
    if (const auto owner = owner_of(entry.path().filename().native());
        owner && ::kill(*owner, 0) != 0 && errno == ESRCH)
      fs::remove_all(entry.path(), error);
  const fs::path path = cache / std::format("bench-{}", ::getpid());
  fs::remove_all(path, error);
  if (launch::make_private_folder(path))
    path_ = path;
}

BenchFolder::~BenchFolder() {
  std::error_code ignored;
  if (!path_.empty())
    fs::remove_all(path_, ignored);
}

fs::path BenchFolder::folder(const char* name) const {
  std::error_code ignored;
  fs::create_directory(path_ / name, ignored);
  return path_ / name;
}

BenchMeasurement::BenchMeasurement(const BenchOptions& options, const BenchFolder& folder,
                                   launch::Paths own)
    : options_(options), folder_(folder), own_(std::move(own)),
      progress_(options.repeats, steps(options)) {
  interrupted = 0;
  for (const int signal : {SIGINT, SIGTERM, SIGHUP})
    std::signal(signal, on_interrupt);
}

BenchMeasurement::~BenchMeasurement() {
  daemon_.reset();
  [[maybe_unused]] const auto stopped = launch::stop_daemon(own_, 15s);
  for (const int signal : {SIGINT, SIGTERM, SIGHUP})
    std::signal(signal, SIG_DFL);
}

BenchMeasurement::Expected<void> BenchMeasurement::start_daemon() {
  DaemonOptions daemon = options_.daemon;
  daemon.cache = own_.cache;
  daemon.state = own_.state;
  daemon.keeps_longest_request = options_.prompt != "synthetic";
  auto attached = launch::attach_or_start(own_, daemon_order(daemon, "bench"));
  if (!attached)
    return Failure(attached.error());
  daemon_.emplace(std::move(*attached));
  auto status = wait_until_ready(own_, *daemon_);
  if (!status)
    return Failure(status.error());
  status_ = std::move(*status);
  return {};
}

/// As a crash ends one.
void BenchMeasurement::kill_daemon() {
  if (!daemon_ || daemon_->child <= 0)
    return;
  ::kill(daemon_->child, SIGKILL);
  ::waitpid(daemon_->child, nullptr, 0);
}

BenchMeasurement::Expected<void> BenchMeasurement::restart_daemon() {
  if (options_.daemon.mode == "local") {
    wait_until_stored(own_); // a model without a store begins anew, which the next figure shows
    kill_daemon();
  }
  daemon_.reset(); // one with a server of its own stops that in good order
  if (auto stopped = launch::stop_daemon(own_, 30s); !stopped)
    return Failure(stopped.error());
  return start_daemon();
}

BenchMeasurement::Expected<void> BenchMeasurement::make_synthetic_prompt() {
  std::int64_t tokens = options_.tokens;
  // Room for what is said, for its answers, and for the ends of several sessions.
  if (status_.context_tokens > 0)
    tokens = std::min(tokens, std::int64_t{status_.context_tokens} * 3 / 4);
  std::expected<std::shared_ptr<const bench::Prompt>, std::string> prompt;
  wait_for([&] { prompt = bench::synthetic_prompt_of(tokens, connection_to(status_, "size")); });
  if (!prompt)
    return Failure(prompt.error());
  client_ = std::make_unique<bench::ReplayClient>(std::move(*prompt));
  result_.prompt = "synthetic";
  result_.wanted_tokens = options_.tokens;
  return {};
}

BenchMeasurement::Expected<void> BenchMeasurement::capture_prompt() {
  const std::string words = "Say OK and nothing else. " + text::random_text(8);
  const auto program = launch::find_claude(options_.claude);
  if (!program)
    return Failure(program.error());
  const auto began = Clock::now();
  TerminalLine line;
  const auto tell = [&] {
    line.write(std::format("capturing what Claude Code sends … {:.0f} s",
                           std::chrono::duration<double>(Clock::now() - began).count()));
  };
  const auto version = bench::claude_version(*program, folder_.folder("home"), tell);
  if (!version)
    return Failure(version.error());
  const auto run = ask_headless(own_, *program, connection_to(status_, "capture"), words, tell);
  line.clear();
  if (!run)
    return Failure(run.error());
  auto client = launch::ControlClient::connect(own_.control_socket(),
                                               {program_version(), 0, "capture", false});
  const auto body =
      client ? client->ask("request", 10s) : std::unexpected(launch::ControlFailure::closed);
  if (!body || *body == "null")
    return Failure(std::format("Claude Code asked nothing; it ended with status {}: {}",
                               run->status, end_of_output(*run)));
  auto prompt = bench::Prompt::captured(*body, words);
  if (!prompt)
    return Failure(prompt.error());
  client_ = std::make_unique<bench::ReplayClient>(
      std::make_shared<const bench::Prompt>(std::move(*prompt)));
  result_.prompt = "claude-code " + *version;
  return {};
}

BenchMeasurement::Expected<void> BenchMeasurement::make_client() {
  if (options_.client == "replay")
    return options_.prompt == "synthetic" ? make_synthetic_prompt() : capture_prompt();
  const auto program = launch::find_claude(options_.claude);
  if (!program)
    return Failure(program.error() + "\nor measure without it: --client replay");
  auto made =
      bench::ClaudeClient::create(*program, folder_.folder("home"), folder_.folder("project"), own_,
                                  [this] { show_progress(); });
  if (!made)
    return Failure(made.error());
  client_ = std::move(*made);
  result_.prompt = client_->name();
  return {};
}

/// The part of the first live request's prompt that is computed or was reused; less than 0: not
/// known.
double BenchMeasurement::prefilled() const {
  auto client =
      launch::ControlClient::connect(own_.control_socket(), {program_version(), 0, "", false});
  const auto state =
      client ? client->ask("state", 1s) : std::unexpected(launch::ControlFailure::closed);
  const Json json = state ? Json::parse(*state, nullptr, false) : Json();
  if (!json.is_object() || !json.contains("live") || json.at("live").empty())
    return -1;
  const Json& live = json.at("live").front();
  const double total = live.value("prompt_tokens", 0.0);
  return total > 0 ? live.value("done_tokens", 0.0) / total : -1;
}

void BenchMeasurement::show_progress() {
  if (interrupted != 0)
    kill_daemon(); // whoever waits for its answer waits no longer
  else
    progress_.show(prefilled());
}

void BenchMeasurement::wait_for(const std::function<void()>& work) {
  auto done = std::async(std::launch::async, work);
  while (done.wait_for(500ms) != std::future_status::ready)
    show_progress();
  done.get();
}

/// What the daemon counted for a session: its largest request, beside which a client may send small
/// ones.
BenchMeasurement::Expected<BenchMeasurement::Asked>
BenchMeasurement::count(const std::string& session) const {
  auto client =
      launch::ControlClient::connect(own_.control_socket(), {program_version(), 0, session, false});
  if (!client || !client->next_status(10s))
    return Failure("the daemon has gone");
  // The last byte of an answer may be read before its record is there.
  for (const auto limit = Clock::now() + 10s; Clock::now() < limit;
       std::this_thread::sleep_for(2ms)) {
    const auto numbers = client->ask_session(10s);
    if (!numbers)
      return Failure("the daemon does not answer");
    Asked largest;
    for (const Json& record : Json::parse(numbers->records)) {
      if (record.at("prompt_tokens") < largest.prompt_tokens)
        continue;
      largest.prompt_tokens = record.at("prompt_tokens");
      largest.reused_tokens = record.at("reused_tokens");
      largest.computed_tokens = record.at("computed_tokens");
    }
    if (numbers->requests > 0)
      return largest;
  }
  return Failure("the client asked nothing");
}

BenchMeasurement::Expected<BenchMeasurement::Asked>
BenchMeasurement::ask(bench::Client& client, const Question& question) {
  const std::string session = text::random_text(8);
  const auto connection = connection_to(status_, session);
  Expected<double> ttft;
  if (options_.client == "replay")
    wait_for([&] { ttft = client.ask(connection, question); });
  else
    ttft = client.ask(connection, question); // which needs to be the only thread
  if (interrupted != 0)
    return Failure("interrupted");
  if (!ttft)
    return Failure(ttft.error());
  auto asked = count(session);
  if (asked)
    asked->ttft_ms = *ttft;
  return asked;
}

BenchMeasurement::Expected<std::vector<BenchMeasurement::Asked>>
BenchMeasurement::ask_at_once(int repeat) {
  struct One {
    std::unique_ptr<bench::Client> client;
    launch::ClaudeConnection connection;
    Question question;
    Expected<double> ttft;
  };
  std::vector<One> all(static_cast<std::size_t>(options_.sessions));
  for (std::size_t i = 0; i < all.size(); ++i)
    all[i] = {client_->another(),
              connection_to(status_, text::random_text(8)),
              {std::format("What is in folder {} of {}?", i + 1, repeat + 1)},
              0.0};
  wait_for([&all] {
    std::vector<std::jthread> threads;
    for (One& one : all)
      threads.emplace_back([&one] { one.ttft = one.client->ask(one.connection, one.question); });
  });
  if (interrupted != 0)
    return Failure("interrupted");
  std::vector<Asked> asked;
  for (const One& one : all) {
    if (!one.ttft)
      return Failure(one.ttft.error());
    auto counted = count(one.connection.session);
    if (!counted)
      return Failure(counted.error());
    counted->ttft_ms = *one.ttft;
    asked.push_back(*counted);
  }
  return asked;
}

/// One value a repeat: the median of what was asked in it.
void BenchMeasurement::add(const char* row, const std::vector<Asked>& asked) {
  std::vector<double> times;
  for (const Asked& one : asked)
    times.push_back(one.ttft_ms);
  auto& rows = result_.rows;
  auto found = std::ranges::find(rows, row, &bench::Row::name);
  const bool is_new = found == rows.end();
  if (is_new)
    found = rows.insert(rows.end(), bench::Row{.name = row});
  found->ttft_ms.push_back(bench::spread_of(times).median);
  const auto least = std::ranges::min_element(asked, {}, &Asked::reused_tokens);
  if (is_new || least->reused_tokens < found->reused_tokens) {
    found->prompt_tokens = least->prompt_tokens;
    found->reused_tokens = least->reused_tokens;
    found->computed_tokens = least->computed_tokens;
  }
}

BenchMeasurement::Expected<void> BenchMeasurement::repeat(int number) {
  const auto at = [](const char* step, const std::string& what) {
    return Failure(std::format("{}: {}", step, what));
  };
  const auto one = [&](const char* row, const char* step, const Question& question) {
    progress_.begin(number, step);
    const auto asked = ask(*client_, question);
    progress_.end();
    if (!asked)
      return Expected<void>(at(step, asked.error()));
    add(row, {*asked});
    return Expected<void>();
  };
  if (auto asked = one("cold", kFirst, {"What does this project do?"}); !asked)
    return asked;

  progress_.begin(number, kFollowUp);
  std::vector<Asked> follow_ups;
  for (const char* words : {"And how do I build it?", "Who calls the function that opens the file?",
                            "Which of its tests takes the longest?"}) {
    const auto asked = ask(*client_, {words, true});
    if (!asked)
      return at(kFollowUp, asked.error());
    follow_ups.push_back(*asked);
  }
  progress_.end();
  add("followup", follow_ups);

  const auto first = client_->another(); // its conversation goes on after the restart
  if (auto asked = one("new_session", kNewSession, {"List the files in this folder."}); !asked)
    return asked;
  if (options_.sessions > 0) {
    progress_.begin(number, kAtOnce);
    const auto asked = ask_at_once(number);
    progress_.end();
    if (!asked)
      return at(kAtOnce, asked.error());
    add("sessions", *asked);
  }
  progress_.begin(number, kRestart);
  const auto restarted = restart_daemon();
  progress_.end();
  if (!restarted)
    return at(kRestart, restarted.error());
  return one("after_restart", kAfter, {"And where does it write its log?", true});
}

std::expected<bench::Result, std::string> BenchMeasurement::run() {
  result_.version = program_version();
  result_.date = utc_now();
  result_.load_before = bench::load_average();
  result_.mode = options_.daemon.mode;
  result_.sessions = options_.sessions;
  result_.repeats = options_.repeats;
  if (auto started = start_daemon(); !started)
    return Failure(started.error());
  if (auto made = make_client(); !made)
    return Failure(interrupted != 0 ? "interrupted" : made.error());
  result_.client = client_->name();
  result_.model = status_.model_id;
  result_.context_tokens = status_.context_tokens;
  for (int number = 0; number < options_.repeats; ++number) {
    if (number > 0 && !client_->start_anew())
      return Failure("this client can be measured once only: --repeats 1");
    if (auto done = repeat(number); !done)
      return Failure(done.error());
  }
  result_.machine = bench::this_machine();
  result_.load_after = bench::load_average();
  return std::move(result_);
}

} // namespace anyclaude::commands
