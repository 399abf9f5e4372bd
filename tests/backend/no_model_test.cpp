#include "backend/no_model.h"

#include <gtest/gtest.h>

namespace anyclaude::backend {
namespace {

TEST(NoModel, SaysHowToGetOneToWhoeverAsks) {
  NoModel backend;
  const std::string advice = backend.health().detail;
  EXPECT_FALSE(backend.health().ready);
  EXPECT_NE(advice.find("--model"), std::string::npos) << advice;
  EXPECT_TRUE(backend.models().empty());
  EXPECT_EQ(backend.count_tokens({}).error().message, advice);
  const auto refused = backend.start({}, {}, [](const anthropic::Event&) { FAIL(); });
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().kind, anthropic::ErrorKind::overloaded);
  EXPECT_EQ(refused.error().message, advice);
}

} // namespace
} // namespace anyclaude::backend
