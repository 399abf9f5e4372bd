#include "text/stop_sequences.h"

#include <gtest/gtest.h>

namespace anyclaude::text {
namespace {

TEST(StopSequences, WithoutAnyEverythingPasses) {
  StopSequences stops({});
  EXPECT_EQ(stops.push("text").emit, "text");
  EXPECT_EQ(stops.finish(), "");
}

TEST(StopSequences, AnEmptySequenceIsIgnored) {
  StopSequences stops({""});
  const auto result = stops.push("text");
  EXPECT_EQ(result.emit, "text");
  EXPECT_FALSE(result.matched);
}

TEST(StopSequences, FindsOneAcrossPushes) {
  StopSequences stops({"</answer>"});
  EXPECT_EQ(stops.push("42</ans").emit, "42");
  EXPECT_EQ(stops.push("wer").emit, "");
  const auto result = stops.push("> and more");
  EXPECT_EQ(result.emit, "");
  EXPECT_EQ(result.matched, "</answer>");
}

TEST(StopSequences, ReleasesATailThatTurnedOutHarmless) {
  StopSequences stops({"STOP"});
  EXPECT_EQ(stops.push("aST").emit, "a");
  EXPECT_EQ(stops.push("ART").emit, "START");
  EXPECT_EQ(stops.finish(), "");
}

TEST(StopSequences, HoldsOnlyTheShortestTail) {
  StopSequences stops({"aab"});
  EXPECT_EQ(stops.push("aaaa").emit, "aa");
  EXPECT_EQ(stops.push("b").matched, "aab");
}

TEST(StopSequences, FinishGivesTheHeldTail) {
  StopSequences stops({"\n\nHuman:"});
  EXPECT_EQ(stops.push("done\n\n").emit, "done");
  EXPECT_EQ(stops.finish(), "\n\n");
}

TEST(StopSequences, TheOneCompletedFirstWins) {
  StopSequences stops({"abcd", "bc"});
  const auto result = stops.push("xabcd");
  EXPECT_EQ(result.matched, "bc");
  EXPECT_EQ(result.emit, "xa");
}

TEST(StopSequences, OfTwoThatEndTogetherTheLongerWins) {
  StopSequences stops({"c", "abc"});
  const auto result = stops.push("xabc");
  EXPECT_EQ(result.matched, "abc");
  EXPECT_EQ(result.emit, "x");
}

TEST(StopSequences, NothingFollowsAMatch) {
  StopSequences stops({"."});
  EXPECT_EQ(stops.push("a.b").emit, "a");
  const auto later = stops.push("c");
  EXPECT_EQ(later.emit, "");
  EXPECT_EQ(later.matched, ".");
  EXPECT_EQ(stops.finish(), "");
}

} // namespace
} // namespace anyclaude::text
