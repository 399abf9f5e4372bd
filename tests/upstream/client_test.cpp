#include "upstream/client.h"
#include "upstream/scripted_server.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <condition_variable>
#include <future>
#include <memory>
#include <mutex>

namespace anyclaude::upstream {
namespace {

using namespace std::chrono_literals;
using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;

/// What came of one call.
struct Heard {
  std::mutex mutex;
  std::condition_variable changed;
  int status = 0;
  Headers headers;
  std::string body;
  std::vector<std::string> pieces;
  bool ended = false;
  std::optional<Failure> failure;

  void wait(const std::function<bool(Heard&)>& until) {
    std::unique_lock lock(mutex);
    ASSERT_TRUE(changed.wait_for(lock, 10s, [&] { return until(*this); }));
  }
  void wait_for_outcome() {
    wait([](Heard& it) { return it.ended || it.failure; });
  }
};

Handlers handlers(const std::shared_ptr<Heard>& heard) {
  const auto change = [heard](const auto& function) {
    const std::scoped_lock lock(heard->mutex);
    function(*heard);
    heard->changed.notify_all();
  };
  return {
      .on_head =
          [change](int status, const Headers& headers) {
            change([&](Heard& it) {
              it.status = status;
              it.headers = headers;
            });
          },
      .on_data =
          [change](std::string_view data) {
            change([&](Heard& it) {
              it.body += data;
              it.pieces.emplace_back(data);
            });
          },
      .on_end = [change] { change([](Heard& it) { it.ended = true; }); },
      .on_error =
          [change](const Failure& failure) { change([&](Heard& it) { it.failure = failure; }); }};
}

struct UpstreamClient : testing::Test {
  Client client;

  std::shared_ptr<Heard> run(Request request) {
    auto heard = std::make_shared<Heard>();
    const auto call = client.send(std::move(request), handlers(heard));
    heard->wait_for_outcome();
    return heard;
  }

