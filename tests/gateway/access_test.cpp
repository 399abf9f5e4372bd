#include "gateway/access.h"

#include <gtest/gtest.h>

namespace anyclaude::gateway {
namespace {

using anthropic::ErrorKind;

HttpRequest with(Headers headers) {
  HttpRequest request;
  request.headers = std::move(headers);
  return request;
}

bool host_passes(const AccessOptions& options, const std::string& host) {
  return Access(options).check_source(with({{"Host", host}})).has_value();
}

const AccessOptions kTwoTokens = {.tokens = {{"secret-one", "ann"}, {"secret-two", ""}},
                                  .token_hint = "It is in the file token."};

std::string tenant(const Headers& headers) {
  const auto caller = Access(kTwoTokens).identify(with(headers));
  return caller ? caller->tenant : "refused";
}

TEST(Access, LoopbackNamesPassAndForeignOnesDoNot) {
  for (const char* good : {"localhost", "LocalHost:8080", "127.0.0.1:1", "127.1.2.3", "[::1]:80"}) {
    EXPECT_TRUE(host_passes({}, good)) << good;
  }
  for (const char* bad : {"evil.example", "evil.example:80", "localhost.evil.example",
                          "127.0.0.1.evil.example", "192.168.1.7", "[::2]", "[::1", "0.0.0.0"}) {
    EXPECT_FALSE(host_passes({}, bad)) << bad;
  }
  EXPECT_TRUE(Access({}).check_source(with({}))) << "HTTP/1.0 has no Host";
  EXPECT_EQ(Access({}).check_source(with({{"host", "x.y"}})).error().kind, ErrorKind::permission);
}

TEST(Access, TheBoundAddressAndTheAllowedNamesPass) {
  EXPECT_TRUE(host_passes({.bound_host = "192.168.1.7"}, "192.168.1.7:8000"));
  EXPECT_FALSE(host_passes({.bound_host = "192.168.1.7"}, "192.168.1.8"));
  EXPECT_TRUE(host_passes({.bound_host = "0.0.0.0"}, "192.168.1.8"));
  EXPECT_TRUE(host_passes({.bound_host = "::"}, "[fe80::1]:1"));
  EXPECT_FALSE(host_passes({.bound_host = "0.0.0.0"}, "evil.example"));
  EXPECT_TRUE(host_passes({.allowed_hosts = {"box.lan"}}, "BOX.lan:99"));
}

TEST(Access, WebPagesAreRefusedUnlessAllowed) {
  const Access access({.allowed_origins = {"https://app.example"}});
  EXPECT_TRUE(access.check_source(with({{"Origin", "https://app.example"}})));
  for (const char* origin : {"https://evil.example", "null", "http://app.example",
                             "https://app.example.evil", "http://localhost:3000"}) {
    EXPECT_FALSE(access.check_source(with({{"origin", origin}}))) << origin;
  }
}

TEST(Access, OurOwnPagesAreThoseOfExactlyOurAddress) {
  const Access access({});
  const auto is_let_in = [&access](const char* origin) {
    return access.check_source(with({{"host", "127.0.0.1:8123"}, {"origin", origin}})).has_value();
  };
  EXPECT_TRUE(is_let_in("http://127.0.0.1:8123"));
  for (const char* origin :
       {"http://evil.example", "http://127.0.0.1:8124", "http://127.0.0.1", "http://localhost:8123",
        "https://127.0.0.1:8123", "http://127.0.0.1:8123.evil.example", "http://"})
    EXPECT_FALSE(is_let_in(origin)) << origin;
}

TEST(Access, FindsTheTokenInEitherHeader) {
  EXPECT_EQ(tenant({{"Authorization", "Bearer secret-one"}}), "ann");
  EXPECT_EQ(tenant({{"authorization", "bearer  secret-one"}}), "ann");
  EXPECT_EQ(tenant({{"X-Api-Key", "secret-one"}}), "ann");
  EXPECT_EQ(tenant({{"authorization", "Bearer stale"}, {"x-api-key", "secret-one"}}), "ann");
  for (const Headers& bad : std::vector<Headers>{{},
                                                 {{"authorization", ""}},
                                                 {{"authorization", "Bearer "}},
                                                 {{"authorization", "secret-one"}},
                                                 {{"authorization", "Basic secret-one"}},
                                                 {{"authorization", "Bearer secret-on"}},
                                                 {{"authorization", "Bearer secret-one1"}},
                                                 {{"authorization", "Bearer secret-onesecret-one"}},
                                                 {{"x-api-key", "SECRET-ONE"}},
                                                 {{"x-api-key", ""}}}) {
    EXPECT_EQ(tenant(bad), "refused");
  }
}

TEST(Access, ATokenInThePathLeavesTheHeadersToAnotherServer) {
  const Access access(kTwoTokens);
  EXPECT_EQ(access.identify(with({{"x-api-key", "sk-somebody-elses"}}), "secret-one")->tenant,
            "ann");
  EXPECT_FALSE(access.identify(with({{"x-api-key", "secret-one"}}), "wrong"));
}

TEST(Access, ATokenWithoutANameIsATenantOfItsOwnThatSurvivesRestarts) {
  const std::string id = tenant({{"x-api-key", "secret-two"}});
  EXPECT_EQ(id.size(), 32U);
  EXPECT_EQ(id, tenant({{"x-api-key", "secret-two"}}));
  const Access other({.tokens = {{"secret-three", ""}}});
  EXPECT_NE(other.identify(with({{"x-api-key", "secret-three"}}))->tenant, id);
}

TEST(Access, SaysWhereTheTokenIsAndNeverRepeatsIt) {
  const auto missing = Access(kTwoTokens).identify(with({}));
  EXPECT_EQ(missing.error().kind, ErrorKind::authentication);
  EXPECT_TRUE(missing.error().message.ends_with("It is in the file token."));
  const auto wrong = Access(kTwoTokens).identify(with({{"x-api-key", "my-other-key"}}));
  EXPECT_EQ(wrong.error().message.find("my-other-key"), std::string::npos);
}

TEST(Access, WithoutTokensOrWithAnEmptyOneNobodyPasses) {
  EXPECT_FALSE(Access({}).identify(with({{"x-api-key", "a"}})));
  const Access empty({.tokens = {{"", "all"}}});
  EXPECT_FALSE(empty.identify(with({})));
  EXPECT_FALSE(empty.identify(with({{"x-api-key", ""}})));
}

} // namespace
} // namespace anyclaude::gateway
