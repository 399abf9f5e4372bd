#include "backend/session_affinity.h"

#include <gtest/gtest.h>

namespace anyclaude::backend {
namespace {

std::string cookie_of(SessionAffinity& affinity, const std::string& key) {
  return std::string(upstream::header(affinity.headers(key), "cookie"));
}

TEST(SessionAffinity, EveryRouterIsToldTheSameKey) {
  SessionAffinity affinity;
  const auto headers = affinity.headers("k1");
  EXPECT_EQ(upstream::header(headers, "x-user-id"), "k1");         // vLLM production stack
  EXPECT_EQ(upstream::header(headers, "x-smg-routing-key"), "k1"); // SGLang's router
  EXPECT_EQ(upstream::header(headers, "cookie"), "");
  EXPECT_TRUE(affinity.headers("").empty());
}

TEST(SessionAffinity, TheCookieOfLlmDGoesBackWithItsOwnConversation) {
  SessionAffinity affinity;
  affinity.look_at("k1", {{"Set-Cookie", "other=1"},
                          {"set-cookie", "llm-d-session=cG9kLTE=; Path=/; HttpOnly"}});
  EXPECT_EQ(cookie_of(affinity, "k1"), "llm-d-session=cG9kLTE=");
  EXPECT_EQ(cookie_of(affinity, "k2"), "");
  affinity.look_at("k1", {{"Set-Cookie", "llm-d-session=cG9kLTI=; Path=/"}});
  EXPECT_EQ(cookie_of(affinity, "k1"), "llm-d-session=cG9kLTI=") << "its pod has changed";
  affinity.look_at("k1", {{"Content-Type", "text/plain"}});
  EXPECT_EQ(cookie_of(affinity, "k1"), "llm-d-session=cG9kLTI=");
}

TEST(SessionAffinity, ForgetsTheConversationsUsedLongestAgo) {
  SessionAffinity affinity;
  affinity.look_at("first", {{"Set-Cookie", "llm-d-session=a"}});
  affinity.look_at("second", {{"Set-Cookie", "llm-d-session=b"}});
  EXPECT_NE(cookie_of(affinity, "first"), ""); // used again
  for (std::size_t i = 0; i < SessionAffinity::kSessions - 1; ++i)
    affinity.look_at(std::to_string(i), {{"Set-Cookie", "llm-d-session=c"}});
  EXPECT_NE(cookie_of(affinity, "first"), "");
  EXPECT_EQ(cookie_of(affinity, "second"), "");
}

} // namespace
} // namespace anyclaude::backend
