#include "prompt/prompt_watch.h"

#include <gtest/gtest.h>

namespace anyclaude::prompt {
namespace {

std::vector<std::int32_t> tokens(std::string_view text) {
  return {text.begin(), text.end()};
}

class PromptWatchTest : public testing::Test {
 protected:
  PromptReport seen(std::string_view text, std::vector<int> boundaries = {},
                    const std::string& tenant = "ann") {
    watch_.add(tenant, tokens(text), boundaries);
    return watch_.reports().back();
  }
  PromptWatch watch_{[](std::int32_t token) { return std::string(1, static_cast<char>(token)); }};
};

TEST_F(PromptWatchTest, NamesWhereAPromptPartsFromTheNearestBefore) {
  seen("tools|system one|question", {6, 17});
  seen("tools|other|question", {6, 12});
  const auto report = seen("tools|system two|question", {6, 17});
  EXPECT_EQ(report.tokens, 25U);
  EXPECT_EQ(report.shared, 13U);
  EXPECT_EQ(report.turn, 1);
  EXPECT_EQ(report.turns, 3);
  EXPECT_EQ(report.common, "tools|system ");
  EXPECT_EQ(report.here, "two|question");
  EXPECT_EQ(report.before, "one|question");
}

TEST_F(PromptWatchTest, APromptThatGoesOnPartsNowhere) {
  seen("tools|question");
  const auto report = seen("tools|question|answer|more");
  EXPECT_EQ(report.shared, 14U);
  EXPECT_EQ(report.here, "");
}

TEST_F(PromptWatchTest, TenantsAreNotCompared) {
  seen("the same");
  EXPECT_EQ(seen("the same", {}, "bob").shared, 0U);
  EXPECT_EQ(seen("the same", {}, "bob").shared, 8U);
}

TEST_F(PromptWatchTest, RemembersTheLastFew) {
  for (std::size_t i = 0; i < 2 * PromptWatch::kPrompts; ++i)
    seen("prompt");
  EXPECT_EQ(watch_.reports().size(), PromptWatch::kPrompts);
}

TEST(PromptWatchJson, HoldsEveryField) {
  const std::vector<PromptReport> reports{{9, 5, 1, 2, "a\xFF", "b", "c"}};
  EXPECT_EQ(to_json(reports), "[{\"tokens\":9,\"shared\":5,\"turn\":1,\"turns\":2,\"common\":"
                              "\"a\xEF\xBF\xBD\",\"here\":\"b\",\"before\":\"c\"}]");
}

} // namespace
} // namespace anyclaude::prompt
