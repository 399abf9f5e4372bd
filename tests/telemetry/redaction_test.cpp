#include "telemetry/redaction.h"

#include <gtest/gtest.h>

#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace anyclaude::telemetry {
namespace {

TEST(Redaction, HeadersThatHoldSecrets) {
  for (const char* name : {"Authorization", "x-api-key", "Cookie", "set-cookie",
                           "proxy-authorization", "X-Auth-Token", "x-goog-api-key"})
    EXPECT_TRUE(is_secret_name(name)) << name;
  for (const char* name : {"content-type", "anthropic-version", "user-agent", "beta", "x-app"})
    EXPECT_FALSE(is_secret_name(name)) << name;
}

// Not one of these is anybody's.
const std::vector<std::pair<std::string, std::string>> kCredentials = {
    {"my key is sk-ant-api03-AbCdEf_0123456789-xyz, keep it", "AbCdEf_0123456789"},
    {R"({"text":"line\nsk-proj-AbCdEfGh0123456789abcd"})", "AbCdEfGh0123456789"},
    {"git clone https://ghp_0123456789abcdefABCDEF0123@github.com", "0123456789abcdef"},
    {"aws: AKIAIOSFODNN7EXAMPLE0", "IOSFODNN7EXAMPLE"},
    {"Authorization: Bearer abcdefgh12345678", "abcdefgh12345678"},
    {"jwt eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0.c2lnbmF0dXJl end", "eyJzdWIiOiIxMjM0In0"},
    {"export ANTHROPIC_API_KEY=hunter2hunter2", "hunter2hunter2"},
    {R"("password": "correct horse battery")", "correct"},
    {R"({"content":"{\"client_secret\": \"s3cr3ts3cr3t\"}"})", "s3cr3ts3cr3t"},
    {"GITHUB_TOKEN='abcdefgh-1234'\n", "abcdefgh-1234"},
    {"-----BEGIN OPENSSH PRIVATE KEY-----\\nb3BlbnNzaC1rZXkt\\n-----END OPENSSH PRIVATE KEY-----",
     "b3BlbnNzaC1rZXkt"},
    {"-----BEGIN PRIVATE KEY-----\nMIIEvQIBADANBg", "MIIEvQIBADANBg"}, // cut off
};

TEST(Redaction, WhatLooksLikeACredentialGoes) {
  for (const auto& [text, secret] : kCredentials) {
    const std::string shown = without_credentials(text, {});
    EXPECT_FALSE(shown.contains(secret)) << shown;
    EXPECT_TRUE(shown.contains(kRedacted)) << shown;
  }
}

TEST(Redaction, WhatSurroundsItStays) {
  EXPECT_EQ(without_credentials("a sk-0123456789abcdefghij b ghp_0123456789abcdefghij c", {}),
            "a sk-[redacted] b ghp_[redacted] c");
  EXPECT_EQ(without_credentials(R"({"api_key": "0123456789", "model": "m"})", {}),
            R"({"api_key": "[redacted]", "model": "m"})");
}

TEST(Redaction, OrdinaryTextStaysAsItIs) {
  for (const std::string text :
       {"the task-force-of-twenty-five-people met", R"({"max_tokens":32000,"stream":true})",
        "int api_key; // see docs", "password: short", "use the sk- prefix",
        "const token = readToken();", R"("input_tokens":1234567890,"output_tokens":12)",
        "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----", ""})
    EXPECT_EQ(without_credentials(text, {}), text);
}

TEST(Redaction, KnownSecretsGoWhereverTheyStand) {
  EXPECT_EQ(without_credentials("xcorrect-horsex and correct-horse", {"correct-horse", ""}),
            "x[redacted]x and [redacted]");
  EXPECT_EQ(without_credentials("a short one", {"a"}), "a short one"); // it would be everywhere
}

TEST(Redaction, OverlappingOnesGoOnce) {
  EXPECT_EQ(without_credentials("API_KEY=sk-0123456789abcdefghij;", {"sk-0123456789abcdefghij"}),
            "API_KEY=[redacted];");
}

} // namespace
} // namespace anyclaude::telemetry
