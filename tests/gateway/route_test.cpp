#include "gateway/route.h"

#include <gtest/gtest.h>

namespace anyclaude::gateway {
namespace {

TEST(Route, EveryEndpoint) {
  EXPECT_EQ(route_of("/").endpoint, Endpoint::root);
  EXPECT_EQ(route_of("/health").endpoint, Endpoint::health);
  EXPECT_EQ(route_of("/metrics").endpoint, Endpoint::metrics);
  EXPECT_FALSE(is_open(Endpoint::metrics));
  EXPECT_EQ(route_of("/v1/messages").endpoint, Endpoint::messages);
  EXPECT_EQ(route_of("/v1/messages/").endpoint, Endpoint::messages);
  EXPECT_EQ(route_of("/v1/messages/count_tokens").endpoint, Endpoint::count_tokens);
  EXPECT_EQ(route_of("/v1/models").endpoint, Endpoint::models);
  EXPECT_EQ(route_of("/v1/models/").endpoint, Endpoint::models);
  EXPECT_EQ(route_of("/v1/models/qwen%2F3").model_id, "qwen/3");
  EXPECT_EQ(route_of("/v1/models/50%").model_id, "50%");
  for (const char* unknown : {"/v1", "/v1/message", "/V1/messages", "/v1/messages/batches", "//",
                              "/../v1/messages", "*", "v1/messages"}) {
    EXPECT_EQ(route_of(unknown).endpoint, Endpoint::unknown) << unknown;
  }
}

TEST(Route, TheSessionPrefix) {
  const Route route = route_of("/s/a-B_9/v1/messages");
  EXPECT_EQ(route.endpoint, Endpoint::messages);
  EXPECT_EQ(route.session, "a-B_9");
  EXPECT_FALSE(route.is_private);
  const Route hidden = route_of("/p/a-B_9/v1/messages");
  EXPECT_EQ(hidden.endpoint, Endpoint::messages);
  EXPECT_EQ(hidden.session, "a-B_9");
  EXPECT_TRUE(hidden.is_private);
  EXPECT_EQ(route_of("/p//v1/messages").endpoint, Endpoint::unknown);
  EXPECT_EQ(route_of("/s/a").endpoint, Endpoint::root);
  EXPECT_EQ(route_of("/s/a/").endpoint, Endpoint::root);
  EXPECT_EQ(route_of("/v1/messages").session, "");
  EXPECT_EQ(route_of("/s//v1/messages").endpoint, Endpoint::unknown);
  EXPECT_EQ(route_of("/s/a.b/v1/messages").endpoint, Endpoint::unknown);
  EXPECT_EQ(route_of("/s/" + std::string(65, 'a') + "/v1/messages").endpoint, Endpoint::unknown);
}

TEST(Route, Methods) {
  EXPECT_TRUE(allows(Endpoint::messages, "POST"));
  EXPECT_FALSE(allows(Endpoint::messages, "GET"));
  EXPECT_TRUE(allows(Endpoint::root, "HEAD"));
  EXPECT_FALSE(allows(Endpoint::models, "POST"));
  EXPECT_TRUE(is_open(Endpoint::health));
  EXPECT_FALSE(is_open(Endpoint::models));
  EXPECT_FALSE(is_open(Endpoint::unknown));
}

TEST(Route, QueryValues) {
  EXPECT_EQ(query_value("beta=true&limit=5", "limit"), "5");
  EXPECT_EQ(query_value("after_id=a%20b&x", "after_id"), "a b");
  EXPECT_EQ(query_value("x&y=", "x"), "");
  EXPECT_EQ(query_value("", "x"), "");
}

TEST(Route, TheTokenMayStandInFrontOfTheSession) {
  const Route route = route_of("/t/a%2Fb-9/s/abc/v1/messages");
  EXPECT_EQ(route.endpoint, Endpoint::messages);
  EXPECT_EQ(route.token, "a/b-9");
  EXPECT_EQ(route.session, "abc");
  EXPECT_EQ(route.path, "/v1/messages");
  EXPECT_EQ(route_of("/t/abc/v1/files/x%20y/").path, "/v1/files/x%20y/");
  EXPECT_EQ(route_of("/t/abc/v1/files").endpoint, Endpoint::unknown);
  EXPECT_EQ(route_of("/t//v1/messages").endpoint, Endpoint::unknown);
  EXPECT_EQ(route_of("/s/abc/t/abc/v1/messages").endpoint, Endpoint::unknown);
  EXPECT_EQ(route_of("/t/abc").endpoint, Endpoint::root);
}

TEST(Route, TheLogNeverShowsATokenInThePath) {
  EXPECT_EQ(loggable_path("/t/s3cret/s/abc/v1/messages"), "/t/…/s/abc/v1/messages");
  EXPECT_EQ(loggable_path("/t/s3cret"), "/t/…");
  EXPECT_EQ(loggable_path("/t/s3cret?x"), "/t/…");
  EXPECT_EQ(loggable_path("/v1/messages"), "/v1/messages");
  EXPECT_EQ(loggable_path("/" + std::string(999, 'x')).size(), 200U);
}

} // namespace
} // namespace anyclaude::gateway
