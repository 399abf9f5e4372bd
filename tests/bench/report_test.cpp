#include "bench/report.h"
#include "bench/sample_result.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <sstream>

namespace anyclaude::bench {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

TEST(BenchResult, ComesBackFromItsJson) {
  const Result result = sample_result();
  const auto back = parse_result(to_json(result));
  ASSERT_TRUE(back) << back.error();
  EXPECT_EQ(to_json(*back), to_json(result));
  EXPECT_EQ(back->rows[1].ttft_ms, result.rows[1].ttft_ms);
  EXPECT_EQ(back->machine.accelerators, result.machine.accelerators);
  EXPECT_THAT(to_json(result), HasSubstr("\"speedup_followup\": 100.0"));
}

TEST(BenchResult, SaysWhatIsMissing) {
  EXPECT_FALSE(parse_result("[]"));
  const auto cut = parse_result(R"({"anyclaude": "0.1.0"})");
  ASSERT_FALSE(cut);
  EXPECT_THAT(cut.error(), HasSubstr("date"));
  const auto missing = read_result("/nowhere/a.json");
  ASSERT_FALSE(missing);
  EXPECT_THAT(missing.error(), HasSubstr("/nowhere/a.json"));
}

TEST(BenchReport, TimesHaveThreeDigits) {
  EXPECT_EQ(short_time(0.4567), "457 us");
  EXPECT_EQ(short_time(1.26), "1.3 ms");
  EXPECT_EQ(short_time(830), "830 ms");
  EXPECT_EQ(short_time(999.7), "1.00 s");
  EXPECT_EQ(short_time(30'400), "30.4 s");
  EXPECT_EQ(short_time(405'000), "405 s");
}

TEST(BenchReport, TableHasARowForEachKindOfRequest) {
  const std::string text = table(sample_result());
  EXPECT_THAT(text,
              HasSubstr("18,490-token prompt of Claude Code's shape, qwen, mode local, 5 repeats"));
  EXPECT_THAT(text, HasSubstr("8 cores, A GPU, 31 GiB"));
  EXPECT_THAT(text, HasSubstr("4 sessions at once"));
  EXPECT_THAT(text, HasSubstr("40.5 ms"));
  EXPECT_THAT(text, HasSubstr("39.0 ms to 42.0 ms"));
  EXPECT_THAT(text, HasSubstr("100x"));
}

TEST(BenchReport, SaysWhatAReaderMustKnow) {
  Result result = sample_result();
  EXPECT_THAT(table(result), Not(HasSubstr("stand-in")));
  result.is_demo = true;
  result.wanted_tokens = 40'000;
  result.context_tokens = 24'576;
  result.repeats = 1;
  result.load_before = 7;
  for (const std::string& text : {table(result), markdown(result)}) {
    EXPECT_THAT(text, HasSubstr("stand-in"));
    EXPECT_THAT(text, HasSubstr("made shorter than 40,000 tokens: the model's context is 24,576"));
    EXPECT_THAT(text, HasSubstr("One repeat can show no difference"));
    EXPECT_THAT(text, HasSubstr("load 7.0 on 8 cores"));
  }
}

TEST(BenchReport, EveryLineOfTheMarkdownTableHasTheSameCells) {
  std::istringstream lines(markdown(sample_result()));
  std::size_t rows = 0;
  for (std::string line; std::getline(lines, line);)
    if (line.starts_with("|")) {
      ++rows;
      EXPECT_EQ(std::ranges::count(line, '|'), 8) << line;
    }
  EXPECT_EQ(rows, 2 + sample_result().rows.size());
}

TEST(BenchComparison, CallsADifferenceWhatTheSpreadSupports) {
  const Result before = sample_result();
  Result after = before;
  for (double& value : after.rows[1].ttft_ms)
    value /= 2;
  after.rows[2].ttft_ms[0] -= 20; // within its own spread
  const std::string text = comparison(before, after);
  EXPECT_THAT(text, HasSubstr("0.50x  B is faster (p = 0.0079)"));
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) {
    if (line.starts_with("first request") || line.starts_with("4 sessions")) {
      EXPECT_THAT(line, HasSubstr("no difference shown"));
      EXPECT_THAT(line, Not(HasSubstr("x  ")));
    }
  }
  EXPECT_THAT(comparison(after, before), HasSubstr("2.00x  B is slower"));
}

TEST(BenchComparison, RefusesWithTooFewRepeats) {
  Result before = sample_result();
  for (Row& row : before.rows)
    row.ttft_ms.resize(3);
  Result after = before;
  for (Row& row : after.rows)
    for (double& value : row.ttft_ms)
      value *= 10;
  const std::string text = comparison(before, after);
  EXPECT_THAT(text, Not(HasSubstr("slower")));
  EXPECT_THAT(text, HasSubstr("With fewer than five repeats each"));
}

TEST(BenchComparison, SaysWhatElseDiffers) {
  const Result a = sample_result();
  Result b = a;
  EXPECT_THAT(comparison(a, b), Not(HasSubstr("machine")));
  b.machine.cores = 2;
  b.model = "another";
  b.sessions = 8;
  const std::string text = comparison(a, b);
  EXPECT_THAT(text, HasSubstr("2 cores"));
  EXPECT_THAT(text, HasSubstr("another"));
  EXPECT_THAT(text, Not(HasSubstr("sessions at once"))); // another question
}

} // namespace
} // namespace anyclaude::bench
