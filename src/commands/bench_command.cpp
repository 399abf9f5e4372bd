#include "commands/bench_command.h"

#include "commands/command_text.h"
#include "commands/progress_line.h"
#include "demo/demo_model.h"

#include <CLI/CLI.hpp>

#include <chrono>
#include <filesystem>

namespace anyclaude::commands {

namespace {

constexpr int kFewestTokens = 500;

CLI::Validator between(int least, int most) {
  return CLI::Range(least, most).description("");
}

} // namespace

void add_bench_options(CLI::App& app, BenchOptions& options) {
  app.add_option("--prompt", options.prompt,
                 "synthetic: of Claude Code's shape; or claude: what yours sends in this folder, "
                 "captured now and written nowhere [synthetic]")
      ->check(one_of({"synthetic", "claude"}))
      ->type_name("NAME");
  app.add_option("--tokens", options.tokens,
                 "Length of the synthetic prompt; three quarters of the context at most [18490]")
      ->check(between(kFewestTokens, 1 << 22))
      ->type_name("N");
  app.add_option("--repeats", options.repeats, "How often everything is measured [5]")
      ->check(between(1, 1000))
      ->type_name("N");
  app.add_option("--sessions", options.sessions, "Sessions that ask at the same time; 0: none [4]")
      ->check(between(0, 64))
      ->type_name("N");
  app.add_option("--json", options.json, "Write the figures to this file; -: standard output")
      ->type_name("FILE");
  app.add_option("--markdown", options.markdown, "Write a table for pasting; - as above")
      ->type_name("FILE");
  app.add_option("--svg", options.svg, "Write a chart; - as above")->type_name("FILE");
  app.add_option("--png", options.png, "Write it as PNG; needs rsvg-convert; - as above")
      ->type_name("FILE");
  app.add_option("--compare", options.compare,
                 "Measure nothing; say what differs between two files of --json")
      ->expected(2)
      ->type_name("A.json B.json");
  app.add_option("--client", options.client,
                 "replay: sends such prompts; or claude: the real Claude Code asks, once [replay]")
      ->check(one_of({"replay", "claude"}))
      ->type_name("NAME");
  app.add_option("--claude", options.claude, "Claude Code's program [found in PATH]")
      ->type_name("FILE");
}

std::expected<void, std::string> complete(BenchOptions& options, const CLI::App& app) {
  if (options.client == "claude") {
    if (app.count("--repeats") > 0 || app.count("--sessions") > 0 || app.count("--prompt") > 0)
      return std::unexpected("--client claude asks each question once, in one session at a time, "
                             "with its own prompt; for more, --prompt claude without it");
    options.repeats = 1;
    options.sessions = 0;
    options.prompt = "claude";
  }
  if (options.prompt == "claude" && app.count("--tokens") > 0)
    return std::unexpected("Claude Code's own prompt is as long as it is: leave --tokens out");
  return {};
}

std::expected<std::string, std::string> make_bench_model(const launch::Paths& paths) {
  const auto file = paths.cache / "demo.gguf";
  ProgressLine line("making the demo model", std::chrono::seconds(2));
  demo::ModelOptions demo;
  demo.progress = [&line](std::uint64_t done, std::uint64_t total) {
    line.show(static_cast<double>(done) / static_cast<double>(total));
  };
  if (const auto written = demo::write_demo_model(demo, file); !written)
    return std::unexpected(written.error());
  return file.native();
}

} // namespace anyclaude::commands
