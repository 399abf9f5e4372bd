#include "commands/top_view.h"

#include "text/clock.h"
#include "text/quantity.h"

#include <ftxui/screen/screen.hpp>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <ctime>
#include <format>
#include <string>
#include <vector>

namespace anyclaude::commands {

namespace {

using ftxui::Element;
using ftxui::Elements;
using text::clock_time;
using text::duration;
using text::grouped;

std::int64_t number(const Json& object, const char* key) {
  const auto found = object.find(key);
  return found != object.end() && found->is_number() ? found->get<std::int64_t>() : 0;
}

double real(const Json& object, const char* key) {
  const auto found = object.find(key);
  return found != object.end() && found->is_number() ? found->get<double>() : 0;
}

/// A time in milliseconds; "-" where there is none.
std::string time_of(const Json& object, const char* key) {
  const auto found = object.find(key);
  return found != object.end() && found->is_number() ? duration(std::llround(found->get<double>()))
                                                     : "-";
}

std::string words(const Json& object, const char* key) {
  std::string text = object.value(key, "");
  std::erase_if(text, [](unsigned char c) { return c < 0x20 || c == 0x7F; });
  return text;
}

Element cell(const std::string& content, int width) {
  return ftxui::text(content) | ftxui::size(ftxui::WIDTH, ftxui::EQUAL, width);
}

Element right(const std::string& content, int width) {
  return ftxui::hbox({ftxui::filler(), ftxui::text(content)}) |
         ftxui::size(ftxui::WIDTH, ftxui::EQUAL, width);
}

Element head(const Json& state) {
  std::string line;
  for (const Json& model : state.value("models", Json::array()))
    line += std::format("{} · {} tokens of context · ", words(model, "id"),
                        grouped(number(model, "context_tokens")));
  const bool ready = state.value("ready", false);
  return ftxui::hbox({ftxui::text("anyclaude ") | ftxui::bold, ftxui::text(line),
                      ftxui::text(ready ? "ready" : words(state, "detail")) |
                          (ready ? ftxui::color(ftxui::Color::Green) : ftxui::bold)});
}

Element savings(const Json& state) {
  const Json today = state.value("today", Json::object());
  const Json kept = state.value("kept", Json::object());
  return ftxui::text(
      std::format("saved {} today, {} in all · {} reused · cold {}, warm {}",
                  duration(number(today, "saved_ms")), duration(number(kept, "saved_ms")),
                  text::percent(number(today, "reused_tokens"), number(today, "prompt_tokens")),
                  time_of(kept, "cold_ms"), time_of(kept, "warm_ms")));
}

Element memory(const Json& state) {
  const Json engine = state.value("engine", Json(nullptr));
  if (!engine.is_object())
    return ftxui::text("KV cache: kept by the server that answers");
  const double cells = std::max(real(engine, "cells"), 1.0);
  const auto outside = static_cast<std::uint64_t>(number(engine, "stored_bytes") +
                                                  number(engine, "checkpoint_bytes"));
  return ftxui::hbox(
      {ftxui::text("KV cache "),
       ftxui::gauge(static_cast<float>(real(engine, "cells_used") / cells)) |
           ftxui::size(ftxui::WIDTH, ftxui::EQUAL, 10),
       ftxui::text(std::format(" {} of {} · {} beside · {} running, {} queued",
                               grouped(number(engine, "cells_used")),
                               grouped(number(engine, "cells")), text::bytes(outside),
                               number(engine, "running"), number(engine, "queued")))});
}

std::string phase_words(const Json& request) {
  const std::string phase = words(request, "phase");
  const double phase_ms = real(request, "phase_ms");
  if (phase == "prefill" && request.contains("left_ms") && request["left_ms"].is_number())
    return "prefill, " + time_of(request, "left_ms") + " left";
  if (phase == "generating" && phase_ms > 500)
    return std::format("{:.0f} tokens/s", real(request, "pieces") / phase_ms * 1000);
  return phase;
}

Element live_row(const Json& request, int bar) {
  const double prompt = std::max(real(request, "prompt_tokens"), 1.0);
  const bool generating = words(request, "phase") == "generating";
  return ftxui::hbox({cell(words(request, "id").substr(0, 12), 13), cell(phase_words(request), 24),
                      ftxui::gauge(static_cast<float>(real(request, "done_tokens") / prompt)) |
                          ftxui::size(ftxui::WIDTH, ftxui::EQUAL, bar),
                      right(grouped(number(request, "prompt_tokens")), 9),
                      right(generating ? text::percent(number(request, "reused_tokens"),
                                                       number(request, "prompt_tokens"))
                                       : "-",
                            8),
                      right(time_of(request, "waited_ms"), 11)});
}

Element live(const Json& state, int columns) {
  const int bar = std::max(columns - 13 - 24 - 9 - 8 - 11, 6);
  Elements rows = {ftxui::hbox({cell("request", 13), cell("phase", 24), cell("prompt", bar),
                                right("tokens", 9), right("reused", 8), right("since", 11)}) |
                   ftxui::inverted};
  const Json requests = state.value("live", Json::array());
  for (const Json& request : requests)
    rows.push_back(live_row(request, bar));
  if (requests.empty())
    rows.push_back(ftxui::text("nothing is being asked") | ftxui::dim);
  return ftxui::vbox(std::move(rows));
}

Element ended_row(const Json& record) {
  const std::int64_t status = number(record, "status");
  return ftxui::hbox(
      {cell(clock_time(number(record, "started_at")), 10),
       right(grouped(number(record, "prompt_tokens")), 9),
       right(text::percent(number(record, "reused_tokens"), number(record, "prompt_tokens")), 8),
       right(time_of(record, "ttft_ms"), 14), right(time_of(record, "total_ms"), 12),
       right(grouped(number(record, "output_tokens")), 8),
       right(status == 499 ? "left" : std::to_string(status), 8) |
           (status >= 400 && status != 499 ? ftxui::bold : ftxui::nothing)});
}

Element ended(const Json& state) {
  Elements rows = {ftxui::hbox({cell("ended", 10), right("prompt", 9), right("reused", 8),
                                right("first token", 14), right("in all", 12), right("answer", 8),
                                right("status", 8), ftxui::filler()}) |
                   ftxui::inverted};
  const Json records = state.value("records", Json::array());
  for (auto record = records.rbegin(); record != records.rend(); ++record)
    rows.push_back(ended_row(*record));
  return ftxui::vbox(std::move(rows));
}

} // namespace

Element top_view(const Json& state, int columns) {
  return ftxui::vbox({head(state), savings(state), memory(state), ftxui::text(""),
                      live(state, columns), ftxui::text(""), ended(state)});
}

std::string top_text(const Json& state, int columns, int rows) {
  Element element = top_view(state, columns);
  auto screen = ftxui::Screen::Create(
      ftxui::Dimension::Fixed(columns),
      rows > 0 ? ftxui::Dimension::Fixed(rows)
               : ftxui::Dimension::Fit(element, true)); // longer than a screen
  ftxui::Render(screen, element);
  std::string text;
  for (int y = 0; y < screen.dimy(); ++y) {
    std::string line;
    for (int x = 0; x < screen.dimx(); ++x) {
      const std::string& character = screen.PixelAt(x, y).character;
      line += character.empty() ? " " : character;
    }
    line.erase(line.find_last_not_of(' ') + 1);
    text += line + "\n";
  }
  return text;
}

} // namespace anyclaude::commands
