#include "commands/server_checks.h"

#include <gtest/gtest.h>

#include <algorithm>

namespace anyclaude::commands {
namespace {

launch::FoundServer server(const char* mode, int context) {
  launch::FoundServer found;
  found.kind = launch::find_server_kind(mode);
  found.url = "http://127.0.0.1:1"; // nobody listens there
  found.context_tokens = context;
  return found;
}

Finding judge(const char* mode, MeasuredAnswer cold, MeasuredAnswer warm) {
  return judge_reuse(server(mode, 65536), ReuseMeasurement{cold, warm});
}

TEST(ServerChecks, AContextTooSmallForClaudeCodeIsWrongAndSaysTheFix) {
  const auto findings = check_server(server("ollama", 4096));
  ASSERT_EQ(findings.front().verdict, Verdict::wrong);
  EXPECT_TRUE(findings.front().sentence.contains("OLLAMA_CONTEXT_LENGTH"));
  EXPECT_EQ(check_server(server("ollama", 65536)).front().verdict, Verdict::ok);
  EXPECT_EQ(check_server(server("llama-cpp", 24'000)).front().verdict, Verdict::note);
}

TEST(ServerChecks, ReportedReuseCountsMoreThanTime) {
  EXPECT_EQ(judge("mlx-lm", {2.0, 2000, 0}, {1.9, 2000, 1990}).verdict, Verdict::ok);
  const Finding none = judge("vllm", {2.0, 2000, 0}, {0.1, 2000, 0});
  EXPECT_EQ(none.verdict, Verdict::wrong);
  EXPECT_TRUE(none.sentence.contains("prefix-caching")) << none.sentence;
}

TEST(ServerChecks, WithoutAReportTheTimesDecide) {
  EXPECT_EQ(judge("lmstudio", {3.0, 2000, {}}, {0.3, 2000, {}}).verdict, Verdict::ok);
  EXPECT_EQ(judge("lmstudio", {3.0, 2000, {}}, {2.8, 2000, {}}).verdict, Verdict::wrong);
  EXPECT_EQ(judge("lmstudio", {0.1, 2000, {}}, {0.09, 2000, {}}).verdict, Verdict::note);
  EXPECT_TRUE(judge("vllm", {3.0, 2000, {}}, {0.3, 2000, {}})
                  .sentence.contains("--enable-prompt-tokens-details"));
}

TEST(ServerChecks, RefusalsThatAreKnownSayTheFix) {
  const auto hub = judge_reuse(
      server("mlx-omni", 0),
      std::unexpected(RefusedMeasurement{401, "401 Client Error. Repository Not Found for url: "
                                              "https://huggingface.co/api/models//m/x"}));
  EXPECT_EQ(hub.verdict, Verdict::wrong);
  EXPECT_TRUE(hub.sentence.contains("names of hub models only")) << hub.sentence;
  const auto tools = judge_reuse(
      server("vllm", 0),
      std::unexpected(RefusedMeasurement{400, "\"auto\" tool choice requires "
                                              "--enable-auto-tool-choice and --tool-call-parser"}));
  EXPECT_TRUE(tools.sentence.contains("refuses tools")) << tools.sentence;
}

} // namespace
} // namespace anyclaude::commands
