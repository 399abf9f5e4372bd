#include "gateway/fake_backend.h"
#include "gateway/gateway.h"
#include "gateway/pass_through.h"
#include "gateway/raw_client.h"
#include "gateway/served_http.h"
#include "gateway/usage_reader.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

namespace anyclaude::gateway {
namespace {

std::string with_model(std::string body, std::string_view model = "other") {
  replace_model(body, model);
  return body;
}

TEST(ReplaceModel, ChangesTheTopLevelModelAlone) {
  EXPECT_EQ(with_model(R"({"model":"a","x":1})"), R"({"model":"other","x":1})");
  EXPECT_EQ(with_model(R"({ "tools":[{"model":"in"}],"s":"\"model\":\"b\"", "model" : "a\"b" })"),
            R"({ "tools":[{"model":"in"}],"s":"\"model\":\"b\"", "model" : "other" })");
  EXPECT_EQ(with_model(R"({"kind":"model","model":"a"})"), R"({"kind":"model","model":"other"})");
  EXPECT_EQ(with_model(R"({"m":{"model":"a"}})"), R"({"m":{"model":"a"}})");
  EXPECT_EQ(with_model(R"({"list":["model","b"],"model":"a"})"),
            R"({"list":["model","b"],"model":"other"})");
  EXPECT_EQ(with_model(R"({"model":"a"})", "q\"uote"), R"({"model":"q\"uote"})");
  EXPECT_EQ(with_model(R"({"model":7})"), R"({"model":7})");
}

TEST(UsageReader, ReadsAStreamHoweverItIsCut) {
  const std::string stream =
      "event: message_start\ndata: "
      "{\"type\":\"message_start\",\"message\":{\"model\":\"m\",\"usage\":"
      "{\"input_tokens\":3,\"cache_read_input_tokens\":90,\"cache_creation_input_tokens\":7,"
      "\"output_tokens\":1}}}\n\nevent: content_block_delta\ndata: {}\n\n"
      "event: message_delta\ndata: {\"usage\":{\"output_tokens\":42}}\n\n";
  for (const std::size_t piece : {std::size_t{1}, std::size_t{7}, stream.size()}) {
    UsageReader reader({{"Content-Type", "text/event-stream; charset=utf-8"}});
    for (std::size_t at = 0; at < stream.size(); at += piece)
      reader.push(std::string_view(stream).substr(at, piece));
    reader.finish();
    EXPECT_EQ(reader.usage().input_tokens, 3);
    EXPECT_EQ(reader.usage().cache_read_input_tokens, 90);
    EXPECT_EQ(reader.usage().cache_creation_input_tokens, 7);
    EXPECT_EQ(reader.usage().output_tokens, 42);
    EXPECT_EQ(reader.model(), "m");
    EXPECT_TRUE(reader.content_has_begun());
  }
}

TEST(UsageReader, PassesOverWhatItCannotRead) {
  UsageReader compressed({{"content-type", "application/json"}, {"content-encoding", "gzip"}});
  compressed.push(R"({"usage":{"input_tokens":3}})");
  compressed.finish();
  EXPECT_EQ(compressed.usage().input_tokens, 0);
  UsageReader broken({{"content-type", "application/json"}});
  broken.push(R"({"usage":{"input_tokens":)");
  broken.finish();
  EXPECT_EQ(broken.usage().input_tokens, 0);
}

/// A gateway with a backend of its own, and another server that stands for the real Claude.
class MixedGatewayTest : public testing::Test {
 protected:
  struct Choosing : FakeBackend {
    std::optional<backend::PassedOn> passes_through(const anthropic::Request& request,
                                                    const backend::Caller&) const override {
      if (request.model == "opus" || (fails_over && running() == 0 && refused))
        return backend::PassedOn{request.model == "opus" ? "" : "sonnet"};
      return std::nullopt;
    }
    bool fails_over = false;
    std::atomic<bool> refused = false;
  };

