#include "commands/top_view.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include <algorithm>

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
  const std::string text = top_text(hostile, 80, 24);
  EXPECT_THAT(text, Not(HasSubstr("\x1b")));
  EXPECT_THAT(text, HasSubstr("a[2Jbc"));
}

} // namespace
} // namespace anyclaude::commands
