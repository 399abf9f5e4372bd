#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <expected>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

/// HTTP/1.1 for the gateway: one thread serves all sockets, handlers run on a few worker threads.
namespace anyclaude::gateway {

using Headers = std::vector<std::pair<std::string, std::string>>; // in the order sent

struct HttpRequest {
  std::string method; // "GET"
  std::string path;   // as sent (percent-encoding kept), without the query
  std::string query;  // without the '?'
  Headers headers;
  std::string body;
  std::string remote;                   // "127.0.0.1:50312", for the log
  std::shared_ptr<const void> memory{}; // set aside by a filter, until the request was handled

  /// The first header of that name, whatever its case; empty when absent.
  std::string_view header(std::string_view name) const;
};

/// Answers one request. Every function may be called from any thread, also after the server is
/// gone; calls after the client has gone, or after the answer is complete, do nothing. A responder
/// destroyed without an answer answers 500; one destroyed between begin() and end() closes the
/// connection, so that the client sees a body cut short rather than a complete one.
class Responder {
 public:
  virtual ~Responder() = default;

  virtual void respond(int status, Headers headers, std::string body) = 0;

  /// Sends the status and headers at once; the body follows in pieces, framed as chunks unless the
  /// headers state a content-length. With one, end() before all of it was written cuts the
  /// connection.
  virtual void begin(int status, Headers headers) = 0;
  virtual void write(std::string chunk) = 0;
  virtual void end() = 0;

  /// Called once, on the socket thread, when the client goes away before the answer is complete
  /// (also when it merely closes its sending side, or when the server stops). Called at once if it
  /// already has. Not called after the answer is complete. What the callback owns is destroyed on
  /// the socket thread as soon as the answer is complete or the callback has run.
  virtual void on_disconnect(std::function<void()> callback) = 0;

  /// Called on the socket thread every `period` until the answer is complete or the client is gone,
  /// and then destroyed there.
  virtual void every(std::chrono::milliseconds period, std::function<void()> callback) = 0;
};

/// Runs on a worker thread. An exception from it is logged and answered with 500.
using Handler = std::function<void(HttpRequest, std::shared_ptr<Responder>)>;

/// Decides from the head of a request alone, before its body is read, on the socket thread: a
/// wrong token must not cost 32 MiB. Returns true to go on; otherwise it has answered.
using HeadFilter = std::function<bool(HttpRequest&, Responder&)>;

/// What the server itself answers: a malformed head, an oversized body, a time-out, a handler that
/// threw. Called on the socket thread.
struct ErrorAnswer {
  Headers headers;
  std::string body;
};
using MakeError = std::function<ErrorAnswer(int status, const std::string& message)>;

struct HttpLimits {
  std::size_t header_bytes = 64 * 1024;
  std::size_t body_bytes = 32 * 1024 * 1024; // Anthropic's own limit for /v1/messages
  /// Of an answer in chunks, waiting for the client: one that does not read is dropped beyond it.
  std::size_t unsent_bytes = 16 * 1024 * 1024;
  std::size_t connections = 2048; // one more is answered 503
  std::chrono::seconds header_time{30};
  std::chrono::seconds body_time{120};
  std::chrono::seconds idle_time{120}; // between requests of one connection
  std::chrono::seconds write_time{60}; // without any progress
  /// What a refused client still sends is taken until it pauses so long, or for body_time: a client
  /// that sends everything before it reads would otherwise see a reset instead of the answer.
  std::chrono::seconds linger_time{5};
};

struct HttpOptions {
  std::string host = "127.0.0.1";
  std::uint16_t port = 0; // 0: any free one
  int workers = 4;
  HttpLimits limits;
};

class HttpServer {
 public:
  /// Binds and starts to serve. The error says which address and why.
  static std::expected<std::unique_ptr<HttpServer>, std::string>
  start(HttpOptions options, HeadFilter filter, Handler handler, MakeError make_error);

  /// Closes every connection, waits for handlers that run, and joins the threads. Not to be called
  /// from a handler or a callback.
  virtual ~HttpServer() = default;
  virtual std::uint16_t port() const = 0;
  virtual std::size_t open_connections() const = 0;
};

} // namespace anyclaude::gateway
