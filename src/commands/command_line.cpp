#include "commands/command_line.h"

#include "backend/openai.h"
#include "commands/bench_command.h"
#include "commands/cache_command.h"
#include "commands/command_text.h"
#include "commands/completions.h"
#include "commands/config.h"
#include "commands/config_command.h"
#include "commands/daemon_backend.h"
#include "commands/doctor.h"
#include "commands/launch.h"
#include "commands/man_page.h"
#include "commands/menu.h"
#include "commands/model.h"
#include "commands/serve.h"
#include "commands/stats.h"
#include "commands/tell.h"
#include "commands/top.h"
#include "commands/ui.h"
#include "engine/engine.h"
#include "gateway/access.h"
#include "launch/server_kind.h"

#include <CLI/CLI.hpp>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <filesystem>
#include <format>
#include <string>
#include <string_view>
#include <vector>

namespace anyclaude::commands {
namespace fs = std::filesystem;

namespace {

constexpr int kUsageError = 2;
constexpr const char* kServerKey = "ANYCLAUDE_BACKEND_API_KEY";
constexpr std::array<std::string_view, 12> kCommands = {
    "serve", "stop", "model",  "cache",  "bench",       "stats",
    "top",   "ui",   "doctor", "config", "completions", "manual"};

/// A check whose range the help does not repeat.
CLI::Validator between(int least, int most) {
  return CLI::Range(least, most).description("");
}

/// The options that say how to serve a model; for the launcher and for `serve`.
struct ServingOptions {
  std::string mode;
  std::string model;
  std::string projector;
  std::string claude;
  DaemonOptions daemon;
  std::vector<const CLI::Option*> of_our_engine{}; // they count in mode local only
};

/// "--threads, --batch" of those that the person gave.
std::string given(const std::vector<const CLI::Option*>& options) {
  std::string names;
  for (const CLI::Option* option : options)
    if (option->count() > 0)
      names += (names.empty() ? "" : ", ") + option->get_name();
  return names;
}

/// What is computed, and how.
void add_model_options(CLI::App& app, ServingOptions& options) {
  DaemonOptions& daemon = options.daemon;
  const auto modes = launch::mode_names();
  app.add_option("--mode", options.mode,
                 "Who answers: " + launch::listed_modes() + ", or a backend of config.toml [local]")
      ->check(suggested({modes.begin(), modes.end()}))
      ->envname("ANYCLAUDE_MODE")
      ->type_name("MODE");
  app.add_option(
         "--model", options.model,
         "GGUF file of the model; in other modes, what the server takes: a folder or a name")
      ->type_name("MODEL");
  auto* projector =
      app.add_option("--mmproj", options.projector,
                     "GGUF file that lets the model see images, or none [one beside the model "
                     "that fits]")
          ->type_name("FILE");
  app.add_option("--ctx", daemon.context_tokens,
                 "Context in tokens, shared by all requests [what the model and the memory allow, "
                 "at most 65536]")
      ->check(between(256, 1 << 24))
      ->type_name("N");
  auto* parallel =
      app.add_option("--parallel", daemon.parallel, "Requests computed side by side [16]")
          ->check(between(1, 64))
          ->type_name("N");
  auto* threads =
      app.add_option("--threads", daemon.threads, "CPU threads [one for each physical core]")
          ->check(between(1, 1024))
          ->type_name("N");
  auto* batch = app.add_option("--batch", daemon.batch_tokens, "Most tokens computed at once [512]")
                    ->check(between(32, 8192))
                    ->type_name("N");
  auto* kv_type =
      app.add_option("--kv-type", daemon.kv_type, "Type of the KV cache: f16 or q8_0 [f16]")
          ->check(one_of({"f16", "q8_0"}))
          ->type_name("TYPE");
  app.add_option("--prompt-layout", daemon.prompt_layout,
                 "stable-first, or as-sent: leave prompts in the client's order [stable-first]")
      ->check(one_of({"stable-first", "as-sent"}))
      ->type_name("NAME");
  options.of_our_engine = {projector, parallel, threads, batch, kv_type};
}

void add_serving_options(CLI::App& app, ServingOptions& options) {
  DaemonOptions& daemon = options.daemon;
  add_model_options(app, options);
  app.add_option("--claude-url", daemon.claude_url,
                 "Where the real Claude is, for mode claude [https://api.anthropic.com]")
      ->type_name("URL");
  app.add_option("--port", daemon.port, "TCP port [any free one]")->type_name("N");
  app.add_option("--token", daemon.token, "Bearer token that clients need [a new one]")
      ->type_name("TOKEN");
  app.add_flag("!--no-store", daemon.keeps_prefixes,
               "Keep what was computed in memory only, nothing on the disk");
  app.add_option("--trace", daemon.trace,
                 "Write every request and answer, with all that is said in them, to files in this "
                 "folder of your own")
      ->type_name("FOLDER");
  auto* cache_size =
      app.add_option("--cache-size", daemon.store_bytes,
                     "Most that is kept on the disk, as 20GiB [a quarter of what is free, at most "
                     "64GiB]")
          ->transform(CLI::AsSizeValue(false).description(""))
          ->type_name("SIZE");
  options.of_our_engine.push_back(cache_size);
}

/// A server that is named by its address instead of in config.toml. Its key comes from the
/// environment, since everybody can read a command line.
struct AddressedServer {
  std::string url;
  std::string dialect = "openai";
  std::string model;
};

void add_server_options(CLI::App& app, AddressedServer& server) {
  auto* url =
      app.add_option("--backend-url", server.url,
                     "Answer with this server, as http://127.0.0.1:8080 (its key, if it wants "
                     "one, in ANYCLAUDE_BACKEND_API_KEY)")
          ->type_name("URL");
  app.add_option("--backend-dialect", server.dialect, "Which server it is [openai]")
      ->check(one_of(backend::openai_dialects()))
      ->needs(url)
      ->type_name("NAME");
  app.add_option("--backend-model", server.model, "Model to ask it for [its first]")
      ->needs(url)
      ->type_name("NAME");
}

/// Makes a backend of it, and that the mode.
void use(const AddressedServer& server, ServingOptions& options, Config& config) {
  if (server.url.empty())
    return;
  const bool has_key = launch::process_environment(kServerKey).has_value();
  std::erase_if(config.backends, [&](const auto& one) { return one.name == server.dialect; });
  config.backends.push_back({.name = server.dialect,
                             .kind = server.dialect,
                             .urls = {server.url},
                             .model = server.model,
                             .api_key_env = has_key ? kServerKey : "",
                             .api_key_file = {}});
  options.mode = server.dialect;
}

struct Setup {
  launch::Paths paths;
  Config config;
};

/// The model file of mode local.
std::expected<void, std::string> complete_local(ServingOptions& options, const Config& config) {
  DaemonOptions& daemon = options.daemon;
  if (!options.model.empty())
    daemon.model = options.model;
  else if (config.model)
    daemon.model = *config.model;
  daemon.projector = options.projector;
  if (daemon.projector.empty())
    daemon.projector = config.projector.value_or("");
  if (daemon.model.empty())
    return {};
  std::error_code failed;
  if (!daemon.projector.empty() && daemon.projector != engine::EngineOptions::kNone) {
    daemon.projector = fs::weakly_canonical(fs::absolute(daemon.projector, failed), failed);
    if (!fs::is_regular_file(daemon.projector, failed))
      return std::unexpected(
          std::format("there is no projector file {} ({})", daemon.projector.native(),
                      options.projector.empty() ? "named in config.toml" : "named by --mmproj"));
  }
  daemon.model = fs::weakly_canonical(fs::absolute(daemon.model, failed), failed);
  if (!fs::is_regular_file(daemon.model, failed))
    return std::unexpected(std::format(
        "there is no model file {} ({}){}", daemon.model.native(),
        options.model.empty() ? "named in config.toml" : "named by --model",
        options.model.empty() ? "" : "; a --model for Claude Code itself goes behind --"));
  return {};
}

/// The model of a mode with a server: what is on this machine becomes absolute, since the daemon
/// has a working directory of its own.
std::expected<void, std::string> complete_server(ServingOptions& options, const Config& config) {
  DaemonOptions& daemon = options.daemon;
  const auto backend = backend_of_mode(daemon.mode, config.backends);
  if (!backend && daemon.mode != "openai")
    return std::unexpected(std::format("there is no mode \"{}\"; there are {}, and the names of "
                                       "[backends.NAME] in config.toml",
                                       daemon.mode, launch::listed_modes()));
  if (backend && backend->kind == kLocal)
    return std::unexpected(std::format("backend {} is a model in our own engine, for routes; to be "
                                       "answered by it alone: --mode local --model {}",
                                       backend->name, backend->model));
  std::string named = options.model;
  if (named.empty() && backend)
    named = backend->model;
  const launch::ServerKind* kind = backend ? launch::find_server_kind(backend->kind) : nullptr;
  if (named.empty() && kind && backend->urls.empty() && config.model)
    named = kind->form == launch::ModelForm::name ? *config.model_text : config.model->native();
  if (kind && backend->urls.empty()) {
    auto resolved = launch::resolve_model(*kind, named);
    if (!resolved)
      return std::unexpected(resolved.error());
    named = std::move(*resolved);
  }
  daemon.server_model = std::move(named);
  return {};
}

/// What the command line left open, from config.toml. The error says what cannot be used.
std::expected<void, std::string> complete(ServingOptions& options, const Setup& setup) {
  const Config& config = setup.config;
  DaemonOptions& daemon = options.daemon;
  daemon.cache = setup.paths.cache;
  daemon.state = setup.paths.state;
  if (options.mode.empty() && !daemon.claude_url.empty())
    options.mode = backend::kCloud; // an address of the real Claude is for nothing else
  daemon.mode = !options.mode.empty() ? options.mode : config.mode.value_or("local");
  daemon.backends = config.backends;
  daemon.routes = config.routes;
  if (daemon.claude_url.empty())
    daemon.claude_url = config.claude_url.value_or("");
  if (daemon.context_tokens == 0)
    daemon.context_tokens = config.context_tokens.value_or(0);
  if (daemon.port == 0)
    daemon.port = config.port.value_or(0);
  if (daemon.token.empty())
    daemon.token = config.token.value_or("");
  if (!daemon.trace.empty()) { // the daemon has a working directory of its own
    std::error_code failed;
    daemon.trace = fs::weakly_canonical(fs::absolute(daemon.trace, failed), failed);
    if (const auto made = launch::make_private_folder(daemon.trace, "name another one"); !made)
      return std::unexpected("--trace: " + made.error());
  }
  if (daemon.prompt_layout.empty())
    daemon.prompt_layout = config.prompt_layout.value_or("");
  if (options.claude.empty())
    options.claude = config.claude.value_or("");
  if (daemon.mode == "local")
    return complete_local(options, config);
  if (const std::string names = given(options.of_our_engine); !names.empty())
    return std::unexpected(
        std::format("{} only for mode local, whose engine is inside: leave it "
                    "out in mode {}, where {}",
                    names.contains(',') ? names + " are" : names + " is", daemon.mode,
                    daemon.mode == backend::kCloud ? "the real Claude answers"
                                                   : "the server has settings of its own"));
  return daemon.mode == backend::kCloud ? std::expected<void, std::string>{}
                                        : complete_server(options, config);
}

std::expected<Setup, std::string> prepare() {
  auto paths = launch::prepare_paths();
  if (!paths)
    return std::unexpected(paths.error());
  auto config = read_config(paths->config_file);
  if (!config)
    return std::unexpected(config.error());
  return Setup{std::move(*paths), std::move(*config)};
}

void describe(CLI::App& app) {
  app.name("anyclaude");
  app.set_version_flag("--version", "anyclaude " + program_version(), "Print the version");
  app.set_help_flag("-h,--help", "Print this help");
  app.get_formatter()->enable_footer_formatting(false);
  app.get_formatter()->column_width(24);
}

struct LauncherOptions {
  ServingOptions serving;
  bool menu = true;
};

void add_launcher(CLI::App& app, LauncherOptions& options) {
  app.description("Runs Claude Code on a model of your own, and computes no prompt twice.");
  describe(app);
  app.usage("anyclaude [OPTIONS] [--] [ARGUMENTS FOR CLAUDE CODE]\n"
            "anyclaude COMMAND [OPTIONS]");
  app.footer("COMMANDS:\n"
             "  serve        run the daemon alone, for any client of the Messages API\n"
             "  stop         end the running daemon\n"
             "  model        make a demo model, or tell what is in a GGUF file\n"
             "  cache        what is kept of computed prompts: look, check, warm, share, clear\n"
             "  bench        measure how much sooner answers begin, with a table and a chart\n"
             "  top          watch what the running daemon does\n"
             "  ui           open the running daemon's dashboard in the browser\n"
             "  stats        what requests cost, and what reuse saved, day by day\n"
             "  doctor       find servers and models here, measure whether they reuse prompts\n"
             "  config       check config.toml, show it, list its keys\n"
             "  completions  print what completes these in bash, zsh or fish\n\n"
             "`anyclaude COMMAND --help` tells more. Everything that is not listed here goes to\n"
             "Claude Code, and so does everything behind --.");
  add_serving_options(app, options.serving);
  app.add_option("--claude", options.serving.claude, "Claude Code's program [found in PATH]")
      ->type_name("FILE");
  app.add_flag("!--no-menu", options.menu, "Never ask what you are about to do");
  app.allow_extras();
}

/// `anyclaude [OPTIONS] [ARGUMENTS FOR CLAUDE]`
int run_launcher(int argc, char** argv) {
  CLI::App app;
  LauncherOptions launcher;
  add_launcher(app, launcher);
  ServingOptions& options = launcher.serving;

  // Claude Code's own "--" stays where it is when arguments of Claude Code stand before it.
  std::vector<std::string> ours(argv + 1, argv + argc);
  const auto split = std::ranges::find(ours, "--");
  std::vector<std::string> behind(split, ours.end());
  ours.erase(split, ours.end());
  std::ranges::reverse(ours); // as CLI11 wants it
  CLI11_PARSE(app, ours);

  LaunchOptions launching;
  launching.arguments = app.remaining();
  if (!behind.empty() && launching.arguments.empty())
    behind.erase(behind.begin());
  launching.arguments.append_range(behind);

  const auto setup = prepare();
  if (!setup)
    return fail(setup.error());
  launching.insists_on_model = !options.model.empty();
  if (launcher.menu && options.mode.empty() && options.model.empty() &&
      launching.arguments.empty() && setup->config.menu.value_or(true) && ::isatty(STDIN_FILENO) &&
      ::isatty(STDOUT_FILENO)) {
    const auto choice = ask_workflow(look_around(setup->paths, setup->config));
    if (!choice)
      return 0;
    remember(setup->paths, *choice);
    options.mode = choice->mode;
    launching.arguments = claude_arguments(choice->workflow);
  }
  launching.insists_on_mode = !options.mode.empty();
  if (options.mode == backend::kCloud && !options.model.empty()) { // Claude Code knows that one
    launching.arguments.insert(launching.arguments.begin(), {"--model", options.model});
    launching.insists_on_model = false;
  }
  if (const auto completed = complete(options, *setup); !completed)
    return fail(completed.error(), kUsageError);
  std::error_code ignored;
  const bool excluded = is_excluded(setup->config, fs::current_path(ignored));
  // A daemon that runs already may keep what this terminal was told not to.
  launching.is_private = excluded || !options.daemon.keeps_prefixes;
  if (excluded)
    tell("nothing that is said here is kept on the disk (store.exclude in config.toml)");
  launching.engine_options = given(options.of_our_engine);
  launching.daemon = std::move(options.daemon);
  launching.claude = std::move(options.claude);
  return launch_claude(setup->paths, launching);
}

struct ModelCommandOptions {
  std::string size = "tiny";
  std::string architecture = "qwen3";
  std::string script;
  std::string out;
  std::string info_file;
  bool is_projector = false;
  demo::ModelOptions demo;
};

void add_model_command(CLI::App& app, ModelCommandOptions& options) {
  CLI::App& model = *app.add_subcommand("model", "Make a demo model, or look into a GGUF file");
  model.require_subcommand(1);
  CLI::App& demo = *model.add_subcommand(
      "demo", "Write a model that anyone can make: it answers with a script, at real speed");
  demo.add_option("--size", options.size, "nano, tiny, small or 0.6b (Qwen3-0.6B's shape) [tiny]")
      ->check(one_of({"nano", "tiny", "small", "0.6b"}))
      ->type_name("SIZE");
  demo.add_option(
          "--arch", options.architecture,
          "qwen3 (full attention), qwen3vl (the same with M-RoPE), gemma3 (sliding window), "
          "mamba (recurrent) or lfm2 (hybrid) [qwen3]")
      ->check(one_of({"qwen3", "qwen3vl", "gemma3", "mamba", "lfm2"}))
      ->type_name("ARCH");
  auto* script = demo.add_option("--script", options.script,
                                 "What it answers, a JSON file (docs/demo-model.md)")
                     ->type_name("FILE");
  auto* random =
      demo.add_flag("--random", options.demo.random, "Random weights instead of a script")
          ->excludes(script);
  demo.add_flag("--mmproj", options.is_projector,
                "Write what lets such a model see images, of random weights, not the model")
      ->excludes(script)
      ->excludes(random);
  demo.add_option("--seed", options.demo.seed, "Of the weights [1]")->type_name("N");
  demo.add_option("-o,--output", options.out, "The file to write")->required()->type_name("FILE");
  CLI::App& info = *model.add_subcommand("info", "Tell what a GGUF file says of its model");
  info.add_option("FILE", options.info_file, "A GGUF file")->required();
}

int run_model_command(const CLI::App& model, ModelCommandOptions options) {
  if (model.got_subcommand("info"))
    return print_model_info(options.info_file);
  options.demo.size = demo::parse_size(options.size).value_or(demo::Size::tiny); // checked above
  options.demo.architecture =
      demo::parse_architecture(options.architecture).value_or(demo::Architecture::qwen3);
  if (options.is_projector)
    return make_demo_projector({.size = options.demo.size,
                                .architecture = options.demo.architecture,
                                .seed = options.demo.seed},
                               options.out);
  if (!options.script.empty()) {
    auto script = demo::read_script(options.script);
    if (!script)
      return fail(script.error());
    options.demo.script = std::move(*script);
  }
  return make_demo_model(std::move(options.demo), options.out);
}

/// What `cache` takes from config.toml: to whom imports are given, which is whoever has a made
/// token and who has the chosen one, and how to start a daemon.
std::expected<void, std::string> complete(CacheOptions& options, const Setup& setup, bool warms) {
  options.importing.tenants = {gateway::kOwner};
  if (setup.config.token)
    options.importing.tenants.push_back(gateway::tenant_of(*setup.config.token));
  if (!warms)
    return {};
  ServingOptions serving;
  serving.model = options.model;
  serving.claude = options.warm.claude;
  if (auto completed = complete(serving, setup); !completed)
    return completed;
  options.warm.insists_on_model = !options.model.empty();
  options.warm.claude = std::move(serving.claude);
  options.warm.daemon = std::move(serving.daemon);
  return {};
}

/// Whom `bench` measures: what a launcher would start, but for the routes, since it is this mode
/// that is asked about.
std::expected<void, std::string> complete_bench(BenchOptions& bench, ServingOptions& measured,
                                                const CLI::App& app, const Setup& setup) {
  if (const auto completed = complete(bench, app); !completed)
    return completed;
  if (!bench.compare.empty())
    return {};
  if (measured.model == kDemoModel) {
    auto made = make_bench_model(setup.paths);
    if (!made)
      return std::unexpected(made.error());
    measured.model = std::move(*made);
  }
  measured.claude = bench.claude;
  if (const auto completed = complete(measured, setup); !completed)
    return completed;
  if (measured.daemon.mode == backend::kCloud)
    return std::unexpected("the real Claude computes elsewhere, for money; name another mode");
  if (measured.daemon.mode == "local" && measured.daemon.model.empty())
    return std::unexpected("which model? --model FILE, or --model demo for a stand-in");
  bench.claude = std::move(measured.claude);
  bench.daemon = std::move(measured.daemon);
  bench.daemon.routes = {};
  bench.daemon.port = 0; // the person's own daemon may have it
  bench.daemon.token.clear();
  return {};
}

struct CommandOptions {
  ServingOptions serving;
  AddressedServer server;
  ModelCommandOptions model;
  CacheOptions cache;
  BenchOptions bench;
  ServingOptions measured; // by bench
  StatsOptions stats;
  DoctorOptions doctor;
  std::string shell;
};

void add_commands(CLI::App& app, CommandOptions& options) {
  describe(app);
  app.require_subcommand(1);

  CLI::App& serve_app =
      *app.add_subcommand("serve", "Run the daemon alone: the Messages API at a port");
  add_serving_options(serve_app, options.serving);
  serve_app.add_option("--host", options.serving.daemon.host, "Address to listen on [127.0.0.1]")
      ->type_name("ADDRESS");
  serve_app
      .add_option("--allow-host", options.serving.daemon.allowed_hosts,
                  "A name of this machine that clients may use in their URL; may be repeated")
      ->type_name("NAME");
  add_server_options(serve_app, options.server);
  app.add_subcommand("stop", "End the running daemon");
  add_model_command(app, options.model);
  add_cache_command(app, options.cache);
  CLI::App& bench_app = *app.add_subcommand(
      "bench", "How much sooner an answer begins because of what is kept: a table and a chart");
  add_bench_options(bench_app, options.bench);
  add_model_options(bench_app, options.measured);
  app.add_subcommand(
      "top", "Watch what the running daemon does: requests, the KV cache, what reuse saves");
  app.add_subcommand("ui", "Open the running daemon's dashboard in the browser");
  CLI::App& stats_app =
      *app.add_subcommand("stats", "What requests cost and what reuse saved, one line a day");
  stats_app
      .add_option("--since", options.stats.since,
                  "90m, 12h, 7d, 2w, or a day such as 2026-11-25 [7d]")
      ->type_name("TIME");
  stats_app.add_flag("--json", options.stats.json, "As JSON");
  CLI::App& doctor_app = *app.add_subcommand(
      "doctor", "Find servers and models on this machine, check them, measure whether they reuse");
  doctor_app.add_flag("--prompt", options.doctor.prompts,
                      "Instead: where the running daemon's last prompts part from those before");
  doctor_app.add_flag("!--no-measure", options.doctor.measures, "Look only, and send no prompt");
  doctor_app
      .add_option("--tokens", options.doctor.prompt_tokens,
                  "Length of the prompt that is sent [2000]")
      ->check(between(200, 200'000))
      ->type_name("N");
  doctor_app
      .add_option("--url", options.doctor.urls, "Look at this server of this machine as well")
      ->type_name("URL");
  CLI::App& config_app = *app.add_subcommand("config", "Check config.toml, show it, list its keys");
  config_app.require_subcommand(1);
  config_app.add_subcommand("check", "Say whether config.toml can be used, and what it means");
  config_app.add_subcommand("show", "What counts, secrets left out");
  config_app.add_subcommand("keys", "Every key, as a table in Markdown");
  app.add_subcommand("completions", "Print what completes these commands in your shell")
      ->add_option("SHELL", options.shell, "bash, zsh or fish")
      ->required()
      ->check(one_of({"bash", "zsh", "fish"}));
  app.add_subcommand("manual", "Print the manual page")->group(""); // for packages
}

/// The program's options as texts: the launcher's, and each command's.
CommandText whole_command_line() {
  CLI::App launcher;
  LauncherOptions launcher_options;
  add_launcher(launcher, launcher_options);
  CLI::App commands;
  CommandOptions command_options;
  add_commands(commands, command_options);
  CommandText text = text_of(launcher);
  text.commands = text_of(commands).commands;
  return text;
}

/// `anyclaude COMMAND …`
int run_command(int argc, char** argv) {
  CLI::App app;
  CommandOptions options;
  add_commands(app, options);
  CLI11_PARSE(app, argc, argv);

  if (app.got_subcommand("model"))
    return run_model_command(*app.get_subcommand("model"), std::move(options.model));
  if (app.got_subcommand("completions")) {
    std::fputs(completion_script(options.shell, whole_command_line()).c_str(), stdout);
    return 0;
  }
  if (app.got_subcommand("manual")) {
    std::fputs(man_page(whole_command_line(), program_version()).c_str(), stdout);
    return 0;
  }
  if (app.got_subcommand("config")) {
    const CLI::App& config = *app.get_subcommand("config");
    return run_config_command(config.got_subcommand("keys")    ? ConfigQuestion::keys
                              : config.got_subcommand("check") ? ConfigQuestion::check
                                                               : ConfigQuestion::show);
  }
  auto setup = prepare();
  if (!setup)
    return fail(setup.error());
  if (app.got_subcommand("cache")) {
    const CLI::App& command = *app.get_subcommand("cache");
    if (const auto completed = complete(options.cache, *setup, command.got_subcommand("warm"));
        !completed)
      return fail(completed.error(), kUsageError);
    return run_cache_command(command, std::move(options.cache), setup->paths);
  }
  if (app.got_subcommand("bench")) {
    if (const auto completed =
            complete_bench(options.bench, options.measured, *app.get_subcommand("bench"), *setup);
        !completed)
      return fail(completed.error(), kUsageError);
    return run_bench(options.bench, setup->paths);
  }
  if (app.got_subcommand("top"))
    return show_top(setup->paths);
  if (app.got_subcommand("ui"))
    return open_dashboard(setup->paths);
  if (app.got_subcommand("stats"))
    return print_stats(setup->paths, options.stats);
  if (app.got_subcommand("doctor"))
    return options.doctor.prompts ? print_prompt_reports(setup->paths)
                                  : examine(setup->paths, setup->config, options.doctor);
  if (app.got_subcommand("stop"))
    return stop(setup->paths);
  ServingOptions& serving = options.serving;
  if (app.get_subcommand("serve")->count("--host") == 0)
    serving.daemon.host = setup->config.host.value_or(serving.daemon.host);
  use(options.server, serving, setup->config);
  if (const auto completed = complete(serving, *setup); !completed)
    return fail(completed.error(), kUsageError);
  return serve(setup->paths, serving.daemon);
}

} // namespace

int run_command_line(int argc, char** argv) {
  const bool has_command = argc > 1 && std::ranges::contains(kCommands, std::string_view(argv[1]));
  return has_command ? run_command(argc, argv) : run_launcher(argc, argv);
}

} // namespace anyclaude::commands
