#include "commands/daemon.h"
#include "commands/doctor.h"
#include "commands/server_checks.h"
#include "commands/speeds.h"
#include "commands/tell.h"
#include "commands/terminal_line.h"
#include "launch/control_client.h"
#include "launch/model_places.h"
#include "launch/server_probe.h"

#include <algorithm>
#include <chrono>
#include <format>

namespace anyclaude::commands {

namespace {

constexpr std::size_t kModelsShown = 20;

struct Subject {
  std::string url;
  std::string api_key;
};

const char* mark(Verdict verdict) {
  switch (verdict) {
  case Verdict::ok:
    return "ok   ";
  case Verdict::note:
    return "note ";
  case Verdict::wrong:
    return "WRONG";
  }
  return "";
}

bool is_here(const std::string& url) {
  const auto place = upstream::parse_url(url);
  return place && (place->origin.host == "localhost" || place->origin.host == "::1" ||
                   place->origin.host.starts_with("127."));
}

/// Every address of this machine that there is a reason to look at, each once.
std::vector<Subject> subjects(const Config& config, const DoctorOptions& options) {
  std::vector<Subject> all;
  const auto add = [&all](const std::string& url, const std::string& key = {}) {
    if (!is_here(url))
      say(std::format("{} is not on this machine: not asked", url));
    else if (!std::ranges::contains(all, url, &Subject::url))
      all.push_back({url, key});
  };
  for (const BackendConfig& backend : config.backends)
    for (const std::string& url : backend.urls)
      add(url, api_key_of(backend).value_or(""));
  for (const std::string& url : options.urls)
    add(url);
  for (const launch::ServerKind& kind : launch::server_kinds())
    for (const std::uint16_t port : kind.ports)
      add(launch::loopback_url(port));
  return all;
}

std::string title(const launch::FoundServer& server) {
  std::string line =
      std::format("{} at {}", server.kind ? server.kind->title : "An OpenAI API", server.url);
  if (!server.version.empty())
    line += ", " + server.version;
  return line;
}

/// The model that our own daemon has such a server serve; empty: it has none.
std::string model_of_daemon(const launch::Paths& paths, std::string_view mode) {
  auto daemon =
      launch::ControlClient::connect(paths.control_socket(), {program_version(), 0, "", false});
  const auto status = daemon ? daemon->next_status(std::chrono::seconds(2))
                             : std::unexpected(launch::ControlFailure::closed);
  return status && status->mode == mode ? status->model_path : "";
}

/// What to ask it for; nothing where it knows no model.
std::string model_to_ask(const launch::FoundServer& server, const launch::Paths& paths,
                         const Config& config) {
  if (server.kind && server.kind->mode == "mlx-lm")
    return "default_model";
  for (const launch::ServedModel& model : server.models)
    if (model.loaded)
      return model.id;
  if (!server.models.empty())
    return server.models.front().id;
  if (!server.kind || server.kind->mode != "mlx-omni")
    return {};
  const std::string served = model_of_daemon(paths, server.kind->mode);
  return served.empty() && config.model ? config.model->native() : served;
}

class Examination {
 public:
  Examination(const launch::Paths& paths, const Config& config, const DoctorOptions& options)
      : paths_(paths), config_(config), options_(options) {}

  int run() {
    say("Servers on this machine");
    for (const Subject& subject : subjects(config_, options_))
      if (const auto server = probe_.look(subject.url, subject.api_key))
        look_at(*server, subject.api_key);
    if (found_ == 0)
      say("  none runs at a port that they listen on by default");
    say("\nModels on this machine");
    list_models();
    say(wrong_ == 0
            ? "\nNothing is wrong."
            : std::format("\n{} {} wrong.", wrong_, wrong_ == 1 ? "thing is" : "things are"));
    return wrong_ == 0 ? 0 : 1;
  }

 private:
  void tell(const Finding& finding) {
    if (finding.verdict == Verdict::wrong)
      ++wrong_;
    say(std::format("    {} {}", mark(finding.verdict), finding.sentence));
  }

  void look_at(const launch::FoundServer& server, const std::string& api_key) {
    ++found_;
    say("  " + title(server));
    for (const launch::ServedModel& model : server.models)
      say(std::format("    {}{}", model.id, model.loaded ? "" : " (not loaded)"));
    for (const Finding& finding : check_server(server))
      tell(finding);
    if (!options_.measures || server.loading)
      return;
    const std::string model = model_to_ask(server, paths_, config_);
    if (model.empty())
      return tell({Verdict::note, "it has no model to measure with"});
    TerminalLine line;
    line.write("    measuring with " + model + " …");
    const auto measured =
        measure_reuse(probe_.client(), server.url, model, api_key, options_.prompt_tokens);
    line.clear();
    tell(judge_reuse(server, measured));
    if (measured && server.kind && measured->cold.prompt_tokens > 0 &&
        measured->cold.first_token_s > 0)
      write_speed(paths_.state, std::string(server.kind->mode),
                  {static_cast<double>(measured->cold.prompt_tokens) / measured->cold.first_token_s,
                   measured->warm.first_token_s});
  }

  static void list_models() {
    const auto models = launch::find_models();
    for (std::size_t i = 0; i < std::min(models.size(), kModelsShown); ++i) {
      const launch::FoundModel& model = models[i];
      const char* mode = model.format == launch::ModelFormat::gguf  ? ""
                         : model.format == launch::ModelFormat::mlx ? " --mode mlx-lm"
                                                                    : " --mode vllm";
      say(std::format("  {} ({}, {:.1f} GB, {})\n    anyclaude{} --model '{}'", model.name,
                      model.owner, static_cast<double>(model.bytes) / 1e9, name_of(model.format),
                      mode, model.path.native()));
    }
    if (models.size() > kModelsShown)
      say(std::format("  and {} more", models.size() - kModelsShown));
    if (models.empty())
      say("  none in the folders of LM Studio, Hugging Face, llama.cpp and Ollama");
  }

  const launch::Paths& paths_;
  const Config& config_;
  const DoctorOptions& options_;
  launch::ServerProbe probe_;
  int found_ = 0;
  int wrong_ = 0;
};

} // namespace

int examine(const launch::Paths& paths, const Config& config, const DoctorOptions& options) {
  return Examination(paths, config, options).run();
}

} // namespace anyclaude::commands
