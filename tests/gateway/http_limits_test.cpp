#include "gateway/http_server.h"
#include "gateway/raw_client.h"
#include "gateway/served_http.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/resource.h>

#include <atomic>
#include <ctime>
#include <new>
#include <thread>

namespace anyclaude::gateway {
namespace {

TEST(HttpServerLimits, HeadersCannotBeSplit) {
  const auto server = serve([](const HttpRequest&, const std::shared_ptr<Responder>& responder) {
    responder->respond(200, {{"x-a", "1\r\nx-injected: 2"}, {"content-length", "999"}}, "body");
  });
  RawClient client(server->port());
  client.send("GET / HTTP/1.1\r\n\r\n");
  const auto response = client.receive();
  EXPECT_FALSE(response.headers.contains("x-injected"));
  EXPECT_EQ(response.body, "body");
}

TEST(HttpServerLimits, ABodyOverTheLimitIsRefusedBeforeItIsRead) {
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

TEST(HttpServerLimits, ASlowSenderOfTooMuchReadsTheRefusalToo) {
  const auto server = serve(echo); // lingers for a second after the last byte
  RawClient client(server->port());
  client.send("POST / HTTP/1.1\r\nContent-Length: 104857600\r\n\r\n");
  const auto until = std::chrono::steady_clock::now() + std::chrono::milliseconds(1'500);
  while (std::chrono::steady_clock::now() < until) {
    ASSERT_TRUE(client.send(std::string(1000, 'x')));
    std::this_thread::sleep_for(std::chrono::milliseconds(20)); // the pace of a slow line
  }
  EXPECT_EQ(client.receive().status, 413);
}

TEST(HttpServerLimits, AChunkedBodyOverTheLimitIsRefused) {
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

TEST(HttpServerLimits, HeadersOverTheLimitAreRefused) {
  const auto server = serve(echo);
  RawClient client(server->port());
  client.send("GET / HTTP/1.1\r\nX-Long: " + std::string(70'000, 'x') + "\r\n\r\n");
  EXPECT_EQ(client.receive().status, 431);
  EXPECT_TRUE(client.closed_by_server());
}

TEST(HttpServerLimits, MalformedHeadsAreRefused) {
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

TEST(HttpServerLimits, ASlowHeadOrBodyTimesOut) {
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

TEST(HttpServerLimits, AnIdleConnectionIsClosed) {
  const auto server = serve(echo, with_limits([](HttpLimits& limits) { limits.idle_time = 1s; }));
  RawClient client(server->port());
  client.send("GET / HTTP/1.1\r\n\r\n");
  EXPECT_EQ(client.receive().status, 200);
  EXPECT_TRUE(client.closed_by_server());
}

TEST(HttpServerLimits, ABodyCutInHalfIsDroppedAndTheNextRequestServed) {
  std::atomic<int> handled = 0;
  const auto server =
      serve([&](const HttpRequest& request, const std::shared_ptr<Responder>& responder) {
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

TEST(HttpServerLimits, TheFilterAnswersBeforeTheBodyIsRead) {
  std::atomic<int> handled = 0;
  const auto server = serve(
      [&](const HttpRequest& request, const std::shared_ptr<Responder>& responder) {
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

TEST(HttpServerLimits, AFilterThatThrowsIsAnswered500) {
  const auto server = serve(echo, {}, [](const HttpRequest&, Responder&) -> bool {
    throw std::runtime_error("broken on purpose");
  });
  RawClient client(server->port());
  client.send("GET / HTTP/1.1\r\n\r\n");
  EXPECT_EQ(client.receive().status, 500);
}

TEST(HttpServerLimits, AClientThatDoesNotReadIsDroppedAtTheUnsentLimit) {
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

TEST(HttpServerLimits, AClientThatTakesNothingForTheWriteTimeIsDropped) {
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

TEST(HttpServerLimits, OneConnectionTooManyIsTurnedAway) {
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

/// As where there is no memory for the answer.
TEST(HttpServerLimits, OthersAreAcceptedWhenTurningOneAwayFails) {
  std::atomic<int> failures = 0;
  auto server = HttpServer::start(with_limits([](HttpLimits& limits) { limits.connections = 1; }),
                                  pass, echo, [&](int, const std::string&) -> ErrorAnswer {
                                    ++failures;
                                    throw std::bad_alloc();
                                  });
  ASSERT_TRUE(server) << server.error();
  {
    RawClient first((*server)->port());
    EXPECT_TRUE(eventually([&] { return (*server)->open_connections() == 1; }));
    RawClient second((*server)->port());
    EXPECT_TRUE(eventually([&] { return failures > 0; }));
  }
  EXPECT_TRUE(eventually([&] { return (*server)->open_connections() == 0; }));
  RawClient third((*server)->port());
  third.send("GET / HTTP/1.1\r\n\r\n");
  EXPECT_EQ(third.receive().status, 200);
}

TEST(HttpServerLimits, WithoutDescriptorsItWaitsInsteadOfSpinning) {
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

TEST(HttpServerLimits, DescriptorsAreNotInherited) {
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

TEST(HttpServerLimits, SaysWhyItCannotListen) {
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

} // namespace
} // namespace anyclaude::gateway
