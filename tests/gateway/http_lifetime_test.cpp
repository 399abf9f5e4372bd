#include "gateway/http_server.h"
#include "gateway/raw_client.h"
#include "gateway/served_http.h"

#include <gtest/gtest.h>
#include <sys/resource.h>

#include <atomic>
#include <mutex>
#include <new>
#include <random>
#include <thread>
#include <tuple>
#include <vector>

namespace anyclaude::gateway {
namespace {

/// Counts the objects that are alive, to see that callbacks are let go of.
struct Alive {
  explicit Alive(std::atomic<int>& counter) : count(counter) { ++count; }
  ~Alive() { --count; }
  Alive(const Alive&) = delete;
  Alive& operator=(const Alive&) = delete;
  std::atomic<int>& count;
};

TEST(HttpServerLifetime, AHandlerThatThrowsIsAnswered500) {
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

/// As without memory, where anything may throw.
TEST(HttpServerLifetime, ACallbackThatThrowsEndsItsOwnConnectionOnly) {
  Flag gone;
  const auto server =
      serve([&](const HttpRequest& request, const std::shared_ptr<Responder>& responder) {
        if (request.path != "/throws")
          return echo(request, responder);
        responder->begin(200, {});
        responder->on_disconnect([&] {
          gone.set();
          throw std::bad_alloc();
        });
        responder->every(1ms, [responder] { throw std::bad_alloc(); });
      });
  RawClient client(server->port());
  client.send("GET /throws HTTP/1.1\r\n\r\n");
  EXPECT_TRUE(gone.wait());
  EXPECT_TRUE(eventually([&] { return server->open_connections() == 0; }));
  RawClient other(server->port());
  other.send("GET / HTTP/1.1\r\n\r\n");
  EXPECT_EQ(other.receive().status, 200);
}

TEST(HttpServerLifetime, AForgottenAnswerIs500) {
  const auto server = serve([](const HttpRequest&, const std::shared_ptr<Responder>&) {});
  RawClient client(server->port());
  client.send("GET / HTTP/1.1\r\n\r\n");
  EXPECT_EQ(client.receive().status, 500);
}

TEST(HttpServerLifetime, AnswersFromOtherThreadsAfterTheHandlerReturned) {
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

INSTANTIATE_TEST_SUITE_P(HttpServerLifetime, Disconnect,
                         testing::Combine(testing::Bool(), testing::Bool()));

TEST(HttpServerLifetime, ADisconnectIsNoticedBehindAPipelinedRequest) {
  Holding held(false);
  const auto server = serve(held.handler());
  RawClient client(server->port());
  client.send("GET / HTTP/1.1\r\n\r\nGET /second HTTP/1.1\r\n\r\n");
  ASSERT_TRUE(held.holding.wait());
  client.reset();
  EXPECT_TRUE(held.gone.wait());
  held.release();
}

TEST(HttpServerLifetime, RegisteringAfterTheClientLeftCallsAtOnce) {
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

TEST(HttpServerLifetime, CallbacksAreLetGoOfWhenTheAnswerIsComplete) {
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

TEST(HttpServerLifetime, TwoHundredStreamsOfWhichManyAreKilled) {
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

TEST(HttpServerLifetime, TwelveHundredStreamsAtOnceComplete) {
  constexpr std::size_t kStreams = 1200;
  rlimit limit{};
  ::getrlimit(RLIMIT_NOFILE, &limit);
  if (limit.rlim_max < 2 * kStreams + 600) {
    GTEST_SKIP() << "this machine allows a process only " << limit.rlim_max << " open files";
  }
  std::mutex mutex;
  std::vector<std::shared_ptr<Responder>> streams;
  const auto server = serve(
      [&](const HttpRequest&, std::shared_ptr<Responder> responder) {
        responder->begin(200, {});
        const std::scoped_lock lock(mutex);
        streams.push_back(std::move(responder));
      },
      // The clients are in this process too, so it needs twice the descriptors.
      with_limits([](HttpLimits& limits) { limits.connections = 2 * kStreams; }));
  std::vector<RawClient> clients;
  for (std::size_t i = 0; i < kStreams; ++i) {
    clients.emplace_back(server->port());
    ASSERT_TRUE(clients.back().connected()) << i;
    ASSERT_TRUE(clients.back().send("GET / HTTP/1.1\r\n\r\n"));
  }
  ASSERT_TRUE(eventually([&] {
    const std::scoped_lock lock(mutex);
    return streams.size() == kStreams;
  }));
  for (int i = 0; i < 20; ++i) {
    for (const auto& stream : streams) {
      stream->write("piece ");
    }
  }
  for (const auto& stream : streams) {
    stream->end();
  }
  for (RawClient& client : clients) {
    const auto response = client.receive();
    ASSERT_TRUE(response.complete);
    ASSERT_EQ(response.body.size(), 120U);
  }
}

TEST(HttpServerLifetime, StopsWithOpenStreamsAndBusyHandlers) {
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
