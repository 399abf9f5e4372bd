#include "commands/bench.h"

#include "anthropic/json.h"
#include "bench/claude_client.h"
#include "bench/replay_client.h"
#include "bench/report.h"
#include "commands/launch.h"
#include "commands/tell.h"
#include "commands/terminal_line.h"
#include "demo/demo_model.h"
#include "engine/gguf_info.h"
#include "launch/claude_program.h"
#include "text/random_text.h"

#include <nlohmann/json.hpp>

#include <array>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <format>

namespace anyclaude::commands {
namespace fs = std::filesystem;

namespace {

using namespace std::chrono_literals;
using Clock = std::chrono::steady_clock;
template <class T>
using Result = std::expected<T, std::string>;

/// A folder that is gone with this object.
class ScratchFolder {
 public:
  ScratchFolder() {
    std::string name = (fs::temp_directory_path() / "anyclaude-bench-XXXXXX").native();
    if (::mkdtemp(name.data()))
      path_ = name;
  }
  ~ScratchFolder() {
    std::error_code ignored;
    if (!path_.empty())
      fs::remove_all(path_, ignored);
  }
  ScratchFolder(const ScratchFolder&) = delete;
  ScratchFolder& operator=(const ScratchFolder&) = delete;

  /// A new folder in it.
  fs::path folder(const char* name) const {
    fs::create_directory(path_ / name);
    return path_ / name;
  }
  bool exists() const { return !path_.empty(); }

 private:
  fs::path path_;
};

/// The daemon's end, however the measurement ends.
class DaemonEnd {
 public:
  explicit DaemonEnd(const launch::Paths& paths) : paths_(paths) {}
  ~DaemonEnd() { [[maybe_unused]] const auto stopped = launch::stop_daemon(paths_, 15s); }
  DaemonEnd(const DaemonEnd&) = delete;
  DaemonEnd& operator=(const DaemonEnd&) = delete;

 private:
  const launch::Paths& paths_;
};

struct Step {
  const char* name;
  const char* doing;
  bench::Question question;
};

const std::array<Step, 3> kSteps = {{
    {"cold", "first question", {"What does this project do?", false}},
    {"followup", "follow-up", {"And how do I build it?", true}},
    {"new_session", "new session", {"List the files in this folder.", false}},
}};

Result<launch::Paths> own_paths(const ScratchFolder& scratch) {
  const std::string home = scratch.folder("anyclaude").native();
  return launch::prepare_paths([&home](const char* name) -> std::optional<std::string> {
    return std::string_view(name) == "ANYCLAUDE_HOME" ? std::optional(home) : std::nullopt;
  });
}

/// What the daemon counted for one session: its largest request, beside which a client may send
/// small ones.
Result<bench::Measured> count(const launch::Paths& paths, const std::string& session) {
  auto client = launch::ControlClient::connect(paths.control_socket(),
                                               {program_version(), 0, session, false});
  if (!client || !client->next_status(10s))
    return std::unexpected("the daemon has gone");
  const auto numbers = client->ask_session(10s);
  if (!numbers)
    return std::unexpected("the daemon does not answer");
  bench::Measured largest;
  for (const Json& record : Json::parse(numbers->records)) {
    if (record.at("prompt_tokens") < largest.prompt_tokens)
      continue;
    largest.prompt_tokens = record.at("prompt_tokens");
    largest.reused_tokens = record.at("reused_tokens");
    largest.computed_tokens = record.at("computed_tokens");
  }
  if (largest.prompt_tokens == 0)
    return std::unexpected("the client asked nothing");
  return largest;
}

/// Shows for how long a question has been waiting for its answer.
class Waiting {
 public:
  void start(const char* doing) {
    doing_ = doing;
    since_ = Clock::now();
  }
  void show() {
    const double seconds = std::chrono::duration<double>(Clock::now() - since_).count();
    line_.write(std::format("{} … {:.0f} s", doing_, seconds));
  }
  void end() { line_.clear(); }

 private:
  TerminalLine line_;
  const char* doing_ = "";
  Clock::time_point since_ = Clock::now();
};

Result<bench::Report> measure(const launch::Paths& paths, const launch::DaemonStatus& daemon,
                              bench::Client& client, Waiting& waiting) {
  bench::Report report{client.name(), {}};
  for (const Step& step : kSteps) {
    const std::string session = text::random_text(8);
    waiting.start(step.doing);
    waiting.show();
    const auto ttft = client.ask(connection_to(daemon, session), step.question);
    waiting.end();
    if (!ttft)
      return std::unexpected(std::format("{}: {}", step.doing, ttft.error()));
    auto measured = count(paths, session);
    if (!measured)
      return std::unexpected(std::format("{}: {}", step.doing, measured.error()));
    measured->name = step.name;
    measured->ttft_ms = *ttft;
    report.requests.push_back(std::move(*measured));
  }
  return report;
}

Result<bench::Report> run(const BenchOptions& options, const ScratchFolder& scratch,
                          const launch::Paths& paths) {
  Waiting waiting;
  std::unique_ptr<bench::Client> client;
  if (options.replays) {
    client = std::make_unique<bench::ReplayClient>();
  } else {
    const auto program = launch::find_claude(options.claude);
    if (!program)
      return std::unexpected(program.error() + "\nor measure without it: --client replay");
    auto made =
        bench::ClaudeClient::create(*program, scratch.folder("home"), scratch.folder("project"),
                                    paths, [&waiting] { waiting.show(); });
    if (!made)
      return std::unexpected(made.error());
    client = std::move(*made);
  }

  auto daemon = launch::attach_or_start(paths, daemon_order(options.daemon, "bench"));
  if (!daemon)
    return std::unexpected(daemon.error());
  const DaemonEnd end(paths);
  const auto status = wait_until_ready(paths, *daemon);
  if (!status)
    return std::unexpected(status.error());
  return measure(paths, *status, *client, waiting);
}

void print(const bench::Report& report, const BenchOptions& options) {
  const bool is_real = !options.replays;
  std::string text =
      std::format("\n{} on {}, answered by this program's own engine\n\n{}\n", report.client,
                  options.daemon.model.filename().native(), bench::table(report));
  if (!is_real)
    text += "The requests are synthetic ones of Claude Code's shape, not Claude Code's own.\n";
  if (const auto info = engine::read_gguf_info(options.daemon.model);
      info && demo::is_demo_model(info->name))
    text += "The model is a stand-in that answers with one fixed sentence: nothing here says how "
            "good\nan answer is. The tokens are computed and the times are real.\n";
  std::fputs(text.c_str(), stdout);
}

} // namespace

int run_bench(const BenchOptions& options) {
  const ScratchFolder scratch;
  if (!scratch.exists())
    return fail("cannot make a folder in " + fs::temp_directory_path().native());
  const auto paths = own_paths(scratch);
  if (!paths)
    return fail(paths.error());
  const auto report = run(options, scratch, *paths);
  if (!report)
    return fail(report.error());
  print(*report, options);
  if (!options.json.empty())
    if (const auto written = bench::write_json(*report, options.json); !written)
      return fail(written.error());
  if (report->requests[1].reused_tokens == 0)
    return fail("the follow-up reused nothing");
  return 0;
}

} // namespace anyclaude::commands
