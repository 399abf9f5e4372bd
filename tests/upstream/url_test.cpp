#include "upstream/proxy.h"
#include "upstream/url.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>

namespace anyclaude::upstream {
namespace {

using testing::HasSubstr;

TEST(Url, ReadsHostPortAndPath) {
  const auto url = parse_url("http://127.0.0.1:8080/v1/");
  ASSERT_TRUE(url);
  EXPECT_EQ(url->origin, (Origin{false, "127.0.0.1", 8080}));
  EXPECT_EQ(url->path, "/v1");
  EXPECT_EQ(parse_url("HTTPS://api.example.com")->origin, (Origin{true, "api.example.com", 443}));
  EXPECT_EQ(parse_url("http://[::1]:9/x?y#z")->origin, (Origin{false, "::1", 9}));
  EXPECT_EQ(parse_url("http://[::1]:9/x?y#z")->path, "/x?y");
}

TEST(Url, IsWrittenAsHttpHasIt) {
  EXPECT_EQ(to_string(Origin{true, "a.example", 443}), "https://a.example");
  EXPECT_EQ(to_string(Origin{false, "::1", 8080}), "http://[::1]:8080");
}

TEST(Url, SaysWhatIsWrong) {
  EXPECT_THAT(parse_url("127.0.0.1:8080").error(), HasSubstr("http://"));
  EXPECT_THAT(parse_url("http://:8080").error(), HasSubstr("no host"));
  EXPECT_THAT(parse_url("http://a:0").error(), HasSubstr("port"));
  EXPECT_THAT(parse_url("http://a:70000").error(), HasSubstr("port"));
  EXPECT_THAT(parse_url("http://a:b").error(), HasSubstr("port"));
  EXPECT_THAT(parse_url("http://me@a").error(), HasSubstr("user name"));
  EXPECT_THAT(parse_url("http://a/b c").error(), HasSubstr("blank"));
}

ProxyRules rules(const std::map<std::string, std::string>& environment) {
  return ProxyRules([&](const char* name) -> const char* {
    const auto found = environment.find(name);
    return found == environment.end() ? nullptr : found->second.c_str();
  });
}

TEST(Proxy, FollowsTheEnvironment) {
  const ProxyRules both = rules({{"HTTPS_PROXY", "http://proxy.example:3128"},
                                 {"ALL_PROXY", "other.example:80"},
                                 {"NO_PROXY", "internal.example, .local,10.0.0.1:8000"}});
  EXPECT_EQ(both.proxy_for({true, "api.example", 443})->origin.host, "proxy.example");
  EXPECT_EQ(both.proxy_for({false, "api.example", 80})->origin.host, "other.example");
  EXPECT_FALSE(both.proxy_for({true, "a.internal.example", 443}));
  EXPECT_TRUE(both.proxy_for({true, "notinternal.example", 443}));
  EXPECT_FALSE(both.proxy_for({false, "mac.local", 1234}));
  EXPECT_FALSE(both.proxy_for({false, "10.0.0.1", 8000}));
  EXPECT_TRUE(both.proxy_for({false, "10.0.0.1", 8001}));
  EXPECT_FALSE(both.proxy_for({false, "127.0.0.1", 8080}));
  EXPECT_FALSE(rules({{"ALL_PROXY", "a:1"}, {"NO_PROXY", "*"}}).proxy_for({false, "b", 80}));
}

} // namespace
} // namespace anyclaude::upstream