  static Request post(const ScriptedServer& server, std::string body) {
    Request request;
    request.origin = server.origin();
    request.method = "POST";
    request.target = "/v1/chat/completions?beta=true";
    request.body = std::move(body);
    return request;
  }
};

TEST_F(UpstreamClient, SendsTheRequestAsItWasGiven) {
  std::string seen;
  ScriptedServer server([&](ScriptedPeer& peer, int) {
    seen = peer.read_request();
    peer.write("HTTP/1.1 201 Created\r\nX-One: 1\r\nx-two: 2\r\nContent-Length: 5\r\n\r\nhello");
  });
  Request request = post(server, "{}");
  request.headers = {{"X-B", "b"}, {"x-a", "a"}, {"Connection", "close"}};
  const auto heard = run(request);
  EXPECT_EQ(seen, "POST /v1/chat/completions?beta=true HTTP/1.1\r\nHost: 127.0.0.1:" +
                      std::to_string(server.origin().port) +
                      "\r\nX-B: b\r\nx-a: a\r\nAccept-Encoding: identity\r\n"
                      "Content-Length: 2\r\n\r\n{}");
  EXPECT_TRUE(heard->ended);
  EXPECT_EQ(heard->status, 201);
  EXPECT_EQ(heard->body, "hello");
  EXPECT_EQ(heard->headers, (Headers{{"X-One", "1"}, {"x-two", "2"}, {"Content-Length", "5"}}));
}

TEST_F(UpstreamClient, HandsChunksOnAsTheyCome) {
  std::atomic<bool> first_seen = false;
  ScriptedServer server([&](ScriptedPeer& peer, int) {
    peer.read_request();
    peer.write("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\none\r\n");
    while (!first_seen)
      std::this_thread::yield();
    peer.write("3;x=y\r\ntwo\r\n0\r\nTrailer: t\r\n\r\n");
  });
  auto heard = std::make_shared<Heard>();
  const auto call = client.send(post(server, "x"), handlers(heard));
  heard->wait([](Heard& it) { return it.body == "one"; });
  first_seen = true;
  heard->wait_for_outcome();
  EXPECT_TRUE(heard->ended);
  EXPECT_EQ(heard->pieces, (std::vector<std::string>{"one", "two"}));
}

TEST_F(UpstreamClient, TakesABodyThatEndsWithTheConnection) {
  ScriptedServer server([&](ScriptedPeer& peer, int) {
    peer.read_request();
    peer.write("HTTP/1.1 200 OK\r\n\r\nall of it");
  });
  const auto heard = run(post(server, "x"));
  EXPECT_TRUE(heard->ended);
  EXPECT_EQ(heard->body, "all of it");
}

TEST_F(UpstreamClient, PassesInterimAnswersOver) {
  ScriptedServer server([&](ScriptedPeer& peer, int) {
    peer.read_request();
    peer.write("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n"
               "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
  });
  const auto heard = run(post(server, "x"));
  EXPECT_EQ(heard->status, 200);
  EXPECT_EQ(heard->body, "ok");
}

TEST_F(UpstreamClient, UsesAConnectionAgain) {
  ScriptedServer server([&](ScriptedPeer& peer, int) {
    while (!peer.read_request().empty())
      peer.write("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
  });
  for (int i = 0; i < 5; ++i)
    EXPECT_EQ(run(post(server, "x"))->body, "ok");
  EXPECT_EQ(server.connections(), 1);
}

TEST_F(UpstreamClient, SendsAgainWhereAKeptConnectionWasClosed) {
  ScriptedServer server([&](ScriptedPeer& peer, int connection) {
    peer.read_request();
    peer.write("HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n" + std::to_string(connection));
    if (connection == 0) // closed after the next request has been sent, before any answer
      peer.read_request();
  });
  EXPECT_EQ(run(post(server, "x"))->body, "0");
  EXPECT_EQ(run(post(server, "x"))->body, "1");
  EXPECT_EQ(server.connections(), 2);
}

TEST_F(UpstreamClient, DoesNotSendAgainWhatAFreshConnectionSwallowed) {
  ScriptedServer server([&](ScriptedPeer& peer, int) { peer.read_request(); });
  const auto heard = run(post(server, "x"));
  ASSERT_TRUE(heard->failure);
  EXPECT_EQ(heard->failure->kind, FailureKind::closed);
  EXPECT_FALSE(heard->failure->received);
  EXPECT_EQ(server.connections(), 1);
}

TEST_F(UpstreamClient, SaysWhenNobodyListens) {
  Request request;
  {
    ScriptedServer server([](ScriptedPeer&, int) {});
    request.origin = server.origin();
  }
  const auto heard = run(request);
  ASSERT_TRUE(heard->failure);
  EXPECT_EQ(heard->failure->kind, FailureKind::unreachable);
  EXPECT_EQ(heard->failure->message, to_string(request.origin) + ": Connection refused");
}

TEST_F(UpstreamClient, SaysWhenANameIsUnknown) {
  Request request;
  request.origin = {false, "no-such-host.invalid", 80};
  const auto heard = run(request);
  ASSERT_TRUE(heard->failure);
  EXPECT_EQ(heard->failure->kind, FailureKind::unreachable);
}

TEST_F(UpstreamClient, SaysWhenAnAnswerIsCutShort) {
  ScriptedServer server([&](ScriptedPeer& peer, int) {
    peer.read_request();
    peer.write("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\none\r\n");
  });
  const auto heard = run(post(server, "x"));
  ASSERT_TRUE(heard->failure);
  EXPECT_EQ(heard->failure->kind, FailureKind::closed);
  EXPECT_TRUE(heard->failure->received);
  EXPECT_EQ(heard->body, "one");
}

TEST_F(UpstreamClient, SaysWhenItIsNotHttp) {
  ScriptedServer server([&](ScriptedPeer& peer, int) {
    peer.read_request();
    peer.write("SSH-2.0-OpenSSH_10.0\r\n");
  });
  const auto heard = run(post(server, "x"));
  ASSERT_TRUE(heard->failure);
  EXPECT_EQ(heard->failure->kind, FailureKind::malformed);
}

TEST_F(UpstreamClient, GivesUpOnASilentServer) {
  ScriptedServer server([&](ScriptedPeer& peer, int) {
    peer.read_request();
    peer.read_end();
  });
  Request request = post(server, "x");
  request.idle_time = 50ms;
  const auto heard = run(request);
  ASSERT_TRUE(heard->failure);
  EXPECT_EQ(heard->failure->kind, FailureKind::timed_out);
}

TEST_F(UpstreamClient, ReadsTheAnswerOfAServerThatRefusesWhileItIsStillSent) {
  ScriptedServer server([&](ScriptedPeer& peer, int) {
    peer.write("HTTP/1.1 413 Content Too Large\r\nContent-Length: 3\r\n\r\nbig");
  });
  const auto heard = run(post(server, "x"));
  EXPECT_EQ(heard->status, 413);
  EXPECT_EQ(heard->body, "big");
}

TEST_F(UpstreamClient, AnAbandonedRequestClosesItsConnection) {
  std::atomic<bool> noticed = false;
  ScriptedServer server([&](ScriptedPeer& peer, int) {
    peer.read_request();
    peer.write("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\none\r\n");
    peer.read_end();
    noticed = true;
  });
  auto heard = std::make_shared<Heard>();
  auto call = client.send(post(server, "x"), handlers(heard));
  heard->wait([](Heard& it) { return !it.body.empty(); });
  call.reset();
  while (!noticed)
    std::this_thread::yield();
  EXPECT_FALSE(heard->ended);
  EXPECT_FALSE(heard->failure);
  while (heard.use_count() > 1) // what the handlers hold is let go of
    std::this_thread::yield();
}

TEST_F(UpstreamClient, AHandlerMayEndItsOwnCall) {
  ScriptedServer server([&](ScriptedPeer& peer, int) {
    peer.read_request();
    peer.write("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
    peer.read_end();
  });
  std::unique_ptr<Call> call;
  std::mutex ready;
  std::atomic<int> heard = 0;
  Handlers all;
  all.on_head = [&](int, const Headers&) {
    const std::scoped_lock lock(ready);
    ++heard;
    call.reset();
  };
  all.on_data = [&](std::string_view) { ++heard; };
  all.on_end = [&] { ++heard; };
  {
    const std::scoped_lock lock(ready);
    call = client.send(post(server, "x"), std::move(all));
  }
  while (heard == 0)
    std::this_thread::yield();
  EXPECT_EQ(run(post(server, "x"))->body, "ok"); // the client goes on
  EXPECT_EQ(heard, 1);
}

TEST_F(UpstreamClient, ManyRequestsAtOnce) {
  constexpr int kRequests = 200; // on threads of the test's server; many more in a benchmark
  ScriptedServer server([&](ScriptedPeer& peer, int) {
    while (!peer.read_request().empty())
      peer.write("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n");
  });
  std::vector<std::shared_ptr<Heard>> all;
  std::vector<std::unique_ptr<Call>> calls;
  for (int i = 0; i < kRequests; ++i) {
    all.push_back(std::make_shared<Heard>());
    calls.push_back(client.send(post(server, std::string(10'000, 'x')), handlers(all.back())));
  }
  for (const auto& heard : all) {
    heard->wait_for_outcome();
    EXPECT_EQ(heard->body, "ok");
  }
}

TEST_F(UpstreamClient, EndsWithRequestsUnderWay) {
  ScriptedServer server([&](ScriptedPeer& peer, int) { peer.read_end(), peer.read_end(); });
  auto heard = std::make_shared<Heard>();
  std::unique_ptr<Call> call;
  {
    Client other;
    call = other.send(post(server, "x"), handlers(heard));
  }
  EXPECT_EQ(heard.use_count(), 1);
  EXPECT_FALSE(heard->ended);
}

TEST_F(UpstreamClient, FetchesAWholeAnswer) {
  ScriptedServer server([&](ScriptedPeer& peer, int) {
    while (!peer.read_request().empty())
      peer.write("HTTP/1.1 404 Not Found\r\nContent-Length: 4\r\n\r\nnone");
  });
  Request request;
  request.origin = server.origin();
  const auto response = fetch(client, request, 10s);
  ASSERT_TRUE(response);
  EXPECT_EQ(response->status, 404);
  EXPECT_EQ(response->body, "none");
  const auto too_large = fetch(client, request, 10s, 3);
  ASSERT_FALSE(too_large);
  EXPECT_THAT(too_large.error().message, HasSubstr("too large"));
}

TEST_F(UpstreamClient, ARedirectIsAnAnswerLikeAnyOther) {
  std::atomic<int> elsewhere = 0;
  ScriptedServer other([&](ScriptedPeer& peer, int) {
    ++elsewhere;
    peer.read_request();
  });
  ScriptedServer server([&](ScriptedPeer& peer, int) {
    peer.read_request();
    peer.write("HTTP/1.1 307 Temporary Redirect\r\nLocation: http://127.0.0.1:" +
               std::to_string(other.origin().port) + "/\r\nContent-Length: 0\r\n\r\n");
  });
  const auto heard = run(post(server, "x"));
  EXPECT_TRUE(heard->ended);
  EXPECT_EQ(heard->status, 307);
  EXPECT_EQ(elsewhere, 0); // the key and the prompt stay with the server that they were for
}

TEST_F(UpstreamClient, CallsBackLaterUnlessToldNotTo) {
  std::promise<void> called;
  auto never = client.after(20ms, [] { ADD_FAILURE() << "was told not to"; });
  const auto call = client.after(40ms, [&] { called.set_value(); });
  never.reset();
  EXPECT_EQ(called.get_future().wait_for(10s), std::future_status::ready);
}

TEST_F(UpstreamClient, PlainRequestsGoThroughAProxy) {
  std::string seen;
  ScriptedServer proxy([&](ScriptedPeer& peer, int) {
    seen = peer.read_request();
    peer.write("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
  });
  ::setenv("http_proxy",
           ("http://ann:p%40ss@127.0.0.1:" + std::to_string(proxy.origin().port)).c_str(), 1);
  Client proxied;
  ::unsetenv("http_proxy");
  Request request;
  request.origin = {false, "gpu.example", 8000};
  request.target = "/v1/models";
  const auto response = fetch(proxied, request, 10s);
  ASSERT_TRUE(response) << response.error().message;
  EXPECT_THAT(seen, StartsWith("GET http://gpu.example:8000/v1/models HTTP/1.1\r\n"
                               "Host: gpu.example:8000\r\n"
                               "Proxy-Authorization: Basic YW5uOnBAc3M=\r\n"));
}

} // namespace
} // namespace anyclaude::upstream
