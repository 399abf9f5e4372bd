#include "anthropic/sse_reader.h"
#include "gateway/fake_backend.h"
#include "gateway/gateway.h"
#include "gateway/raw_client.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include <atomic>
#include <mutex>
#include <set>

namespace anyclaude::gateway {
namespace {

using namespace std::chrono_literals;
using namespace anthropic;
using Clock = std::chrono::steady_clock;

constexpr const char* kStreamed =
    R"({"model":"claude-x","max_tokens":9,"stream":true,"messages":[{"role":"user","content":"hi"}]})";
constexpr const char* kPlain =
    R"({"model":"claude-x","max_tokens":9,"messages":[{"role":"user","content":"hi"}]})";

const Usage kUsage{.input_tokens = 1,
                   .cache_read_input_tokens = 90,
                   .cache_creation_input_tokens = 9,
                   .output_tokens = 0};
const Finished kFinished{StopReason::end_turn, "", {1, 90, 9, 4}};

class GatewayTest : public testing::Test {
 protected:
  void SetUp() override { start({}); }

  void start(GatewayOptions options) {
    gateway_.reset();
    options.tokens = {{"t0ken", "ann"}, {"other", "ben"}};
    options.token_hint = "It is in the file token.";
    options.http.limits.linger_time = 1s;
    auto started = Gateway::start(std::move(options), backend_, stats_);
    ASSERT_TRUE(started) << started.error();
    gateway_ = std::move(*started);
  }

  RawClient connect() const { return RawClient(gateway_->port()); }

  static std::string head(const std::string& line, const std::string& token = "t0ken") {
    return line + " HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer " + token + "\r\n";
  }
  static std::string post(const std::string& path, const std::string& body,
                          const std::string& token = "t0ken") {
    return head("POST " + path, token) + "Content-Length: " + std::to_string(body.size()) +
           "\r\n\r\n" + body;
  }
  RawClient::Response ask(const std::string& bytes) const {
    RawClient client = connect();
    client.send(bytes);
    return client.receive(bytes.starts_with("HEAD"));
  }
  /// An error in Anthropic's shape, with the same id in the header and the body.
  static Json error_of(const RawClient::Response& response) {
    const Json body = Json::parse(response.body);
    EXPECT_EQ(body["type"], "error");
    EXPECT_EQ(body["request_id"], response.headers.at("request-id"));
    EXPECT_THAT(response.headers.at("request-id"), testing::MatchesRegex("req_[0-9A-Za-z]{24}"));
    return body["error"];
  }
  static std::vector<std::string> names(const std::vector<SseEvent>& events) {
    std::vector<std::string> out;
    for (const SseEvent& event : events) {
      out.push_back(event.event);
    }
    return out;
  }