  void SetUp() override {
    cloud_ = serve([this](HttpRequest request, const std::shared_ptr<Responder>& responder) {
      const std::scoped_lock lock(mutex_);
      asked_.push_back(std::move(request));
      responder->respond(200, {{"content-type", "application/json"}, {"x-from", "cloud"}},
                         R"({"usage":{"input_tokens":5}})");
    });
    GatewayOptions options;
    options.tokens = {{"t0ken", "ann"}};
    options.cloud = PassThroughOptions{
        .base_url = "http://127.0.0.1:" + std::to_string(cloud_->port()), .everything = false};
    auto started = Gateway::start(std::move(options), backend_, stats_);
    ASSERT_TRUE(started) << started.error();
    gateway_ = std::move(*started);
  }

  RawClient::Response post(const std::string& path, const std::string& body,
                           const std::string& headers = "") const {
    RawClient client(gateway_->port());
    client.send("POST " + path + " HTTP/1.1\r\nHost: 127.0.0.1\r\n" + headers +
                "Content-Length: " + std::to_string(body.size()) + "\r\n\r\n" + body);
    return client.receive();
  }
  static std::string asking(const std::string& model) {
    return R"({"model": ")" + model +
           R"(", "max_tokens":9,"messages":[{"role":"user","content":"hi"}]})";
  }

  std::mutex mutex_;
  std::vector<HttpRequest> asked_;
  std::unique_ptr<HttpServer> cloud_;
  Choosing backend_;
  telemetry::Stats stats_;
  std::unique_ptr<Gateway> gateway_;
};

TEST_F(MixedGatewayTest, ARouteToTheRealClaudePassesOnWithTheClientsOwnKey) {
  const auto reply =
      post("/t/t0ken/s/abc/v1/messages?beta=true", asking("opus"), "X-Api-Key: sk-own\r\n");
  EXPECT_EQ(reply.status, 200);
  EXPECT_EQ(reply.headers.at("x-from"), "cloud");
  ASSERT_EQ(asked_.size(), 1U);
  EXPECT_EQ(asked_[0].path, "/v1/messages");
  EXPECT_EQ(asked_[0].query, "beta=true");
  EXPECT_EQ(asked_[0].header("x-api-key"), "sk-own");
  EXPECT_EQ(asked_[0].body, asking("opus"));
  EXPECT_TRUE(eventually([&] { return stats_.session("abc").requests == 1; }));
  EXPECT_EQ(stats_.session("abc").computed_tokens, 5);
}

TEST_F(MixedGatewayTest, OurOwnTokenIsNeverPassedOn) {
  const auto reply = post("/v1/messages", asking("opus"), "Authorization: Bearer t0ken\r\n");
  EXPECT_EQ(reply.status, 401);
  EXPECT_NE(reply.body.find("/t/TOKEN"), std::string::npos);
  EXPECT_TRUE(asked_.empty());
}

TEST_F(MixedGatewayTest, WhatFailsHereMayBePassedOnWithAnotherModel) {
  backend_.fails_over = true;
  backend_.on_start = [&](const anthropic::Request&, const backend::EventSink&) {
    backend_.refused = true;
    return std::expected<void, anthropic::Error>(
        std::unexpected(anthropic::Error{anthropic::ErrorKind::overloaded, "down"}));
  };
  const auto reply = post("/t/t0ken/v1/messages", asking("qwen"), "X-Api-Key: sk-own\r\n");
  EXPECT_EQ(reply.status, 200);
  ASSERT_EQ(asked_.size(), 1U);
  EXPECT_EQ(asked_[0].body, asking("sonnet"));
  const auto limit = std::chrono::steady_clock::now() + std::chrono::seconds(10);
  while (stats_.total().requests == 0) // once the last byte is out
    ASSERT_LT(std::chrono::steady_clock::now(), limit);
  EXPECT_EQ(stats_.total().requests, 1) << "counted once";
}

TEST_F(MixedGatewayTest, OtherPathsStayHere) {
  EXPECT_EQ(post("/t/t0ken/v1/files", "{}").status, 404);
  EXPECT_EQ(post("/t/wrong/v1/messages", asking("opus")).status, 401);
  EXPECT_TRUE(asked_.empty());
}

} // namespace
} // namespace anyclaude::gateway
