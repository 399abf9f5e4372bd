#include "gateway/http_server.h"
#include "gateway/raw_client.h"
#include "gateway/served_http.h"

#include <gtest/gtest.h>

#include <thread>

namespace anyclaude::gateway {
namespace {

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
  const auto server =
      serve([&](const HttpRequest& request, const std::shared_ptr<Responder>& responder) {
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
  for (const char* version : {"1.0", "1.1"}) {
    RawClient client(server->port());
    client.send(std::string("GET / HTTP/") + version + "\r\n\r\n");
    client.finish_sending();
    EXPECT_EQ(client.receive().body, "GET / [] ") << version;
    EXPECT_TRUE(client.closed_by_server()) << version << ": there can be no other request";
  }
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

} // namespace
} // namespace anyclaude::gateway