  FakeBackend backend_;
  telemetry::Stats stats_;
  std::unique_ptr<Gateway> gateway_; // before the backend in destruction
};

TEST_F(GatewayTest, HeadersAndAPingComeBeforeTheModelSpeaks) {
  RawClient client = connect();
  client.send(post("/v1/messages?beta=true", kStreamed));
  const std::string begin = client.receive_until("\"ping\"}\n\n");
  EXPECT_TRUE(begin.starts_with("HTTP/1.1 200 OK\r\n"));
  EXPECT_NE(begin.find("content-type: text/event-stream"), std::string::npos);
  EXPECT_NE(begin.find("request-id: req_"), std::string::npos);
  EXPECT_EQ(backend_.running(), 1U);
}

TEST_F(GatewayTest, AWholeStream) {
  RawClient client = connect();
  client.send(post("/v1/messages", kStreamed));
  ASSERT_TRUE(backend_.wait_started(0));
  EXPECT_EQ(backend_.request(0).messages.size(), 1U);
  EXPECT_EQ(backend_.caller(0).tenant, "ann");
  backend_.say(0, {Started{kUsage}, TextDelta{"Hello"}, kFinished});
  const auto response = client.receive();
  EXPECT_TRUE(response.complete);
  const auto events = SseReader().push(response.body);
  EXPECT_EQ(names(events), (std::vector<std::string>{"ping", "message_start", "content_block_start",
                                                     "content_block_delta", "content_block_stop",
                                                     "message_delta", "message_stop"}));
  const Json message = Json::parse(events.at(1).data)["message"];
  EXPECT_EQ(message["model"], "claude-x");
  EXPECT_EQ(message["usage"]["cache_read_input_tokens"], 90);
  EXPECT_TRUE(message["id"].get<std::string>().starts_with("msg_"));
  EXPECT_TRUE(backend_.wait_gone(0));
  client.send(post("/v1/messages", kStreamed)); // the connection goes on
  EXPECT_TRUE(backend_.wait_started(1));
}

TEST_F(GatewayTest, OneMessageWithoutAStream) {
  RawClient client = connect();
  client.send(post("/v1/messages", kPlain));
  ASSERT_TRUE(backend_.wait_started(0));
  backend_.say(0, {Started{kUsage}, TextDelta{"Hel"}, TextDelta{"lo"}, kFinished});
  const auto response = client.receive();
  EXPECT_EQ(response.status, 200);
  EXPECT_EQ(response.headers.at("content-type"), "application/json");
  const Json message = Json::parse(response.body);
  EXPECT_EQ(message["content"][0]["text"], "Hello");
  EXPECT_EQ(message["model"], "claude-x");
  EXPECT_EQ(message["usage"]["output_tokens"], 4);
  EXPECT_TRUE(backend_.wait_gone(0));
}

TEST_F(GatewayTest, PingsGoOnThroughASlowPrefill) {
  start({.ping_period = 10ms});
  RawClient client = connect();
  client.send(post("/v1/messages", kStreamed));
  std::string seen;
  for (int i = 0; i < 5; ++i) {
    seen = client.receive_until("\"ping\"}\n\n");
    ASSERT_TRUE(seen.ends_with("\"ping\"}\n\n"));
  }
  backend_.say(0, {Started{kUsage}});
  client.receive_until("message_start");
  EXPECT_NE(client.receive_until("event: ping"), ""); // and beyond it
  backend_.say(0, {kFinished});
  EXPECT_TRUE(client.receive_until("0\r\n\r\n").ends_with("\"message_stop\"}\n\n\r\n0\r\n\r\n"));
  EXPECT_TRUE(backend_.wait_gone(0));
}

TEST_F(GatewayTest, ABackendThatSpeaksBeforeStartReturnsLosesNothing) {
  backend_.on_start = [](const Request&, const backend::EventSink& sink) {
    sink(Started{kUsage});
    sink(TextDelta{"quick"});
    sink(kFinished);
    return std::expected<void, Error>();
  };
  const auto events = SseReader().push(ask(post("/v1/messages", kStreamed)).body);
  EXPECT_EQ(names(events).front(), "ping");
  EXPECT_EQ(names(events).back(), "message_stop");
  EXPECT_EQ(events.size(), 7U);
  EXPECT_TRUE(backend_.wait_gone(0));
  EXPECT_EQ(Json::parse(ask(post("/v1/messages", kPlain)).body)["content"][0]["text"], "quick");
}

TEST_F(GatewayTest, ARefusalKeepsItsStatusAlsoForAStream) {
  struct Case {
    ErrorKind kind;
    int status;
    bool retry;
  };
  for (const Case& one :
       {Case{ErrorKind::invalid_request, 400, false}, Case{ErrorKind::rate_limit, 429, true},
        Case{ErrorKind::api, 500, false}, Case{ErrorKind::overloaded, 529, true}}) {
    backend_.on_start = [&](const Request&, const backend::EventSink&) {
      return std::expected<void, Error>(std::unexpect, one.kind, "because");
    };
    for (const char* body : {kStreamed, kPlain}) {
      const auto response = ask(post("/v1/messages", body));
      EXPECT_EQ(response.status, one.status);
      EXPECT_EQ(response.headers.contains("retry-after"), one.retry);
      EXPECT_EQ(error_of(response)["message"], "because");
    }
  }
  EXPECT_EQ(stats_.total().errors, 8);
}

TEST_F(GatewayTest, AFailureAfterTheHeadersIsAnErrorEvent) {
  RawClient client = connect();
  client.send(post("/v1/messages", kStreamed));
  client.receive_until("\"ping\"}\n\n");
  backend_.say(0, {Failed{{ErrorKind::overloaded, "no memory left"}}});
  const std::string rest = client.receive_until("0\r\n\r\n");
  EXPECT_NE(rest.find("event: error\ndata: {\"type\":\"error\",\"error\":{\"type\":"
                      "\"overloaded_error\",\"message\":\"no memory left\"}"),
            std::string::npos);
  EXPECT_TRUE(backend_.wait_gone(0));
  EXPECT_EQ(stats_.records().back().status, 529);
}

TEST_F(GatewayTest, AFailureWithoutAStreamIsAStatus) {
  RawClient client = connect();
  client.send(post("/v1/messages", kPlain));
  ASSERT_TRUE(backend_.wait_started(0));
  backend_.say(0, {Started{kUsage}, TextDelta{"part"}, Failed{{ErrorKind::api, "broke"}}});
  const auto response = client.receive();
  EXPECT_EQ(response.status, 500);
  EXPECT_EQ(error_of(response)["type"], "api_error");
}

TEST_F(GatewayTest, AFailureBeforeStartReturnedIsAStatusAlsoForAStream) {
  backend_.on_start = [](const Request&, const backend::EventSink& sink) {
    sink(PrefillProgress{0, 10});
    sink(Failed{{ErrorKind::api, "at once"}});
    return std::expected<void, Error>();
  };
  EXPECT_EQ(ask(post("/v1/messages", kStreamed)).status, 500);
  EXPECT_TRUE(backend_.wait_gone(0));
}

TEST_F(GatewayTest, ABackendThatLetsGoUnfinishedBecomesAnError) {
  RawClient streaming = connect();
  streaming.send(post("/v1/messages", kStreamed));
  streaming.receive_until("\"ping\"}\n\n");
  backend_.say(0, {Started{kUsage}, TextDelta{"part"}});
  backend_.forget(0);
  const std::string rest = streaming.receive_until("0\r\n\r\n");
  EXPECT_NE(rest.find("event: error"), std::string::npos);
  EXPECT_TRUE(backend_.wait_gone(0));

  RawClient plain = connect();
  plain.send(post("/v1/messages", kPlain));
  ASSERT_TRUE(backend_.wait_started(1));
  backend_.forget(1);
  EXPECT_EQ(plain.receive().status, 500);
  EXPECT_TRUE(backend_.wait_gone(1));
}

class VanishingClient : public GatewayTest,
                        public testing::WithParamInterface<std::tuple<bool, bool, bool>> {};

TEST_P(VanishingClient, CancelsTheWorkWithinMilliseconds) {
  const auto [stream, started, reset] = GetParam();
  RawClient client = connect();
  client.send(post("/v1/messages", stream ? kStreamed : kPlain));
  ASSERT_TRUE(backend_.wait_started(0));
  if (stream) {
    client.receive_until("\"ping\"}\n\n");
  }
  if (started) {
    backend_.say(0, {Started{kUsage}, TextDelta{"part"}});
  }
  const auto left = Clock::now();
  reset ? client.reset() : client.close();
  ASSERT_TRUE(backend_.wait_gone(0));
  EXPECT_LT(Clock::now() - left, 500ms);
  EXPECT_TRUE(eventually([&] { return gateway_->open_connections() == 0; }));
  ASSERT_TRUE(eventually([&] { return stats_.total().requests == 1; }));
  EXPECT_EQ(stats_.records().back().status, 499);
  EXPECT_EQ(stats_.total().errors, 0);
}

INSTANTIATE_TEST_SUITE_P(Gateway, VanishingClient,
                         testing::Combine(testing::Bool(), testing::Bool(), testing::Bool()));

TEST_F(GatewayTest, AClientThatVanishesWhileTheBackendStartsIsCancelledToo) {
  std::mutex starting;
  starting.lock();
  std::atomic<bool> entered = false;
  backend_.on_start = [&](const Request&, const backend::EventSink&) {
    entered = true;
    const std::scoped_lock wait(starting);
    return std::expected<void, Error>();
  };
  RawClient client = connect();
  client.send(post("/v1/messages", kStreamed));
  ASSERT_TRUE(eventually([&] { return entered.load(); }));
  client.reset();
  EXPECT_TRUE(eventually([&] { return gateway_->open_connections() == 0; }));
  starting.unlock();
  EXPECT_TRUE(backend_.wait_gone(0));
}

TEST_F(GatewayTest, TwoClientsAtOnceWithTheirOwnTenants) {
  RawClient ann = connect();
  RawClient ben = connect();
  ann.send(post("/v1/messages", kStreamed));
  ASSERT_TRUE(backend_.wait_started(0));
  ben.send(post("/v1/messages", kStreamed, "other"));
  ASSERT_TRUE(backend_.wait_started(1));
  EXPECT_EQ(backend_.caller(0).tenant, "ann");
  EXPECT_EQ(backend_.caller(1).tenant, "ben");
  backend_.say(1, {Started{kUsage}, TextDelta{"for ben"}});
  backend_.say(0, {Started{kUsage}, TextDelta{"for ann"}, kFinished});
  backend_.say(1, {kFinished});
  EXPECT_NE(ann.receive().body.find("for ann"), std::string::npos);
  EXPECT_NE(ben.receive().body.find("for ben"), std::string::npos);
}

TEST_F(GatewayTest, AStreamWaitsForAVerdictThatMayBecomeItsStatus) {
  backend_.verdict = std::chrono::hours(1);
  RawClient refused = connect();
  refused.send(post("/v1/messages", kStreamed));
  ASSERT_TRUE(backend_.wait_started(0));
  backend_.say(0, {PrefillProgress{1, 2}, Failed{{ErrorKind::overloaded, "nobody there"}}});
  EXPECT_EQ(refused.receive().status, 529);
  RawClient answered = connect();
  answered.send(post("/v1/messages", kStreamed));
  ASSERT_TRUE(backend_.wait_started(1));
  backend_.say(1, {Started{kUsage}, TextDelta{"hi"}, kFinished});
  EXPECT_EQ(answered.receive().status, 200);
  backend_.verdict = std::chrono::milliseconds(1); // over before a word is said
  RawClient late = connect();
  late.send(post("/v1/messages", kStreamed));
  ASSERT_TRUE(backend_.wait_started(2));
  late.receive_until("event: ping");
  backend_.say(2, {Failed{{ErrorKind::overloaded, "nobody there"}}});
  late.receive_until("event: error");
}

TEST_F(GatewayTest, TheBackendLearnsWhichConversationAndSubagentAsks) {
  const auto ask = [&](const std::string& path, const std::string& headers) {
    const std::string body =
        R"({"model":"m","max_tokens":9,"stream":true,"messages":[{"role":"user","content":"hi"}]})";
    RawClient other = connect();
    other.send(head("POST " + path) + headers + "Content-Length: " + std::to_string(body.size()) +
               "\r\n\r\n" + body);
    return other;
  };
  const RawClient one = ask("/s/tab-1/v1/messages", "");
  ASSERT_TRUE(backend_.wait_started(0));
  EXPECT_EQ(backend_.caller(0).session, "tab-1");
  EXPECT_EQ(backend_.caller(0).agent, "");
  const RawClient two = ask("/s/tab-1/v1/messages", "X-Claude-Code-Session-Id: 3d0cf404\r\n"
                                                    "X-Claude-Code-Agent-Id: a17\r\n");
  ASSERT_TRUE(backend_.wait_started(1));
  EXPECT_EQ(backend_.caller(1).session, "3d0cf404");
  EXPECT_EQ(backend_.caller(1).agent, "a17");
}

/// What is said of a request in its headers, and whether a person waits for the answer.
struct Urgency {
  std::string headers;
  bool tools = false;
  bool background = false;
};

class RequestUrgency : public GatewayTest, public testing::WithParamInterface<Urgency> {};

TEST_P(RequestUrgency, IsToldFromTheHeadersAndTheTools) {
  const std::string tools = R"("tools":[{"name":"Read","input_schema":{"type":"object"}}],)";
  const std::string body = R"({"model":"claude-x","max_tokens":9,"stream":true,)" +
                           (GetParam().tools ? tools : "") +
                           R"("messages":[{"role":"user","content":"hi"}]})";
  RawClient client = connect();
  client.send(head("POST /v1/messages") + GetParam().headers +
              "Content-Length: " + std::to_string(body.size()) + "\r\n\r\n" + body);
  ASSERT_TRUE(backend_.wait_started(0));
  EXPECT_EQ(backend_.caller(0).background, GetParam().background);
}

const std::string kSession = "X-Claude-Code-Session-Id: 3d0cf404\r\n";

INSTANTIATE_TEST_SUITE_P(
    Gateway, RequestUrgency,
    testing::Values(Urgency{"", false, false}, Urgency{"", true, false},
                    Urgency{kSession, true, false},
                    Urgency{kSession, false, true}, // a title, a summary
                    Urgency{kSession + "x-claude-code-agent-id: a17\r\n", true, true},
                    Urgency{kSession + "x-claude-code-request-class: main\r\n", false, false},
                    Urgency{kSession + "x-claude-code-request-class: compaction\r\n", false, false},
                    Urgency{kSession + "x-claude-code-request-class: subagent\r\n", true, true},
                    Urgency{kSession + "x-claude-code-request-class: workflow\r\n", true, true},
                    Urgency{kSession + "x-claude-code-request-class: auxiliary\r\n", false, true},
                    Urgency{kSession + "x-claude-code-request-class: something new\r\n", true,
                            false}));

TEST_F(GatewayTest, AWrongTokenIs401BeforeTheBodyIsRead) {
  const auto missing = ask("POST /v1/messages HTTP/1.1\r\nHost: localhost\r\n"
                           "Content-Length: 30000000\r\nExpect: 100-continue\r\n\r\n");
  EXPECT_EQ(missing.status, 401);
  EXPECT_EQ(missing.headers.at("www-authenticate"), "Bearer");
  const Json error = error_of(missing);
  EXPECT_EQ(error["type"], "authentication_error");
  EXPECT_TRUE(error["message"].get<std::string>().ends_with("It is in the file token."));
  EXPECT_EQ(ask(post("/v1/messages", kPlain, "wrong")).status, 401);
  EXPECT_EQ(ask(head("GET /v1/models", "wrong") + "\r\n").status, 401);
  EXPECT_EQ(ask(head("GET /nothing", "wrong") + "\r\n").status, 401);
  EXPECT_EQ(ask("GET /v1/models HTTP/1.1\r\nx-api-key: t0ken\r\n\r\n").status, 200);
}

TEST_F(GatewayTest, ForeignHostsAndWebPagesAre403) {
  const auto host = ask("GET /health HTTP/1.1\r\nHost: evil.example\r\n\r\n");
  EXPECT_EQ(host.status, 403);
  EXPECT_EQ(error_of(host)["type"], "permission_error");
  EXPECT_EQ(ask(head("GET /v1/models") + "Origin: https://evil.example\r\n\r\n").status, 403);
  EXPECT_EQ(ask("OPTIONS /v1/messages HTTP/1.1\r\nHost: localhost\r\nOrigin: null\r\n\r\n").status,
            403);
}

TEST_F(GatewayTest, MalformedRequestsNameThePath) {
  const auto json = ask(post("/v1/messages", "{\"model\":"));
  EXPECT_EQ(json.status, 400);
  EXPECT_NE(error_of(json)["message"].get<std::string>().find("line 1, column 10"),
            std::string::npos);
  const auto path = ask(post(
      "/v1/messages",
      R"({"model":"m","max_tokens":1,"messages":[{"role":"user","content":[{"type":"text"}]}]})"));
  EXPECT_EQ(path.status, 400);
  EXPECT_EQ(error_of(path)["message"], "messages.0.content.0.text: Field required");
  EXPECT_EQ(ask(post("/v1/messages/count_tokens", "[]")).status, 400);
}

TEST_F(GatewayTest, WithoutMemoryARequestIsRefusedBeforeItsBodyIsRead) {
  std::atomic<std::uint64_t> left = 0;
  start({.memory_left = [&left] { return left.load(); }});
  const auto refused = ask(head("POST /v1/messages") + "Content-Length: 10000000\r\n\r\n");
  EXPECT_EQ(refused.status, 529);
  EXPECT_EQ(refused.headers.at("retry-after"), "5");
  const Json error = error_of(refused);
  EXPECT_EQ(error["type"], "overloaded_error");
  EXPECT_THAT(error["message"].get<std::string>(),
              testing::HasSubstr("has 0 MiB of memory left, and this request may take 168 MiB"));
  EXPECT_EQ(ask(post("/v1/messages/count_tokens", kPlain)).status, 529);
  EXPECT_EQ(ask(head("GET /health") + "\r\n").status, 200);

  left = 17 << 20; // for a small one
  EXPECT_EQ(ask(post("/v1/messages/count_tokens", kPlain)).status, 200);
  EXPECT_EQ(ask(head("POST /v1/messages") + "Content-Length: 10000000\r\n\r\n").status, 529);
  EXPECT_EQ(backend_.running(), 0U);
}

TEST_F(GatewayTest, WhatARequestMayTakeIsSetAsideUntilItWasRead) {
  start({.memory_left = [] { return 200U << 20; }});
  const std::string large =
      head("POST /v1/messages") + "Content-Length: 10000000\r\n" + "Expect: 100-continue\r\n\r\n";
  const auto is_let_in = [&](RawClient& client) {
    client.send(large);
    return client.receive_until("\r\n\r\n").starts_with("HTTP/1.1 100 ");
  };
  RawClient first = connect();
  EXPECT_TRUE(is_let_in(first)); // may take 168 MiB, all but 16 of them while it is read
  RawClient second = connect();
  second.send(large);
  EXPECT_EQ(second.receive().status, 529);
  EXPECT_EQ(ask(post("/v1/messages/count_tokens", kPlain)).status, 200);

  first.reset();
  EXPECT_TRUE(eventually([&] {
    RawClient third = connect();
    return is_let_in(third);
  })) << "what was set aside for a client that has gone is there again";
}

TEST_F(GatewayTest, ABodyOf100MegabytesIs413AndTheNextRequestIsServed) {
  RawClient client = connect();
  client.send(head("POST /v1/messages") + "Content-Length: 104857600\r\n\r\n");
  const std::string piece(1 << 20, 'x');
  for (int i = 0; i < 100 && client.send(piece); ++i) {
  }
  const auto response = client.receive();
  EXPECT_EQ(response.status, 413);
  EXPECT_EQ(error_of(response)["type"], "request_too_large");
  EXPECT_EQ(ask(head("GET /v1/models") + "\r\n").status, 200);
}

TEST_F(GatewayTest, ABodyCutInHalfNeverReachesTheBackend) {
  RawClient client = connect();
  const std::string whole = post("/v1/messages", kPlain);
  client.send(whole.substr(0, whole.size() - 20));
  client.close();
  EXPECT_EQ(ask(head("GET /v1/models") + "\r\n").status, 200);
  EXPECT_EQ(backend_.running(), 0U);
}

TEST_F(GatewayTest, MalformedHttpIsAnsweredInTheApisShapeToo) {
  const auto response = ask("nonsense\r\n\r\n");
  EXPECT_EQ(response.status, 400);
  EXPECT_EQ(error_of(response)["type"], "invalid_request_error");
}

TEST_F(GatewayTest, CountsTokens) {
  const std::string body = R"({"model":"m","messages":[{"role":"user","content":"hi"}]})";
  const auto response = ask(post("/v1/messages/count_tokens?beta=true", body));
  EXPECT_EQ(response.status, 200);
  EXPECT_EQ(response.body, R"({"input_tokens":100})");
  const std::string refused = R"({"model":"refuse","messages":[{"role":"user","content":"hi"}]})";
  EXPECT_EQ(ask(post("/v1/messages/count_tokens", refused)).status, 529);
  EXPECT_EQ(stats_.total().requests, 0);
}

TEST_F(GatewayTest, ListsModels) {
  const auto all = Json::parse(ask(head("GET /v1/models?limit=1000") + "\r\n").body);
  EXPECT_EQ(all.dump(), R"({"data":[{"type":"model","id":"qwen-tiny","display_name":"Qwen tiny",)"
                        R"("created_at":"2023-11-14T22:13:20Z","max_input_tokens":32768},)"
                        R"({"type":"model","id":"other","display_name":"Other",)"
                        R"("created_at":"1970-01-01T00:00:00Z"}],)"
                        R"("has_more":false,"first_id":"qwen-tiny","last_id":"other"})");
  const auto first = Json::parse(ask(head("GET /v1/models?limit=1") + "\r\n").body);
  EXPECT_EQ(first["data"].size(), 1U);
  EXPECT_EQ(first["has_more"], true);
  const auto next = Json::parse(ask(head("GET /v1/models?after_id=qwen-tiny") + "\r\n").body);
  EXPECT_EQ(next["first_id"], "other");
  const auto none = Json::parse(ask(head("GET /v1/models?after_id=other") + "\r\n").body);
  EXPECT_EQ(none["first_id"], nullptr);
  EXPECT_EQ(none["data"], Json::array());
}

TEST_F(GatewayTest, OneModel) {
  EXPECT_EQ(Json::parse(ask(head("GET /v1/models/qwen-tiny") + "\r\n").body)["id"], "qwen-tiny");
  const auto missing = ask(head("GET /v1/models/claude-x") + "\r\n");
  EXPECT_EQ(missing.status, 404);
  EXPECT_EQ(error_of(missing)["type"], "not_found_error");
}

TEST_F(GatewayTest, HealthAndRootNeedNoToken) {
  EXPECT_EQ(ask("GET /health HTTP/1.1\r\n\r\n").body, R"({"status":"ok"})");
  EXPECT_EQ(ask("HEAD / HTTP/1.1\r\n\r\n").status, 200);
  EXPECT_EQ(ask("GET /s/abc HTTP/1.1\r\n\r\n").status, 200);
  backend_.set_health({false, "loading, 40 %"});
  const auto waiting = ask("GET /health HTTP/1.1\r\n\r\n");
  EXPECT_EQ(waiting.status, 503);
  EXPECT_EQ(waiting.body, R"({"status":"not ready","detail":"loading, 40 %"})");
}

TEST_F(GatewayTest, UnknownPathsMethodsAndOptions) {
  const auto path = ask(head("GET /v2/messages") + "\r\n");
  EXPECT_EQ(path.status, 404);
  EXPECT_EQ(error_of(path)["type"], "not_found_error");
  const auto method = ask(head("GET /v1/messages") + "\r\n");
  EXPECT_EQ(method.status, 405);
  EXPECT_EQ(method.headers.at("allow"), "POST, OPTIONS");
  EXPECT_EQ(error_of(method)["type"], "invalid_request_error");
  const auto options = ask("OPTIONS /v1/messages HTTP/1.1\r\n\r\n");
  EXPECT_EQ(options.status, 204);
  EXPECT_EQ(options.headers.at("allow"), "POST, OPTIONS");
  EXPECT_FALSE(options.headers.contains("access-control-allow-origin"));
  EXPECT_TRUE(options.headers.contains("request-id"));
}

TEST_F(GatewayTest, EveryAnswerHasAnIdOfItsOwn) {
  std::set<std::string> ids;
  for (const std::string& bytes :
       {head("GET /v1/models") + "\r\n", head("GET /v1/models/x") + "\r\n", head("GET /x") + "\r\n",
        std::string("bad\r\n\r\n"), std::string("GET /health HTTP/1.1\r\n\r\n"),
        post("/v1/messages/count_tokens", "{}")}) {
    ids.insert(ask(bytes).headers["request-id"]);
  }
  EXPECT_EQ(ids.size(), 6U);
  EXPECT_FALSE(ids.contains(""));
}

TEST_F(GatewayTest, NumbersGoToTheLaunchersSession) {
  RawClient client = connect();
  client.send(post("/s/term1/v1/messages", kStreamed));
  ASSERT_TRUE(backend_.wait_started(0));
  backend_.say(0, {Started{kUsage}, TextDelta{"a"}, kFinished});
  client.receive();
  EXPECT_TRUE(eventually([&] { return stats_.total().requests == 1; }));
  const auto totals = stats_.session("term1");
  EXPECT_EQ(totals.prompt_tokens, 100);
  EXPECT_EQ(totals.reused_tokens, 90);
  EXPECT_EQ(totals.computed_tokens, 10);
  EXPECT_EQ(totals.output_tokens, 4);
  const auto record = stats_.records("term1").at(0);
  EXPECT_EQ(record.model, "qwen-tiny");
  EXPECT_EQ(record.status, 200);
  ASSERT_TRUE(record.ttft_ms);
  EXPECT_GT(*record.ttft_ms, 0);
  EXPECT_LE(*record.ttft_ms, record.total_ms);
  EXPECT_GT(record.started_at, 1'700'000'000'000);
}

TEST_F(GatewayTest, StopsWhileAnswersAreBeingMade) {
  std::vector<RawClient> clients;
  for (std::size_t i = 0; i < 10; ++i) {
    clients.push_back(connect());
    clients.back().send(post("/v1/messages", i % 2 == 0 ? kStreamed : kPlain));
    ASSERT_TRUE(backend_.wait_started(i));
  }
  backend_.say(0, {Started{kUsage}, TextDelta{"part"}});
  gateway_.reset();
  EXPECT_EQ(backend_.running(), 0U);
  EXPECT_EQ(stats_.total().requests, 10);
}

} // namespace
} // namespace anyclaude::gateway
