#include "gateway/http_server.h"
#include "gateway/raw_client.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/resource.h>

#include <atomic>
#include <condition_variable>
#include <functional>
#include <mutex>
#include <random>

namespace anyclaude::gateway {
namespace {

using namespace std::chrono_literals;
using Clock = std::chrono::steady_clock;

ErrorAnswer plain_error(int status, const std::string& message) {
  return {{{"x-error", "yes"}}, std::to_string(status) + " " + message};
}

bool pass(const HttpRequest&, Responder&) {
  return true;
}

/// Says what it was asked, in the body.
void echo(const HttpRequest& request, const std::shared_ptr<Responder>& responder) {
  responder->respond(200, {{"content-type", "text/plain"}},
                     request.method + " " + request.path + " [" + request.query + "] " +
                         request.body);
}

std::unique_ptr<HttpServer> serve(Handler handler, HttpOptions options = {},
                                  HeadFilter filter = pass) {
  auto server =
      HttpServer::start(std::move(options), std::move(filter), std::move(handler), plain_error);
  EXPECT_TRUE(server) << server.error();
  return std::move(server).value();
}

HttpOptions with_limits(const std::function<void(HttpLimits&)>& change) {
  HttpOptions options;
  options.limits.linger_time = 1s;
  change(options.limits);
  return options;
}

/// Something one thread sets and another waits for.
class Flag {
 public:
  void set() {
    const std::scoped_lock lock(mutex_);
    set_ = true;
    changed_.notify_all();
  }
  bool wait(std::chrono::milliseconds time = 10s) {
    std::unique_lock lock(mutex_);
    return changed_.wait_for(lock, time, [this] { return set_; });
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  bool set_ = false;
};

/// Counts the objects that are alive, to see that callbacks are let go of.
struct Alive {
  explicit Alive(std::atomic<int>& counter) : count(counter) { ++count; }
  ~Alive() { --count; }
  Alive(const Alive&) = delete;
  Alive& operator=(const Alive&) = delete;
  std::atomic<int>& count;
};

TEST(HttpServer, AnswersAndKeepsTheConnection) {
  const auto server = serve(echo);
  RawClient client(server->port());
  for (int i = 0; i < 3; ++i) {
    ASSERT_TRUE(client.send("GET /a%20b?x=1&y HTTP/1.1\r\nHost: h\r\n\r\n"));
    const auto response = client.receive();
    EXPECT_EQ(response.status, 200);
    EXPECT_EQ(response.body, "GET /a%20b [x=1&y] ");
    EXPECT_EQ(response.headers.at("content-type"), "text/plain");
    EXPECT_TRUE(response.headers.contains("date"));
  }
  EXPECT_EQ(server->open_connections(), 1U);
  client.close();
  EXPECT_TRUE(eventually([&] { return server->open_connections() == 0; }));
}

TEST(HttpServer, GivesHeadersInTheirOrderAndFindsThemInAnyCase) {
  Headers seen;
  std::string found;
  const auto server = serve([&](HttpRequest request, std::shared_ptr<Responder> responder) {
    seen = request.headers;
    found = request.header("x-THREE");
    EXPECT_EQ(request.header("absent"), "");
    EXPECT_TRUE(request.remote.starts_with("127.0.0.1:"));
    responder->respond(200, {}, "");
  });
  RawClient client(server->port());
  client.send("GET / HTTP/1.1\r\nX-One: 1\r\nhost: h\r\nX-Three: 3\r\nAccept: a\r\n\r\n");
  client.receive();
  EXPECT_EQ(seen, (Headers{{"X-One", "1"}, {"host", "h"}, {"X-Three", "3"}, {"Accept", "a"}}));
  EXPECT_EQ(found, "3");
}

TEST(HttpServer, ReadsBodiesByLengthAndInChunks) {
  const auto server = serve(echo);
  RawClient client(server->port());
  client.send("POST /l HTTP/1.1\r\nContent-Length: 5\r\n\r\nhe");
  client.send("llo");
  EXPECT_EQ(client.receive().body, "POST /l [] hello");
  client.send("POST /c HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n");
  client.send("4;ext=1\r\ndefg\r\n0\r\nTrailer: t\r\n\r\n");
  EXPECT_EQ(client.receive().body, "POST /c [] abcdefg");
  client.send("GET http://elsewhere:1/abs?q HTTP/1.1\r\n\r\n");
  EXPECT_EQ(client.receive().body, "GET /abs [q] ");
}

TEST(HttpServer, HeadHasTheLengthButNoBody) {
  const auto server = serve(echo);
  RawClient client(server->port());
  client.send("HEAD / HTTP/1.1\r\n\r\n");
  const auto head = client.receive(true);
  EXPECT_EQ(head.status, 200);
  EXPECT_EQ(head.headers.at("content-length"), std::to_string(std::string("HEAD / [] ").size()));
  client.send("GET /next HTTP/1.1\r\n\r\n"); // would be misread had a body followed
  EXPECT_EQ(client.receive().body, "GET /next [] ");
}

TEST(HttpServer, HeadOfAStreamHasNoBodyEither) {
  const auto server = serve([](const HttpRequest&, const std::shared_ptr<Responder>& responder) {
    responder->begin(200, {});
    responder->write("data");
    responder->end();
  });
  RawClient client(server->port());
  client.send("HEAD / HTTP/1.1\r\n\r\nGET / HTTP/1.1\r\n\r\n");
  EXPECT_EQ(client.receive(true).status, 200);
  EXPECT_EQ(client.receive().body, "data");
}

TEST(HttpServer, ConnectionCloseIsHonoured) {
  const auto server = serve(echo);
  RawClient client(server->port());
  client.send("GET / HTTP/1.1\r\nConnection: close\r\n\r\n");
  EXPECT_EQ(client.receive().headers.at("connection"), "close");
  EXPECT_TRUE(client.closed_by_server());
}

TEST(HttpServer, Http10ClosesUnlessAskedNotTo) {
  const auto server = serve(echo);
  RawClient closing(server->port());
  closing.send("GET / HTTP/1.0\r\n\r\n");
  EXPECT_EQ(closing.receive().body, "GET / [] ");
  EXPECT_TRUE(closing.closed_by_server());
  RawClient keeping(server->port());
  for (int i = 0; i < 2; ++i) {
    keeping.send("GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
    EXPECT_EQ(keeping.receive().headers.at("connection"), "keep-alive");
  }
}

TEST(HttpServer, AStreamToHttp10EndsWithTheConnection) {
  const auto server = serve([](const HttpRequest&, const std::shared_ptr<Responder>& responder) {
    responder->begin(200, {});
    responder->write("one ");
    responder->write("two");
    responder->end();
  });
  RawClient client(server->port());
  client.send("GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
  const auto response = client.receive();
  EXPECT_FALSE(response.headers.contains("transfer-encoding"));
  EXPECT_EQ(response.body, "one two");
}

TEST(HttpServer, AHalfClosedClientStillGetsItsAnswer) {
  const auto server = serve(echo);
  RawClient client(server->port());
  client.send("GET / HTTP/1.0\r\n\r\n");
  client.finish_sending();
  EXPECT_EQ(client.receive().body, "GET / [] ");
}

TEST(HttpServer, ContinuesWhenAskedTo) {
  const auto server = serve(echo);
  RawClient client(server->port());
  client.send("POST / HTTP/1.1\r\nContent-Length: 4\r\nExpect: 100-continue\r\n\r\n");
  EXPECT_EQ(client.receive().status, 100);
  client.send("body");
  EXPECT_EQ(client.receive().body, "POST / [] body");
}

TEST(HttpServer, PipelinedRequestsAreAnsweredInOrder) {
  const auto server = serve(echo);
  RawClient client(server->port());
  std::string requests;
  for (int i = 0; i < 500; ++i) { // more than is read ahead of an answer
    requests += "POST /" + std::to_string(i) + " HTTP/1.1\r\nX-Pad: " + std::string(200, 'p') +
                "\r\nContent-Length: 2\r\n\r\nab";
  }
  std::thread sender([&] { client.send(requests); });
  for (int i = 0; i < 500; ++i) {
    ASSERT_EQ(client.receive().body, "POST /" + std::to_string(i) + " [] ab");
  }
  sender.join();
}

TEST(HttpServer, ChunkedAnswersOfAnySizeArriveWhole) {
  constexpr int kChunks = 300;
  const auto server = serve([](const HttpRequest&, const std::shared_ptr<Responder>& responder) {
    responder->begin(200, {});
    for (int i = 0; i < kChunks; ++i) {
      responder->write(
          std::string(static_cast<std::size_t>(i) * 100, static_cast<char>('a' + i % 26)));
    }
    responder->end();
  });
  std::string want;
  for (int i = 0; i < kChunks; ++i) {
    want += std::string(static_cast<std::size_t>(i) * 100, static_cast<char>('a' + i % 26));
  }
  RawClient client(server->port());
  for (int i = 0; i < 2; ++i) {
    client.send("GET / HTTP/1.1\r\n\r\n");
    const auto response = client.receive();
    EXPECT_TRUE(response.complete);
    EXPECT_TRUE(response.body == want);
  }
}

TEST(HttpServer, AnAnswerBeyondTheUnsentLimitIsFineInOnePiece) {
  const std::string body(40 << 20, 'x');
  const auto server = serve([&](const HttpRequest&, const std::shared_ptr<Responder>& responder) {
    responder->respond(200, {}, body);
  });
  RawClient client(server->port());
  client.send("GET / HTTP/1.1\r\n\r\n");
  EXPECT_TRUE(client.receive().body == body);
}

TEST(HttpServer, HeadersCannotBeSplit) {
  const auto server = serve([](const HttpRequest&, const std::shared_ptr<Responder>& responder) {
    responder->respond(200, {{"x-a", "1\r\nx-injected: 2"}, {"content-length", "999"}}, "body");
  });
  RawClient client(server->port());
  client.send("GET / HTTP/1.1\r\n\r\n");
  const auto response = client.receive();
  EXPECT_FALSE(response.headers.contains("x-injected"));
  EXPECT_EQ(response.body, "body");
}

TEST(HttpServer, ABodyOverTheLimitIsRefusedBeforeItIsRead) {
  std::atomic<int> handled = 0;
  const auto server =
      serve([&](const HttpRequest&, const std::shared_ptr<Responder>&) { ++handled; },
            with_limits([](HttpLimits& limits) { limits.body_bytes = 1000; }));
  RawClient waiting(server->port());
  waiting.send("POST / HTTP/1.1\r\nContent-Length: 104857600\r\n\r\n"); // and nothing of it
  const auto response = waiting.receive();
  EXPECT_EQ(response.status, 413);
  EXPECT_EQ(response.headers.at("connection"), "close");
  EXPECT_EQ(response.headers.at("x-error"), "yes");
  EXPECT_EQ(response.body, "413 The request's body is larger than 1000 bytes. Send less.");

  RawClient sending(server->port());
  sending.send("POST / HTTP/1.1\r\nContent-Length: 104857600\r\n\r\n");
  const std::string piece(1 << 20, 'x');
  for (int i = 0; i < 100 && sending.send(piece); ++i) {
  }
  EXPECT_EQ(sending.receive().status, 413);

  RawClient expecting(server->port());
  expecting.send("POST / HTTP/1.1\r\nContent-Length: 1001\r\nExpect: 100-continue\r\n\r\n");
  EXPECT_EQ(expecting.receive().status, 413);
  EXPECT_EQ(handled, 0);
}

TEST(HttpServer, AChunkedBodyOverTheLimitIsRefused) {
  const auto server =
      serve(echo, with_limits([](HttpLimits& limits) { limits.body_bytes = 1000; }));
  RawClient client(server->port());
  client.send("POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n");
  for (int i = 0; i < 5; ++i) {
    client.send("190\r\n" + std::string(400, 'x') + "\r\n");
  }
  EXPECT_EQ(client.receive().status, 413);
  EXPECT_TRUE(client.closed_by_server());
  RawClient exact(server->port());
  exact.send("POST / HTTP/1.1\r\nContent-Length: 1000\r\n\r\n" + std::string(1000, 'x'));
  EXPECT_EQ(exact.receive().status, 200);
}

TEST(HttpServer, HeadersOverTheLimitAreRefused) {
  const auto server = serve(echo);
  RawClient client(server->port());
  client.send("GET / HTTP/1.1\r\nX-Long: " + std::string(70'000, 'x') + "\r\n\r\n");
  EXPECT_EQ(client.receive().status, 431);
  EXPECT_TRUE(client.closed_by_server());
}

TEST(HttpServer, MalformedHeadsAreRefused) {
  const auto server = serve(echo, with_limits([](HttpLimits&) {}));
  for (const std::string head :
       {"nonsense\r\n\r\n", "GET /\r\n\r\n", "GET / HTTP/9.9\r\n\r\n",
        "GET / HTTP/1.1\r\nno colon\r\n\r\n", "GET / HTTP/1.1\r\nContent-Length: x\r\n\r\n",
        "POST / HTTP/1.1\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\n",
        "POST / HTTP/1.1\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\nabc",
        "\x16\x03\x01\x02\x01\x01\x01\xFC\x03\x03 a TLS hello"}) {
    RawClient client(server->port());
    client.send(head);
    EXPECT_EQ(client.receive().status, 400) << head;
    EXPECT_TRUE(client.closed_by_server());
  }
  RawClient chunks(server->port());
  chunks.send("POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n");
  EXPECT_EQ(chunks.receive().status, 400);
}

TEST(HttpServer, ASlowHeadOrBodyTimesOut) {
  const auto server = serve(echo, with_limits([](HttpLimits& limits) {
                              limits.header_time = 1s;
                              limits.body_time = 1s;
                            }));
  RawClient head(server->port());
  head.send("GET / HTTP/1.1\r\nX-Slow");
  RawClient body(server->port());
  body.send("POST / HTTP/1.1\r\nContent-Length: 10\r\n\r\nabc");
  RawClient silent(server->port());
  EXPECT_EQ(head.receive().status, 408);
  EXPECT_EQ(body.receive().status, 408);
  EXPECT_EQ(silent.receive().status, 0); // closed without a word
}

TEST(HttpServer, AnIdleConnectionIsClosed) {
  const auto server = serve(echo, with_limits([](HttpLimits& limits) { limits.idle_time = 1s; }));
  RawClient client(server->port());
  client.send("GET / HTTP/1.1\r\n\r\n");
  EXPECT_EQ(client.receive().status, 200);
  EXPECT_TRUE(client.closed_by_server());
}

TEST(HttpServer, ABodyCutInHalfIsDroppedAndTheNextRequestServed) {
  std::atomic<int> handled = 0;
  const auto server = serve([&](const HttpRequest& request, std::shared_ptr<Responder> responder) {
    ++handled;
    echo(request, responder);
  });
  {
    RawClient half(server->port());
    half.send("POST / HTTP/1.1\r\nContent-Length: 1000\r\n\r\nabc");
  }
  {
    RawClient half(server->port());
    half.send("POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nff\r\nabc");
    half.reset();
  }
  RawClient client(server->port());
  client.send("GET / HTTP/1.1\r\n\r\n");
  EXPECT_EQ(client.receive().status, 200);
  EXPECT_TRUE(eventually([&] { return server->open_connections() == 1; }));
  EXPECT_EQ(handled, 1);
}

TEST(HttpServer, TheFilterAnswersBeforeTheBodyIsRead) {
  std::atomic<int> handled = 0;
  const auto server = serve(
      [&](const HttpRequest& request, std::shared_ptr<Responder> responder) {
        ++handled;
        echo(request, responder);
      },
      with_limits([](HttpLimits&) {}),
      [](const HttpRequest& request, Responder& responder) {
        EXPECT_EQ(request.body, "");
        if (request.header("x-token") == "good") {
          return true;
        }
        responder.respond(401, {{"x-who", "filter"}}, "no");
        return false;
      });
  RawClient refused(server->port());
  refused.send("POST / HTTP/1.1\r\nContent-Length: 30000000\r\nExpect: 100-continue\r\n\r\n");
  const auto response = refused.receive();
  EXPECT_EQ(response.status, 401);
  EXPECT_EQ(response.headers.at("x-who"), "filter");
  EXPECT_EQ(response.headers.at("connection"), "close");
  EXPECT_EQ(handled, 0);

  RawClient bodiless(server->port()); // nothing unread: the connection can go on
  bodiless.send("GET / HTTP/1.1\r\n\r\n");
  EXPECT_EQ(bodiless.receive().status, 401);
  bodiless.send("POST / HTTP/1.1\r\nX-Token: good\r\nContent-Length: 2\r\n\r\nok");
  EXPECT_EQ(bodiless.receive().body, "POST / [] ok");
}

TEST(HttpServer, AFilterThatThrowsIsAnswered500) {
  const auto server = serve(echo, {}, [](const HttpRequest&, Responder&) -> bool {
    throw std::runtime_error("broken on purpose");
  });
  RawClient client(server->port());
  client.send("GET / HTTP/1.1\r\n\r\n");
  EXPECT_EQ(client.receive().status, 500);
}

TEST(HttpServer, AHandlerThatThrowsIsAnswered500) {
  const auto server = serve([](const HttpRequest& request, const std::shared_ptr<Responder>& r) {
    if (request.path == "/late") {
      r->begin(200, {});
      r->write("part");
    }
    throw std::runtime_error("broken on purpose");
  });
  RawClient client(server->port());
  client.send("GET / HTTP/1.1\r\n\r\n");
  const auto response = client.receive();
  EXPECT_EQ(response.status, 500);
  EXPECT_EQ(response.body, "500 The server failed while it answered. Its log says more.");
  client.send("GET /late HTTP/1.1\r\n\r\n");
  EXPECT_FALSE(client.receive().complete);
  EXPECT_TRUE(client.closed_by_server());
}

TEST(HttpServer, AForgottenAnswerIs500) {
  const auto server = serve([](const HttpRequest&, const std::shared_ptr<Responder>&) {});
  RawClient client(server->port());
  client.send("GET / HTTP/1.1\r\n\r\n");
  EXPECT_EQ(client.receive().status, 500);
}

TEST(HttpServer, AnswersFromOtherThreadsAfterTheHandlerReturned) {
  std::vector<std::thread> threads;
  std::mutex mutex;
  {
    const auto server = serve([&](const HttpRequest&, std::shared_ptr<Responder> responder) {
      const std::scoped_lock lock(mutex);
      threads.emplace_back([responder = std::move(responder)] {
        responder->begin(200, {});
        for (int i = 0; i < 50; ++i) {
          responder->write("piece ");
        }
        responder->end();
      });
    });
    RawClient client(server->port());
    client.send("GET / HTTP/1.1\r\n\r\n");
    EXPECT_EQ(client.receive().body.size(), 300U);
  }
  for (std::thread& thread : threads) {
    thread.join();
  }
}

/// A handler that begins to answer, or not, and then keeps its responder.
class Holding {
 public:
  explicit Holding(bool streams) : streams_(streams) {}

  Handler handler() {
    return [this](const HttpRequest&, std::shared_ptr<Responder> responder) {
      if (streams_) {
        responder->begin(200, {});
        responder->write("first");
      }
      responder->on_disconnect([this, alive = std::make_shared<Alive>(alive_)] {
        left_at_ = Clock::now();
        ++left_;
        gone.set();
      });
      responder->every(5ms, [this, alive = std::make_shared<Alive>(alive_)] {
        if (++ticks_ == 3) {
          ticking.set();
        }
      });
      held_ = std::move(responder);
      holding.set();
    };
  }
  void release() { held_.reset(); }
  int alive() const { return alive_; }
  int left() const { return left_; }
  Clock::time_point left_at() const { return left_at_; }
  Responder& responder() { return *held_; }

  Flag holding;
  Flag gone;
  Flag ticking;

 private:
  bool streams_;
  std::shared_ptr<Responder> held_;
  std::atomic<int> alive_ = 0;
  std::atomic<int> left_ = 0;
  std::atomic<int> ticks_ = 0;
  std::atomic<Clock::time_point> left_at_;
};

class Disconnect : public testing::TestWithParam<std::tuple<bool, bool>> {};

TEST_P(Disconnect, IsNoticedAtOnceWhileAHandlerWorks) {
  const auto [streams, reset] = GetParam();
  Holding held(streams);
  const auto server = serve(held.handler());
  RawClient client(server->port());
  client.send("GET / HTTP/1.1\r\n\r\n");
  ASSERT_TRUE(held.holding.wait());
  ASSERT_TRUE(held.ticking.wait());
  const auto left = Clock::now();
  reset ? client.reset() : client.close();
  ASSERT_TRUE(held.gone.wait());
  EXPECT_LT(held.left_at() - left, 500ms);
  EXPECT_TRUE(eventually([&] { return held.alive() == 0; }));
  held.responder().write("nobody reads this");
  held.responder().end();
  held.release();
  EXPECT_TRUE(eventually([&] { return server->open_connections() == 0; }));
  EXPECT_EQ(held.left(), 1);
}

INSTANTIATE_TEST_SUITE_P(HttpServer, Disconnect,
                         testing::Combine(testing::Bool(), testing::Bool()));

TEST(HttpServer, ADisconnectIsNoticedBehindAPipelinedRequest) {
  Holding held(false);
  const auto server = serve(held.handler());
  RawClient client(server->port());
  client.send("GET / HTTP/1.1\r\n\r\nGET /second HTTP/1.1\r\n\r\n");
  ASSERT_TRUE(held.holding.wait());
  client.reset();
  EXPECT_TRUE(held.gone.wait());
  held.release();
}

TEST(HttpServer, RegisteringAfterTheClientLeftCallsAtOnce) {
  Flag entered;
  Flag proceed;
  Flag called;
  const auto server = serve([&](const HttpRequest&, const std::shared_ptr<Responder>& responder) {
    entered.set();
    proceed.wait();
    responder->on_disconnect([&] { called.set(); });
    responder->every(1ms, [] { FAIL() << "the client has left"; });
  });
  RawClient client(server->port());
  client.send("GET / HTTP/1.1\r\n\r\n");
  ASSERT_TRUE(entered.wait());
  client.reset();
  EXPECT_TRUE(eventually([&] { return server->open_connections() == 0; }));
  proceed.set();
  EXPECT_TRUE(called.wait());
}

TEST(HttpServer, CallbacksAreLetGoOfWhenTheAnswerIsComplete) {
  std::atomic<int> alive = 0;
  std::atomic<int> left = 0;
  const auto server = serve([&](const HttpRequest&, const std::shared_ptr<Responder>& responder) {
    responder->on_disconnect([&left, token = std::make_shared<Alive>(alive)] { ++left; });
    responder->every(1h, [token = std::make_shared<Alive>(alive)] {});
    responder->respond(200, {}, "done");
    responder->on_disconnect([&left, token = std::make_shared<Alive>(alive)] { ++left; });
  });
  {
    RawClient client(server->port());
    client.send("GET / HTTP/1.1\r\n\r\n");
    EXPECT_EQ(client.receive().body, "done");
    EXPECT_TRUE(eventually([&] { return alive == 0; }));
  }
  EXPECT_TRUE(eventually([&] { return server->open_connections() == 0; }));
  EXPECT_EQ(left, 0);
}

TEST(HttpServer, AClientThatDoesNotReadIsDroppedAtTheUnsentLimit) {
  Flag gone;
  const auto server = serve(
      [&](const HttpRequest&, const std::shared_ptr<Responder>& responder) {
        responder->on_disconnect([&] { gone.set(); });
        responder->begin(200, {});
        while (!gone.wait(0ms)) {
          responder->write(std::string(256 * 1024, 'x'));
          gone.wait(1ms);
        }
      },
      with_limits([](HttpLimits& limits) { limits.unsent_bytes = 4 << 20; }));
  RawClient client(server->port(), 4096);
  client.send("GET / HTTP/1.1\r\n\r\n");
  EXPECT_TRUE(gone.wait());
  EXPECT_TRUE(eventually([&] { return server->open_connections() == 0; }));
}

TEST(HttpServer, AClientThatTakesNothingForTheWriteTimeIsDropped) {
  Flag gone;
  const auto server = serve(
      [&](const HttpRequest&, const std::shared_ptr<Responder>& responder) {
        responder->on_disconnect([&] { gone.set(); });
        responder->begin(200, {});
        responder->write(std::string(12 << 20, 'x')); // more than the sockets' buffers hold
        gone.wait();
      },
      with_limits([](HttpLimits& limits) { limits.write_time = 1s; }));
  RawClient client(server->port(), 4096);
  client.send("GET / HTTP/1.1\r\n\r\n");
  EXPECT_TRUE(gone.wait());
}

TEST(HttpServer, OneConnectionTooManyIsTurnedAway) {
  const auto server = serve(echo, with_limits([](HttpLimits& limits) { limits.connections = 2; }));
  RawClient first(server->port());
  RawClient second(server->port());
  EXPECT_TRUE(eventually([&] { return server->open_connections() == 2; }));
  RawClient third(server->port());
  EXPECT_EQ(third.receive().status, 503);
  first.close();
  EXPECT_TRUE(eventually([&] { return server->open_connections() == 1; }));
  RawClient fourth(server->port());
  fourth.send("GET / HTTP/1.1\r\n\r\n");
  EXPECT_EQ(fourth.receive().status, 200);
}

TEST(HttpServer, WithoutDescriptorsItWaitsInsteadOfSpinning) {
  const auto server = serve(echo);
  RawClient served(server->port());
  served.send("GET / HTTP/1.1\r\n\r\n");
  ASSERT_EQ(served.receive().status, 200);
  rlimit before{};
  ASSERT_EQ(::getrlimit(RLIMIT_NOFILE, &before), 0);
  RawClient waiting(server->port());
  RawClient also_waiting(server->port());
  ASSERT_TRUE(eventually([&] { return server->open_connections() == 3; }));
  const int probe = ::dup(0);
  ASSERT_GE(probe, 0);
  ::close(probe);
  RawClient unserved = [&] { // takes the last descriptor: none is left for the server's end
    rlimit tight = before;
    tight.rlim_cur = static_cast<rlim_t>(probe) + 1;
    ::setrlimit(RLIMIT_NOFILE, &tight);
    return RawClient(server->port());
  }();
  timespec cpu{};
  ::clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &cpu);
  const auto cpu_before = std::chrono::seconds(cpu.tv_sec) + std::chrono::nanoseconds(cpu.tv_nsec);
  served.send("GET /meanwhile HTTP/1.1\r\n\r\n");
  EXPECT_EQ(served.receive().body, "GET /meanwhile [] ");
  unserved.send("GET /later HTTP/1.1\r\n\r\n");
  std::this_thread::sleep_for(500ms); // the time in which a spin would show
  ::clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &cpu);
  const auto cpu_after = std::chrono::seconds(cpu.tv_sec) + std::chrono::nanoseconds(cpu.tv_nsec);
  EXPECT_LT(cpu_after - cpu_before, 250ms);
  EXPECT_EQ(server->open_connections(), 3U);
  ::setrlimit(RLIMIT_NOFILE, &before);
  EXPECT_EQ(unserved.receive().body, "GET /later [] ");
}

TEST(HttpServer, DescriptorsAreNotInherited) {
  const auto server = serve(echo);
  RawClient client(server->port());
  client.send("GET / HTTP/1.1\r\n\r\n");
  client.receive();
  int sockets = 0;
  for (int descriptor = 0; descriptor < 200; ++descriptor) {
    int type = 0;
    socklen_t size = sizeof type;
    if (::getsockopt(descriptor, SOL_SOCKET, SO_TYPE, &type, &size) == 0 && type == SOCK_STREAM) {
      sockaddr_in address{};
      socklen_t length = sizeof address;
      ::getsockname(descriptor, reinterpret_cast<sockaddr*>(&address), &length);
      if (address.sin_family == AF_INET && ntohs(address.sin_port) == server->port()) {
        ++sockets;
        EXPECT_TRUE(::fcntl(descriptor, F_GETFD) & FD_CLOEXEC) << descriptor;
      }
    }
  }
  EXPECT_EQ(sockets, 2); // the listening one and the client's
}

TEST(HttpServer, SaysWhyItCannotListen) {
  const auto server = serve(echo);
  HttpOptions taken;
  taken.port = server->port();
  const auto second = HttpServer::start(taken, pass, echo, plain_error);
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error(), "Cannot listen on 127.0.0.1 port " + std::to_string(server->port()) +
                                ": Address already in use by another program. Stop that program, "
                                "or choose another port.");
  HttpOptions nowhere;
  nowhere.host = "no.such.host.invalid";
  EXPECT_FALSE(HttpServer::start(nowhere, pass, echo, plain_error));
  nowhere.host = "192.0.2.1"; // reserved for documentation, so never ours
  EXPECT_FALSE(HttpServer::start(nowhere, pass, echo, plain_error));
}

TEST(HttpServer, TwoHundredStreamsOfWhichManyAreKilled) {
  // Each stream counts to its end; a thread of its own drives all of them, as a backend would.
  struct Stream {
    std::shared_ptr<Responder> responder;
    int next = 0;
  };
  constexpr int kPieces = 40;
  constexpr int kClients = 200;
  std::mutex mutex;
  std::vector<Stream> streams;
  std::atomic<int> left = 0;
  std::atomic<bool> stop = false;
  std::thread producer([&] {
    while (!stop) {
      {
        const std::scoped_lock lock(mutex);
        for (Stream& stream : streams) {
          stream.responder->write(std::to_string(stream.next) + "\n");
          if (++stream.next == kPieces) {
            stream.responder->end();
          }
        }
        std::erase_if(streams, [](const Stream& stream) { return stream.next >= kPieces; });
      }
      std::this_thread::sleep_for(1ms);
    }
  });
  auto server = serve([&](const HttpRequest&, std::shared_ptr<Responder> responder) {
    responder->on_disconnect([&left] { ++left; });
    responder->begin(200, {});
    const std::scoped_lock lock(mutex);
    streams.push_back({std::move(responder)});
  });
  std::vector<RawClient> clients;
  for (int i = 0; i < kClients; ++i) {
    clients.emplace_back(server->port());
    ASSERT_TRUE(clients.back().connected());
    ASSERT_TRUE(clients.back().send("GET / HTTP/1.1\r\n\r\n"));
  }
  std::mt19937 random(20'240'601); // a fixed seed: the same clients die every time
  std::string want;
  for (int i = 0; i < kPieces; ++i) {
    want += std::to_string(i) + "\n";
  }
  int survivors = 0;
  for (RawClient& client : clients) {
    if (random() % 2 == 0) {
      random() % 2 == 0 ? client.reset() : client.close();
      continue;
    }
    ++survivors;
    const auto response = client.receive();
    EXPECT_TRUE(response.complete);
    EXPECT_EQ(response.body, want);
  }
  EXPECT_TRUE(eventually(
      [&] { return server->open_connections() == static_cast<std::size_t>(survivors); }));
  clients.clear();
  EXPECT_TRUE(eventually([&] { return server->open_connections() == 0; }));
  server.reset();
  stop = true;
  producer.join();
}

TEST(HttpServer, StopsWithOpenStreamsAndBusyHandlers) {
  std::vector<std::shared_ptr<Responder>> outliving;
  std::mutex mutex;
  std::atomic<int> left = 0;
  Flag busy;
  std::vector<RawClient> clients;
  {
    auto server = serve([&](const HttpRequest& request, std::shared_ptr<Responder> responder) {
      responder->on_disconnect([&left] { ++left; });
      responder->every(1ms, [responder = std::weak_ptr(responder)] {
        if (const auto alive = responder.lock()) {
          alive->write("tick");
        }
      });
      if (request.path == "/busy") {
        busy.set();
        std::this_thread::sleep_for(100ms); // as a tokenizer may be busy when the server stops
        responder->respond(200, {}, "too late");
        return;
      }
      responder->begin(200, {});
      const std::scoped_lock lock(mutex);
      outliving.push_back(std::move(responder));
    });
    for (int i = 0; i < 20; ++i) {
      clients.emplace_back(server->port());
      clients.back().send("GET / HTTP/1.1\r\n\r\n");
      clients.back().receive_until("\r\n\r\n");
    }
    clients.emplace_back(server->port());
    clients.back().send("GET /busy HTTP/1.1\r\n\r\n");
    clients.emplace_back(server->port());
    clients.back().send("GET / HT");      // half a head
    clients.emplace_back(server->port()); // nothing
    ASSERT_TRUE(busy.wait());
    const auto begin = Clock::now();
    server.reset();
    EXPECT_LT(Clock::now() - begin, 5s);
  }
  EXPECT_EQ(left, 21);
  for (RawClient& client : clients) {
    EXPECT_TRUE(client.closed_by_server());
  }
  for (const auto& responder : outliving) { // the server is gone
    responder->write("nobody");
    responder->end();
  }
}

} // namespace
} // namespace anyclaude::gateway
