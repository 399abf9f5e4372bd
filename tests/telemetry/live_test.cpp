#include "telemetry/live.h"

#include <gtest/gtest.h>

namespace anyclaude::telemetry {
namespace {

using namespace std::chrono_literals;

TEST(Live, FollowsARequestThroughItsPhases) {
  Live live;
  const auto start = Live::Clock::now();
  live.began("a", "s", "qwen", start);
  live.began("b", "", "qwen", start);
  ASSERT_EQ(live.requests().size(), 2U);
  EXPECT_EQ(live.requests()[0].id, "a") << "in the order in which they began";
  EXPECT_EQ(live.requests()[0].phase, Phase::queued);
  EXPECT_NEAR(live.requests(start + 2s)[0].waited_ms, 2000, 1e-6);

  live.prefilled("b", 600, 1000); // 500 of them were reused, perhaps
  EXPECT_EQ(live.requests()[1].phase, Phase::prefill);
  EXPECT_EQ(live.requests()[1].left_ms, std::nullopt) << "one report tells no pace";
  live.prefilled("b", 800, 1000);
  const LiveRequest later = live.requests(Live::Clock::now() + 10s)[1];
  ASSERT_TRUE(later.left_ms);
  EXPECT_NEAR(*later.left_ms, later.phase_ms, 1e-6) << "200 took that long, and 200 are left";

  live.answering("b", 500, 1000);
  live.sent_piece("b");
  live.sent_piece("b");
  const LiveRequest answering = live.requests()[1];
  EXPECT_EQ(answering.phase, Phase::generating);
  EXPECT_EQ(answering.reused_tokens, 500);
  EXPECT_EQ(answering.pieces, 2);
  EXPECT_TRUE(answering.ttft_ms);
  EXPECT_EQ(answering.left_ms, std::nullopt);

  live.ended("b");
  ASSERT_EQ(live.requests().size(), 1U);
  EXPECT_EQ(live.requests()[0].id, "a");
}

TEST(Live, WhatHasEndedIsNotHeardOfAgain) {
  Live live;
  live.began("a", "", "", Live::Clock::now());
  live.ended("a");
  live.prefilled("a", 1, 2);
  live.answering("a", 1, 2);
  live.sent_piece("a");
  live.is_background("a");
  EXPECT_TRUE(live.requests().empty());
}

} // namespace
} // namespace anyclaude::telemetry
