#include "commands/top.h"

#include "commands/daemon.h"
#include "commands/tell.h"
#include "commands/top_view.h"
#include "launch/control_client.h"

#include <ftxui/component/component.hpp>
#include <ftxui/component/event.hpp>
#include <ftxui/component/screen_interactive.hpp>
#include <ftxui/screen/terminal.hpp>
#include <nlohmann/json.hpp>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdio>
#include <mutex>
#include <thread>

namespace anyclaude::commands {

namespace {

using namespace std::chrono_literals;

constexpr auto kLookAgain = 500ms;
constexpr int kPrintedColumns = 100;

/// Nothing when the daemon has gone or does not answer.
std::optional<Json> look(launch::ControlClient& daemon) {
  const auto text = daemon.ask("state", 5s);
  if (!text)
    return std::nullopt;
  Json state = Json::parse(*text, nullptr, false);
  return state.is_object() ? std::optional(std::move(state)) : std::nullopt;
}

int print_once(const Json& state) {
  std::fputs(top_text(state, kPrintedColumns).c_str(), stdout);
  return 0;
}

/// Looks again and again on a thread of its own, so that keys are answered at once.
class Watcher {
 public:
  Watcher(launch::ControlClient daemon, Json state, std::function<void(bool is_there)> on_change)
      : daemon_(std::move(daemon)), state_(std::move(state)), on_change_(std::move(on_change)),
        thread_([this] { run(); }) {}
  ~Watcher() {
    {
      const std::scoped_lock lock(mutex_);
      stopping_ = true;
    }
    changed_.notify_all();
    thread_.join();
  }
  Watcher(const Watcher&) = delete;
  Watcher& operator=(const Watcher&) = delete;

  Json state() const {
    const std::scoped_lock lock(mutex_);
    return state_;
  }
  void pause() { paused_ = !paused_; }
  bool is_paused() const { return paused_; }

 private:
  void run() {
    std::unique_lock lock(mutex_);
    while (!changed_.wait_for(lock, kLookAgain, [this] { return stopping_; })) {
      if (paused_)
        continue;
      lock.unlock();
      auto state = look(daemon_);
      const bool is_there = state.has_value();
      lock.lock();
      if (state)
        state_ = *std::move(state);
      lock.unlock();
      on_change_(is_there);
      lock.lock();
      if (!is_there)
        return;
    }
  }

  launch::ControlClient daemon_; // the thread's
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  Json state_;
  bool stopping_ = false;
  std::atomic<bool> paused_ = false;
  std::function<void(bool)> on_change_;
  std::thread thread_;
};

TopPart next(TopPart part) {
  switch (part) {
  case TopPart::all:
    return TopPart::prefixes;
  case TopPart::prefixes:
    return TopPart::ended;
  case TopPart::ended:
    break;
  }
  return TopPart::all;
}

const char* name_of(TopPart part) {
  switch (part) {
  case TopPart::all:
    return "everything";
  case TopPart::prefixes:
    return "prefixes alone";
  case TopPart::ended:
    return "ended requests alone";
  }
  return "";
}

int show(launch::ControlClient daemon, Json state) {
  auto screen = ftxui::ScreenInteractive::Fullscreen();
  std::atomic<bool> has_gone = false;
  const auto on_change = [&](bool is_there) {
    if (is_there)
      return screen.PostEvent(ftxui::Event::Custom);
    has_gone = true;
    screen.Exit();
  };
  Watcher watcher(std::move(daemon), std::move(state), on_change);
  TopPart part = TopPart::all;
  const auto view = ftxui::Renderer([&] {
    const auto size = ftxui::Terminal::Size(); // the screen knows its own only when it has drawn
    return ftxui::vbox(
        {top_view(watcher.state(), size.dimx, size.dimy - 1, part) | ftxui::flex,
         ftxui::hbox({ftxui::text(watcher.is_paused() ? " q quit   p go on (paused)   "
                                                      : " q quit   p pause   "),
                      ftxui::text("Tab "), ftxui::text(name_of(next(part))), ftxui::filler()}) |
             ftxui::inverted});
  });
  const auto keys = ftxui::CatchEvent(view, [&](const ftxui::Event& event) {
    if (event == ftxui::Event::Character('q') || event == ftxui::Event::Escape ||
        event == ftxui::Event::CtrlC) {
      screen.Exit();
      return true;
    }
    if (event == ftxui::Event::Tab) {
      part = next(part);
      return true;
    }
    if (event == ftxui::Event::Character('p')) {
      watcher.pause();
      return true;
    }
    return false;
  });
  screen.Loop(keys);
  return has_gone ? fail("the daemon has ended") : 0;
}

} // namespace

int show_top(const launch::Paths& paths) {
  auto daemon =
      launch::ControlClient::connect(paths.control_socket(), {program_version(), 0, "", false});
  if (!daemon)
    return fail("no daemon is running; start one with `anyclaude` or `anyclaude serve`");
  auto state = look(*daemon);
  if (!state)
    return fail("the running daemon does not answer; is it of another version?");
  if (::isatty(STDOUT_FILENO) == 0)
    return print_once(*state);
  return show(std::move(*daemon), *std::move(state));
}

} // namespace anyclaude::commands
