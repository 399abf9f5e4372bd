#include "commands/top_view.h"

#include <ftxui/screen/screen.hpp>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <string>
#include <string_view>

namespace anyclaude::commands {
namespace {

using testing::HasSubstr;
using testing::Not;

Json state() {
  return Json::parse(R"({
    "ready": true, "detail": "",
    "models": [{"id": "qwen3-30b", "context_tokens": 65536}],
    "today": {"saved_ms": 42000, "prompt_tokens": 1000, "reused_tokens": 980},
    "kept": {"saved_ms": 7800000, "cold_ms": 12100, "warm_ms": 310},
    "engine": {"running": 2, "queued": 1, "cells": 65536, "cells_used": 32768,
               "stored_bytes": 1048576, "checkpoint_bytes": 0},
    "live": [
      {"id": "req_abcdefghijkl", "phase": "prefill", "prompt_tokens": 18490, "done_tokens": 9245,
       "reused_tokens": 0, "pieces": 0, "waited_ms": 3200, "phase_ms": 3100, "left_ms": 12000},
      {"id": "req_zzz", "phase": "generating", "prompt_tokens": 100, "done_tokens": 100,
       "reused_tokens": 99, "pieces": 50, "waited_ms": 2000, "phase_ms": 1000, "left_ms": null}],
    "records": [{"started_at": 0, "prompt_tokens": 18490, "reused_tokens": 0, "ttft_ms": 12100,
                 "total_ms": 15000, "output_tokens": 7, "status": 200},
                {"started_at": 60000, "prompt_tokens": 18499, "reused_tokens": 18480,
                 "ttft_ms": 305, "total_ms": 3000, "output_tokens": 9, "status": 499}]})");
}

TEST(TopView, TellsWhatIsGoingOn) {
  const std::string text = top_text(state(), 80, 24);
  EXPECT_THAT(text, HasSubstr("qwen3-30b · 65,536 tokens of context · ready"));
  EXPECT_THAT(
      text,
      HasSubstr("saved 42.0 s today, 2 h 10 min in all · 98% reused · cold 12.1 s, warm 310 ms"));
  EXPECT_THAT(text, HasSubstr("32,768 of 65,536 · 1.0 MiB beside · 2 running, 1 queued"));
  EXPECT_THAT(text, HasSubstr("prefill, 12.0 s left"));
  EXPECT_THAT(text, HasSubstr("50 tokens/s"));
  EXPECT_THAT(text, HasSubstr("99%"));
  EXPECT_LT(text.find("18,499"), text.find("12.1 s         15.0 s")) << "the last one comes first\n"
                                                                     << text;
}

Json with_prefixes() {
  Json out = state();
  out["servers"] = Json::parse(R"([
    {"backend": "local", "id": "here", "ready": true, "detail": "", "up": true, "running": 2,
     "models": ["qwen3-30b"]},
    {"backend": "gpu", "id": "http://10.0.0.2:8000", "ready": false, "detail": "it is not there",
     "up": false, "running": 0, "models": []}])");
  out["prefixes"] = Json::parse(R"({"conversations": ["3f2a91c0-1111", "77b0aa12-2222/abcdefghijk"],
    "left_out": 4, "stretches": [
    {"parent": -1, "begin": 0, "tokens": 12000, "parts": [{"tokens": 12000, "tier": "pool"}],
     "prefixes": 5, "left_out": 3, "requests": 1, "conversations": [0, 1], "is_stable": true},
    {"parent": 0, "begin": 12000, "tokens": 12000, "parts": [{"tokens": 6000, "tier": "memory"},
     {"tokens": 6000, "tier": "none"}], "prefixes": 1, "requests": 1, "conversations": [0]},
    {"parent": 0, "begin": 12000, "tokens": 5, "parts": [{"tokens": 5, "tier": "disk"}],
     "prefixes": 1, "conversations": [9]}]})");
  return out;
}

std::string line_with(const std::string& text, std::string_view words) {
  const auto found = text.find(words);
  if (found == std::string::npos)
    return "nothing has \"" + std::string(words) + "\"";
  const auto begin = text.rfind('\n', found) + 1;
  return text.substr(begin, text.find('\n', found) - begin);
}

