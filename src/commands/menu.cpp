#include "commands/menu.h"

#include "anthropic/json.h"
#include "backend/route_rules.h"
#include "commands/daemon.h"
#include "commands/speeds.h"
#include "launch/claude_program.h"
#include "launch/control_client.h"
#include "launch/server_probe.h"

#include <ftxui/component/component.hpp>
#include <ftxui/component/screen_interactive.hpp>
#include <ftxui/dom/elements.hpp>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <array>
#include <chrono>
#include <format>
#include <fstream>

namespace anyclaude::commands {
namespace fs = std::filesystem;

namespace {

using namespace std::chrono_literals;

struct Entry {
  Workflow workflow;
  const char* name;
  const char* meaning;
};

constexpr std::array kEntries = {
    Entry{Workflow::analysis, "analysis", "read and explain: the files stay as they are"},
    Entry{Workflow::editing, "editing", "everything: change files, run commands"},
    Entry{Workflow::cloud, "cloud", "the real Claude, untouched"}};

fs::path memory_file(const launch::Paths& paths) {
  return paths.state / "menu.json";
}

const Entry& entry_of(Workflow workflow) {
  return *std::ranges::find(kEntries, workflow, &Entry::workflow);
}

/// The daemon that runs, if one does and is not in front of the real Claude.
std::optional<Offer> running_daemon(const launch::Paths& paths) {
  auto daemon =
      launch::ControlClient::connect(paths.control_socket(), {program_version(), 0, "", false});
  if (!daemon)
    return std::nullopt;
  const auto status = daemon->next_status(2s);
  if (!status || status->mode == backend::kCloud)
    return std::nullopt;
  return Offer{status->mode, status->model_id.empty() ? "no model" : status->model_id, true};
}

void add(std::vector<Offer>& offers, Offer offer) {
  if (!std::ranges::contains(offers, offer.mode, &Offer::mode))
    offers.push_back(std::move(offer));
}

std::vector<Offer> find_offers(const launch::Paths& paths, const Config& config) {
  std::vector<Offer> offers;
  if (auto daemon = running_daemon(paths))
    offers.push_back(std::move(*daemon));
  const std::string mode = config.mode.value_or("local");
  if (mode != "local" && mode != backend::kCloud)
    add(offers, {mode, config.model ? config.model->filename().string() : ""});
  if (config.model && config.model->extension() == ".gguf")
    add(offers, {"local", config.model->filename().string()});
  launch::ServerProbe probe;
  for (const launch::FoundServer& server : probe.look_at_default_ports())
    if (server.kind) {
      std::string what = server.url;
      if (!server.models.empty())
        what = fs::path(server.models.front().id).filename().string() + " at " + what;
      add(offers, {std::string(server.kind->mode), what, true});
    }
  for (const BackendConfig& backend : config.backends)
    add(offers, {backend.name, backend.urls.empty() ? backend.model : backend.urls.front()});
  if (offers.empty())
    offers.push_back({"local", "no model yet: anyclaude --model FILE"});
  for (Offer& offer : offers)
    offer.speed = shown(read_speed(paths.state, offer.mode));
  return offers;
}

/// The screen, and what the person does to it.
class Menu {
 public:
  explicit Menu(const MenuState& state) : state_(state) {
    selected_ = static_cast<int>(std::ranges::find(kEntries, state.workflow, &Entry::workflow) -
                                 kEntries.begin());
    const auto offer = std::ranges::find(state.offers, state.mode, &Offer::mode);
    offer_ = offer == state.offers.end() ? 0 : offer - state.offers.begin();
  }

  std::optional<MenuChoice> ask() {
    auto screen = ftxui::ScreenInteractive::FitComponent();
    const auto leave = screen.ExitLoopClosure();
    auto menu = ftxui::CatchEvent(ftxui::Renderer([this] { return draw(); }),
                                  [&](const ftxui::Event& event) { return take(event, leave); });
    screen.Loop(menu);
    if (!chosen_)
      return std::nullopt;
    const Workflow workflow = kEntries[static_cast<std::size_t>(selected_)].workflow;
    return MenuChoice{workflow, workflow == Workflow::cloud ? std::string(backend::kCloud)
                                                            : state_.offers[offer_].mode};
  }

