#include "dashboard/charts.h"
#include "dashboard/html.h"
#include "dashboard/view.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

namespace anyclaude::dashboard {
namespace {

using testing::HasSubstr;
using testing::Not;

telemetry::RequestRecord record(std::int64_t reused, std::int64_t computed, double ttft_ms) {
  telemetry::RequestRecord out;
  out.id = "req_1";
  out.prompt_tokens = reused + computed;
  out.reused_tokens = reused;
  out.computed_tokens = computed;
  out.ttft_ms = ttft_ms;
  out.prefill_ms = ttft_ms / 2;
  out.total_ms = ttft_ms * 2;
  out.status = 200;
  return out;
}

TEST(Escaped, LeavesNoMarkup) {
  EXPECT_EQ(escaped("<b a=\"x\" c='y'>&"), "&lt;b a=&quot;x&quot; c=&#39;y&#39;&gt;&amp;");
  EXPECT_EQ(escaped("a\nb\x1b[31m\x7f"), "a\u21B5b\u241B[31m\u2421");
  EXPECT_EQ(escaped("\xff"), "\uFFFD");
  EXPECT_EQ(escaped("größer"), "größer");
}

TEST(Page, ShowsWhatThereIsAndNothingAsMarkup) {
  View view;
  view.version = "1.2<3";
  view.health = {true, ""};
  view.models = {{"m", "<script>alert(1)</script>", 0, 65536}};
  view.records = {record(0, 1000, 9000), record(990, 10, 90), record(500, 500, 4000)};
  telemetry::LiveRequest live;
  live.id = "<i>";
  live.phase = telemetry::Phase::prefill;
  live.prompt_tokens = 2000;
  live.done_tokens = 500;
  live.left_ms = 61'000;
  view.live = {live};
  prompt::PromptReport report;
  report.tokens = 10;
  report.shared = 5;
  report.here = "</dd><img src=x>";
  report.before = "then";
  view.prompts = {report};
  const std::string html = page(view);
  EXPECT_THAT(html, HasSubstr("1.2&lt;3"));
  EXPECT_THAT(html, HasSubstr("65,536 tokens of context"));
  EXPECT_THAT(html, HasSubstr("prefill, 1 min 1 s left"));
  EXPECT_THAT(html, HasSubstr("max=\"2000\" value=\"500\""));
  EXPECT_THAT(html, Not(HasSubstr("<script>alert")));
  EXPECT_THAT(html, Not(HasSubstr("<i>")));
  EXPECT_THAT(html, Not(HasSubstr("<img")));
  EXPECT_THAT(html, Not(HasSubstr("style="))) << "the content policy forbids it";
}

TEST(Page, HasASectionForEveryPartThatIsReplaced) {
  const View view;
  const std::string html = page(view);
  for (const Section& section : sections(view)) {
    EXPECT_THAT(html, HasSubstr("<section id=\"" + section.id + "\""));
    EXPECT_THAT(html, HasSubstr(section.html));
  }
}

TEST(Charts, ColdAndWarmDifferInShape) {
  const std::vector<telemetry::RequestRecord> records = {record(0, 1000, 9000), record(990, 10, 90),
                                                         record(500, 500, 4000)};
  const std::string svg = first_token_chart(records);
  EXPECT_THAT(svg, HasSubstr("<circle class=\"cold\""));
  EXPECT_THAT(svg, HasSubstr("<rect class=\"warm\""));
  EXPECT_THAT(svg, HasSubstr("<path class=\"partly\""));
  EXPECT_THAT(svg, HasSubstr("9.0 s: 0 of 1,000 prompt tokens reused"));
  EXPECT_THAT(svg, HasSubstr("10 ms"));
  EXPECT_THAT(svg, HasSubstr("10 s"));
}

TEST(Charts, EqualTimesStillHaveAScale) {
  const std::vector<telemetry::RequestRecord> records = {record(0, 1, 100), record(0, 1, 100)};
  EXPECT_THAT(first_token_chart(records), Not(HasSubstr("nan")));
  const std::vector<telemetry::RequestRecord> none;
  EXPECT_THAT(first_token_chart(none), HasSubstr("No request"));
  const std::vector<telemetry::RequestRecord> instant = {record(0, 1, 0)};
  EXPECT_THAT(first_token_chart(instant), Not(HasSubstr("inf")));
}

TEST(Charts, AWaterfallSumsUpToTheWholeTime) {
  EXPECT_THAT(waterfall(record(0, 100, 1000), 2000),
              HasSubstr("waiting 500 ms, prefill 500 ms, answer 1.0 s"));
  telemetry::RequestRecord failed;
  failed.total_ms = 7;
  EXPECT_THAT(waterfall(failed, 7), HasSubstr("waiting 7 ms, prefill 0 ms, answer 0 ms"));
}

TEST(StateJson, IsWhatProgramsRead) {
  View view;
  view.records = {record(90, 10, 5)};
  telemetry::LiveRequest live;
  live.id = "req_2";
  view.live = {live};
  view.today.totals.saved_ms = 12;
  const Json state = Json::parse(state_json(view));
  EXPECT_EQ(state["records"][0]["reused_tokens"], 90);
  EXPECT_EQ(state["live"][0]["phase"], "queued");
  EXPECT_EQ(state["today"]["saved_ms"], 12);
  EXPECT_TRUE(state["engine"].is_null());
}

} // namespace
} // namespace anyclaude::dashboard
