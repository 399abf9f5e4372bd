#include "commands/top_view.h"

#include "commands/top_prefixes.h"
#include "commands/top_state.h"
#include "text/clock.h"
#include "text/printable.h"
#include "text/quantity.h"

#include <ftxui/screen/screen.hpp>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <cstdint>
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

Element cell(const std::string& content, int width) {
  return ftxui::text(content) | ftxui::size(ftxui::WIDTH, ftxui::EQUAL, width);
}

Element right(const std::string& content, int width) {
  return ftxui::hbox({ftxui::filler(), ftxui::text(content)}) |
         ftxui::size(ftxui::WIDTH, ftxui::EQUAL, width);
}

Element head(const Json& state) {
  std::string line;
  for (const Json& model : array(state, "models"))
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
  std::string phase = words(request, "phase");
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

/// Rows of a table that are shown where so many rows are left for it with its heading; all where
/// there is no limit.
std::size_t shown(std::size_t all, int room) {
  return room > 0 ? std::min(all, static_cast<std::size_t>(std::max(room - 1, 1))) : all;
}

/// A table with its heading; of rows that there is no room for, how many they are, and where there
/// are none, `none`.
template <class RowOf>
Element table(Element heading, const Json& all, int room, const char* none, const RowOf& row_of) {
  Elements rows = {std::move(heading) | ftxui::inverted};
  const std::size_t count = shown(all.size(), room);
  for (std::size_t i = 0; i < count; ++i)
    rows.push_back(row_of(all[i]));
  if (count < all.size())
    rows.back() = ftxui::text(std::format("{} more", all.size() - count + 1)) | ftxui::dim;
  if (all.empty())
    rows.push_back(ftxui::text(none) | ftxui::dim);
  return ftxui::vbox(std::move(rows));
}

Element live(const Json& state, int columns, int room) {
  const int bar = std::max(columns - 13 - 24 - 9 - 8 - 11, 6);
  return table(ftxui::hbox({cell("request", 13), cell("phase", 24), cell("prompt", bar),
                            right("tokens", 9), right("reused", 8), right("since", 11)}),
               array(state, "live"), room, "nothing is being asked",
               [bar](const Json& request) { return live_row(request, bar); });
}

Element server_row(const Json& server) {
  const bool is_ready = server.value("ready", false);
  const bool is_well = is_ready && server.value("up", false);
  std::string models;
  for (const Json& model : array(server, "models"))
    if (model.is_string())
      models += (models.empty() ? "" : ", ") + text::printable_line(model.get<std::string>());
  const std::string state = !is_ready ? words(server, "detail")
                            : is_well ? "answers"
                                      : "answers again";
  return ftxui::hbox(
      {cell(words(server, "backend"), 12), ftxui::text(" "), cell(words(server, "id"), 28),
       ftxui::text(" "), right(std::to_string(number(server, "running")), 8), ftxui::text("  "),
       ftxui::text(state) | (is_well ? ftxui::color(ftxui::Color::Green) : ftxui::bold) |
           ftxui::flex_shrink,
       ftxui::text(is_ready && !models.empty() ? " · " + models : "") | ftxui::flex_shrink});
}

Element servers(const Json& state, int room) {
  return table(ftxui::hbox({cell("backend", 13), cell("where", 29), right("requests", 8),
                            ftxui::text("  state"), ftxui::filler()}),
               array(state, "servers"), room, "every request goes to the real Claude", server_row);
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
  const Json records = array(state, "records");
  for (auto record = records.rbegin(); record != records.rend(); ++record)
    rows.push_back(ended_row(*record));
  return ftxui::vbox(std::move(rows));
}

int table_rows(const Json& state, const char* key) {
  return 1 + std::max(static_cast<int>(array(state, key).size()), 1);
}

constexpr int kHeadRows = 3;
constexpr int kMostServers = 4; // rows, where there is not much room
constexpr int kMostLive = 6;

/// One below the other. The tree gets what the others leave, and no less than a third.
Element in_one_column(const Json& state, int columns, int rows, TopPart part) {
  Elements parts = {head(state), savings(state), memory(state)};
  if (part == TopPart::ended) {
    parts.push_back(ended(state));
    return ftxui::vbox(std::move(parts));
  }
  int left = rows - kHeadRows;
  if (part == TopPart::all) {
    const int live_rows = std::min(table_rows(state, "live"), kMostLive);
    const int server_rows = std::min(table_rows(state, "servers"), kMostServers);
    parts.push_back(live(state, columns, rows > 0 ? live_rows : 0));
    parts.push_back(servers(state, rows > 0 ? server_rows : 0));
    left -= live_rows + server_rows;
    const int wanted = prefix_rows(state);
    const int share = std::max(left * 2 / 3, 3); // the others are for what has ended
    left = std::min(wanted, share);
  }
  parts.push_back(top_prefixes(state, columns, rows > 0 ? left : 0));
  if (part == TopPart::all)
    parts.push_back(ended(state));
  return ftxui::vbox(std::move(parts));
}

/// Requests on the left, prefixes and backends on the right.
Element in_two_columns(const Json& state, int columns, int rows) {
  constexpr int kNarrowest = 80; // that its tables need
  const int left_width = std::max(columns * 2 / 5, kNarrowest);
  const int right_width = columns - left_width - 2;
  const int left = rows > 0 ? rows - kHeadRows - 1 : 0;
  const int live_rows = std::min(table_rows(state, "live"), std::max(left / 2, 2));
  const int server_rows = std::min(table_rows(state, "servers"), std::max(left / 4, 2));
  const auto column = [](Elements parts, int width) {
    return ftxui::vbox(std::move(parts)) | ftxui::size(ftxui::WIDTH, ftxui::EQUAL, width);
  };
  return ftxui::vbox(
      {head(state), savings(state), memory(state), ftxui::text(""),
       ftxui::hbox(
           {column(
                {live(state, left_width, left > 0 ? live_rows : 0), ftxui::text(""), ended(state)},
                left_width),
            ftxui::text("  "),
            column({servers(state, left > 0 ? server_rows : 0), ftxui::text(""),
                    top_prefixes(state, right_width, left > 0 ? left - server_rows - 1 : 0)},
                   right_width)})});
}

} // namespace

Element top_view(const Json& state, int columns, int rows, TopPart part) {
  constexpr int kWide = 160; // columns from which on two tables stand side by side
  return part == TopPart::all && columns >= kWide ? in_two_columns(state, columns, rows)
                                                  : in_one_column(state, columns, rows, part);
}

std::string top_text(const Json& state, int columns, int rows) {
  Element element = top_view(state, columns, rows);
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