 private:
  bool take(const ftxui::Event& event, const ftxui::Closure& leave) {
    const int last = static_cast<int>(kEntries.size()) - 1;
    const auto offers = state_.offers.size();
    if (event == ftxui::Event::ArrowUp || event == ftxui::Event::k) {
      selected_ = std::max(0, selected_ - 1);
    } else if (event == ftxui::Event::ArrowDown || event == ftxui::Event::j) {
      selected_ = std::min(last, selected_ + 1);
    } else if (event == ftxui::Event::ArrowRight) {
      offer_ = (offer_ + 1) % offers;
    } else if (event == ftxui::Event::ArrowLeft) {
      offer_ = (offer_ + offers - 1) % offers;
    } else if (event == ftxui::Event::Return) {
      chosen_ = true;
      leave();
    } else if (event == ftxui::Event::Escape || event == ftxui::Event::q) {
      leave();
    } else if (event.is_character() && event.character()[0] >= '1' &&
               event.character()[0] <= '1' + last) {
      selected_ = event.character()[0] - '1';
      chosen_ = true;
      leave();
    } else {
      return false;
    }
    return true;
  }

  ftxui::Element draw() const {
    using namespace ftxui;
    Elements lines = {text("What are you about to do?") | bold, text("")};
    for (std::size_t i = 0; i < kEntries.size(); ++i) {
      const bool is_selected = static_cast<int>(i) == selected_;
      const std::string line = std::format("{} {}  {:<9} {}", is_selected ? "›" : " ", i + 1,
                                           kEntries[i].name, kEntries[i].meaning);
      lines.push_back(is_selected ? text(line) | bold | inverted : text(line));
    }
    lines.push_back(text(""));
    if (kEntries[static_cast<std::size_t>(selected_)].workflow == Workflow::cloud) {
      lines.push_back(text("Answers: " + state_.cloud));
      lines.push_back(text("Your prompts leave this machine."));
    } else {
      const Offer& offer = state_.offers[offer_];
      lines.push_back(text(std::format("Answers: {} ({}){}", offer.mode, offer.what,
                                       offer.running ? ", running" : "")));
      lines.push_back(text(offer.speed.empty() ? "Speed: not measured yet"
                                               : "Speed: " + offer.speed + ", as last measured"));
    }
    lines.push_back(text(""));
    lines.push_back(
        text("Both are fast: what was computed once is kept. Fast is no longer read-only;"));
    lines.push_back(text("analysis is, so that nothing can be changed by mistake."));
    lines.push_back(text(""));
    lines.push_back(text(state_.offers.size() > 1
                             ? "↑↓ or 1-3 choose   ←→ who answers   Enter start   q leave"
                             : "↑↓ or 1-3 choose   Enter start   q leave") |
                    dim);
    return vbox(std::move(lines)) | size(WIDTH, LESS_THAN, 78) | border;
  }

  const MenuState& state_;
  int selected_ = 0;
  std::size_t offer_ = 0;
  bool chosen_ = false;
};

} // namespace

MenuState look_around(const launch::Paths& paths, const Config& config) {
  MenuState state;
  state.offers = find_offers(paths, config);
  state.mode = config.mode.value_or("");
  state.cloud = launch::find_claude(config.claude.value_or(""))
                    ? "the real Claude, with your own login or key"
                    : "Claude Code is not installed: npm install -g @anthropic-ai/claude-code";
  std::ifstream file(memory_file(paths));
  const Json memory = Json::parse(file, nullptr, false);
  if (memory.is_object()) {
    const std::string workflow = memory.value("workflow", "");
    for (const Entry& entry : kEntries)
      if (workflow == entry.name)
        state.workflow = entry.workflow;
    if (const std::string mode = memory.value("mode", ""); mode != backend::kCloud && !mode.empty())
      state.mode = mode;
  }
  return state;
}

std::optional<MenuChoice> ask_workflow(const MenuState& state) {
  return Menu(state).ask();
}

void remember(const launch::Paths& paths, const MenuChoice& choice) {
  std::ofstream(memory_file(paths))
      << Json({{"workflow", entry_of(choice.workflow).name}, {"mode", choice.mode}}).dump() << "\n";
}

std::vector<std::string> claude_arguments(Workflow workflow) {
  if (workflow != Workflow::analysis)
    return {};
  // Tools that are not allowed are not described either: the prompt is shorter.
  return {"--disallowedTools", "Edit,Write,NotebookEdit,Bash"};
}

} // namespace anyclaude::commands
