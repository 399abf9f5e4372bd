#include "telemetry/periods.h"

#include <gtest/gtest.h>

namespace anyclaude::telemetry {
namespace {

RequestRecord record(std::int64_t started_at, std::int64_t reused, std::int64_t computed,
                     double ttft_ms) {
  RequestRecord out;
  out.started_at = started_at;
  out.reused_tokens = reused;
  out.computed_tokens = computed;
  out.prompt_tokens = reused + computed;
  out.ttft_ms = ttft_ms;
  out.saved_ms = reused;
  out.status = 200;
  return out;
}

TEST(Periods, TellColdFromWarmAndLeaveOutWhatIsBetween) {
  const std::vector<RequestRecord> records = {record(0, 0, 1000, 9000),  record(0, 100, 900, 7000),
                                              record(0, 500, 500, 4000), record(0, 900, 100, 300),
                                              record(0, 990, 10, 100),   record(0, 999, 1, 200)};
  const Period all = summed("all", records);
  EXPECT_EQ(all.cold_ms, 9000);
  EXPECT_EQ(all.warm_ms, 200);
  EXPECT_EQ(all.totals.requests, 6);
  EXPECT_EQ(all.totals.prompt_tokens, 6000);
  EXPECT_EQ(all.totals.reused_tokens, 3489);
  EXPECT_EQ(all.totals.saved_ms, 3489);
}

TEST(Periods, ARequestWithoutATokenHasNoTime) {
  RequestRecord failed = record(0, 0, 0, 1);
  failed.status = 500;
  RequestRecord left = record(0, 0, 100, 1);
  left.ttft_ms.reset();
  const std::vector<RequestRecord> records = {failed, left};
  const Period all = summed("all", records);
  EXPECT_EQ(all.cold_ms, std::nullopt);
  EXPECT_EQ(all.warm_ms, std::nullopt);
  EXPECT_EQ(all.totals.errors, 1);
}

TEST(Periods, OneForEachName) {
  const std::vector<RequestRecord> records = {record(1, 1, 0, 1), record(12, 2, 0, 1),
                                              record(15, 3, 0, 1)};
  const auto tens = by_period(records, [](std::int64_t at) { return std::to_string(at / 10); });
  ASSERT_EQ(tens.size(), 2U);
  EXPECT_EQ(tens[0].name, "0");
  EXPECT_EQ(tens[0].totals.requests, 1);
  EXPECT_EQ(tens[1].name, "1");
  EXPECT_EQ(tens[1].totals.reused_tokens, 5);
}

TEST(Since, TakesSpansAndDays) {
  const std::int64_t now = 10'000'000'000'000;
  EXPECT_EQ(parse_since("90m", now), now - 90 * 60'000);
  EXPECT_EQ(parse_since("12h", now), now - 12 * 3'600'000);
  EXPECT_EQ(parse_since("7d", now), now - std::int64_t{7} * 86'400'000);
  EXPECT_EQ(parse_since("2w", now), now - std::int64_t{14} * 86'400'000);
  const auto day = parse_since("2026-11-25", now);
  ASSERT_TRUE(day);
  EXPECT_EQ(local_day(*day), "2026-11-25");
  EXPECT_EQ(local_day(*day - 1), "2026-11-24");
}

TEST(Since, SaysWhatItTakes) {
  for (const char* wrong : {"", "7", "d", "0d", "-1d", "7x", "7dd", "1e3d", "2026-13-01",
                            "2026-02-30", "99999999999999999999d", "100001w"}) {
    const auto since = parse_since(wrong, 0);
    ASSERT_FALSE(since) << wrong;
    EXPECT_NE(since.error().find("2026-11-25"), std::string::npos);
  }
}

} // namespace
} // namespace anyclaude::telemetry