TEST(TopView, DrawsThePrefixesWhereTheyStand) {
  const std::string text = top_text(with_prefixes(), 80, 24);
  EXPECT_EQ(line_with(text, "tools+system"), "12,000 tools+system" + std::string(7, ' ') +
                                                 "███████████" + std::string(12, ' ') +
                                                 "1 now  shared by 5  3f2a91c0 +1");
  EXPECT_EQ(line_with(text, "├─ 12,000"),
            "├─ 12,000" + std::string(28, ' ') + "▓▓▓▓▓·····  1 now  3f2a91c0");
  EXPECT_EQ(line_with(text, "├─ 5"), "├─ 5" + std::string(33, ' ') + "░");
  EXPECT_EQ(line_with(text, "└─ 3 more"), "└─ 3 more");
  EXPECT_THAT(text, HasSubstr("\n4 more\n"));
  EXPECT_THAT(top_text(with_prefixes(), 200, 60), HasSubstr("3f2a91c0 77b0aa12/abcdefgh"));
}

TEST(TopView, TellsHowBackendsAre) {
  const std::string text = top_text(with_prefixes(), 80, 24);
  EXPECT_THAT(line_with(text, "local "),
              HasSubstr("here" + std::string(32, ' ') + "2  answers · qwen3-30b"));
  EXPECT_THAT(line_with(text, "gpu "),
              HasSubstr("http://10.0.0.2:8000" + std::string(16, ' ') + "0  it is not there"));
  EXPECT_THAT(top_text(state(), 80, 24), HasSubstr("every request goes to the real Claude"));
}

TEST(TopView, PartsHaveAllTheRoom) {
  Json many = with_prefixes();
  for (int i = 0; i < 100; ++i)
    many["prefixes"]["stretches"].push_back(many["prefixes"]["stretches"][2]);
  const auto lines = [&many](int columns, int rows, TopPart part) {
    auto screen =
        ftxui::Screen::Create(ftxui::Dimension::Fixed(columns), ftxui::Dimension::Fixed(rows));
    ftxui::Render(screen, top_view(many, columns, rows, part));
    return screen.ToString();
  };
  many["prefixes"]["stretches"].push_back(
      Json::parse(R"({"parent": 0, "begin": 12000, "tokens": 777, "prefixes": 1, "requests": 1})"));
  EXPECT_THAT(lines(80, 24, TopPart::all), HasSubstr("first token"));
  EXPECT_THAT(lines(80, 24, TopPart::all), HasSubstr("├─ 777")) << "what is asked for comes first";
  EXPECT_THAT(lines(80, 24, TopPart::all), HasSubstr(" more")) << "what is left out is said";
  EXPECT_THAT(lines(80, 24, TopPart::prefixes), Not(HasSubstr("first token")));
  EXPECT_THAT(lines(80, 24, TopPart::ended), Not(HasSubstr("prefixes")));
  EXPECT_THAT(top_text(many, 80), HasSubstr("it is not there")) << "without a limit all is there";
  EXPECT_EQ(std::ranges::count(top_text(many, 80, 24), '\n'), 24);
}

TEST(TopView, WhatDoesNotFitIsCutOff) {
  Json many = state();
  for (int i = 0; i < 300; ++i)
    many["records"].push_back(many["records"][0]);
  EXPECT_EQ(std::ranges::count(top_text(many, 80, 24), '\n'), 24);
  EXPECT_GT(std::ranges::count(top_text(many, 80), '\n'), 300);
}

TEST(TopView, WhatIsMissingIsNoTrouble) {
  EXPECT_THAT(top_text(Json::object(), 80, 24), HasSubstr("nothing is being asked"));
  EXPECT_THAT(
      top_text(Json::parse(R"({"engine": null, "live": [{}], "records": [{}], "models": [{}]})"),
               80, 24),
      HasSubstr("kept by the server"));
}

TEST(TopView, NamesCannotSteerTheTerminal) {
  Json hostile = state();
  hostile["models"][0]["id"] = "a\x1b[2Jb\x07\nc";
  hostile["prefixes"] = Json::parse(
      R"({"conversations": ["\u001b[2J", 7], "stretches": [{"parent": 5, "conversations": [0, 1, -1, "x"],
          "parts": [{"tier": "\u001b"}]}]})");
  hostile["servers"] = Json::parse(R"([{"backend": "\u001b", "models": ["\u001b", 7]}])");
  const std::string text = top_text(hostile, 80, 24);
  EXPECT_THAT(text, Not(HasSubstr("\x1b")));
  EXPECT_THAT(text, HasSubstr("a\uFFFD[2Jb\uFFFD c"));
}

} // namespace
} // namespace anyclaude::commands
