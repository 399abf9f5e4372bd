#include "telemetry/stats.h"

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include <thread>

namespace anyclaude::telemetry {
namespace {

RequestRecord record(std::string session, std::int64_t reused, std::int64_t computed,
                     std::optional<double> prefill_ms = std::nullopt, int status = 200) {
  RequestRecord out;
  out.session = std::move(session);
  out.prompt_tokens = reused + computed;
  out.reused_tokens = reused;
  out.computed_tokens = computed;
  out.output_tokens = 5;
  out.prefill_ms = prefill_ms;
  out.status = status;
  return out;
}

TEST(Stats, SumsPerSessionAndOverAll) {
  Stats stats;
  stats.add(record("a", 0, 1000));
  stats.add(record("a", 990, 10));
  stats.add(record("b", 500, 500, std::nullopt, 500));
  stats.add(record("", 1, 2, std::nullopt, 499));
  const Totals a = stats.session("a");
  EXPECT_EQ(a.requests, 2);
  EXPECT_EQ(a.prompt_tokens, 2000);
  EXPECT_EQ(a.reused_tokens, 990);
  EXPECT_EQ(a.computed_tokens, 1010);
  EXPECT_EQ(a.output_tokens, 10);
  EXPECT_EQ(a.errors, 0);
  EXPECT_EQ(stats.session("b").errors, 1);
  EXPECT_EQ(stats.total().requests, 4);
  EXPECT_EQ(stats.total().errors, 1);
  EXPECT_EQ(stats.session("never").requests, 0);
}

TEST(Stats, EstimatesTheTimeSavedFromWhatWasMeasured) {
  Stats stats;
  stats.add(record("a", 600, 10, 500.0)); // too few tokens to measure by
  EXPECT_EQ(stats.total().saved_ms, 0);
  stats.add(record("a", 0, 1000, 2000.0));
  stats.add(record("a", 400, 1000, 4000.0)); // so 3 ms per token
  EXPECT_EQ(stats.session("a").saved_ms, 3000);
  EXPECT_EQ(stats.total().saved_ms, 3000);
}

TEST(Stats, KeepsTheLastRecords) {
  Stats stats;
  for (std::size_t i = 0; i < Stats::kRecords + 10; ++i) {
    RequestRecord one = record(i % 2 == 0 ? "even" : "odd", 0, 1);
    one.id = std::to_string(i);
    stats.add(std::move(one));
  }
  const auto all = stats.records();
  ASSERT_EQ(all.size(), Stats::kRecords);
  EXPECT_EQ(all.front().id, "10");
  EXPECT_EQ(all.back().id, "265");
  const auto odd = stats.records("odd");
  EXPECT_EQ(odd.size(), Stats::kRecords / 2);
  EXPECT_EQ(odd.front().id, "11");
}

TEST(Stats, ForgetsTheSessionUnusedForLongest) {
  Stats stats;
  stats.add(record("first", 0, 1));
  stats.add(record("second", 0, 1));
  for (std::size_t i = 0; i < Stats::kSessions - 2; ++i) {
    stats.add(record("session" + std::to_string(i), 0, 1));
  }
  stats.add(record("first", 0, 1)); // used again
  stats.add(record("one more", 0, 1));
  EXPECT_EQ(stats.session("first").requests, 2);
  EXPECT_EQ(stats.session("second").requests, 0);
  EXPECT_EQ(stats.session("one more").requests, 1);
}

TEST(Stats, RecordsAsJson) {
  RequestRecord one = record("s", 2, 1, 1.2345678);
  one.id = "req_1";
  one.model = "qwen";
  one.total_ms = 7;
  one.started_at = 1'700'000'000'123;
  EXPECT_EQ(to_json({}), "[]");
  EXPECT_EQ(to_json({one}),
            R"([{"id":"req_1","model":"qwen","prompt_tokens":3,"reused_tokens":2,)"
            R"("computed_tokens":1,"output_tokens":5,"prefill_ms":1.235,"ttft_ms":null,)"
            R"("total_ms":7.0,"saved_ms":0,"status":200,"started_at":1700000000123}])");
}

TEST(Stats, ManyThreadsLoseNothing) {
  Stats stats;
  std::vector<std::thread> threads;
  for (int t = 0; t < 8; ++t) {
    threads.emplace_back([&stats, t] {
      for (int i = 0; i < 500; ++i) {
        stats.add(record("s" + std::to_string(t % 2), 1, 1));
        stats.total();
        stats.records("s0");
      }
    });
  }
  for (std::thread& thread : threads) {
    thread.join();
  }
  EXPECT_EQ(stats.total().requests, 4000);
  EXPECT_EQ(stats.session("s0").requests, 2000);
}

} // namespace
} // namespace anyclaude::telemetry
