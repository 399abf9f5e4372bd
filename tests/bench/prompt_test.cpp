#include "bench/prompt.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace anyclaude::bench {
namespace {

TEST(BenchPrompt, OtherMarksLeaveNothingInCommonAtTheFront) {
  const Prompt prompt = Prompt::synthetic(0.1);
  const Json a = prompt.request("One?", "Run a.");
  const Json b = prompt.request("One?", "Run b.");
  EXPECT_NE(a.at("tools")[0].at("description"), b.at("tools")[0].at("description"));
  EXPECT_NE(a.at("system")[1], b.at("system")[1]);
  EXPECT_EQ(a.at("system")[0], b.at("system")[0]); // the line that is known by its beginning
  EXPECT_EQ(a.at("messages"), b.at("messages"));
  EXPECT_EQ(a, prompt.request("One?", "Run a."));
}

TEST(BenchPrompt, TheWordsStandInThePersonsPlace) {
  const Json request = Prompt::synthetic(0.1).request("What is it?", "Run.");
  EXPECT_EQ(request.at("messages")[0].at("content")[1].at("text"), "What is it?");
  EXPECT_EQ(request.at("stream"), true);
}

TEST(BenchPrompt, ScaleAndMoreMakeItLonger) {
  const auto size = [](double scale, std::size_t more) {
    return Prompt::synthetic(scale, more).request("x", "y").dump().size();
  };
  EXPECT_GT(size(1, 0), size(0.5, 0) * 3 / 2);
  EXPECT_EQ(size(1, 100), size(1, 0) + 100);
}

TEST(BenchPrompt, ACapturedRequestIsAskedWithOtherWords) {
  const auto prompt = Prompt::captured(
      R"({"model":"m","max_tokens":32000,"system":"Be good.","messages":
          [{"role":"user","content":[{"type":"text","text":"note"},
                                     {"type":"text","text":"Now say OK."}]}]})",
      "say OK");
  ASSERT_TRUE(prompt) << prompt.error();
  const Json request = prompt->request("count", "Run.");
  EXPECT_EQ(request.at("messages")[0].at("content")[1].at("text"), "Now count.");
  EXPECT_EQ(request.at("system"), "Run. Be good.");
  EXPECT_LT(request.at("max_tokens"), 100);
  EXPECT_FALSE(Prompt::captured(R"({"messages":[]})", "say OK"));
  EXPECT_FALSE(Prompt::captured("no JSON", "say OK"));
}

} // namespace
} // namespace anyclaude::bench
