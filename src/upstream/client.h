#pragma once

#include "upstream/url.h"

#include <chrono>
#include <cstddef>
#include <expected>
#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

/// The HTTP/1.1 client for other servers: one thread for all connections.
namespace anyclaude::upstream {

using Headers = std::vector<std::pair<std::string, std::string>>; // in the order sent

/// The value of the first header of that name, whatever its case; empty when absent.
std::string_view header(const Headers& headers, std::string_view name);

struct Request {
  Origin origin;
  std::string method = "GET";
  std::string target = "/"; // path and query, sent as it is
  /// Sent in this order and with this spelling. The client adds `Host`, `Content-Length` (for a
  /// body, and for POST, PUT and PATCH) and `Accept-Encoding: identity` where they are absent; it
  /// decodes no content coding. `Connection`, `Transfer-Encoding` and `Content-Length` are its own
  /// affair: they are left out if given.
  Headers headers;
  bool adds_accept_encoding = true; // false: the request is somebody else's, passed on
  std::string body;
  std::chrono::milliseconds connect_time{10'000}; // name look-up, connection and TLS together
  /// From the last byte sent or received to the next one of the answer. A prefill takes minutes, so
  /// a server that sends no sign of life meanwhile needs a long one. 0: for ever; a peer whose
  /// machine is gone is still noticed, in about a minute, by TCP keep-alive.
  std::chrono::milliseconds idle_time{0};
};

enum class FailureKind {
  unreachable, // no connection: name not found, refused, not in time; nothing was sent
  tls,         // no trusted connection; nothing of the request was sent
  closed,      // the connection ended before the answer was complete
  timed_out,   // idle_time passed
  malformed,   // what came is not HTTP
};

struct Failure {
  FailureKind kind = FailureKind::closed;
  std::string message;   // "http://127.0.0.1:8080: Connection refused"
  bool received = false; // some of an answer had come
};

/// What happens to one request, in this order: on_head, on_data any number of times, on_end; at any
/// point on_error instead of the rest. Called on the client's thread, which serves all connections:
/// they must not block. Interim answers (1xx) are not shown. After the last one of them all are
/// destroyed, so what they hold is free.
struct Handlers {
  std::function<void(int status, const Headers&)> on_head;
  std::function<void(std::string_view)> on_data; // of the body, chunk framing removed
  std::function<void()> on_end;
  std::function<void(const Failure&)> on_error;
};

/// A request under way. Destroying it cancels the request and closes its connection, so the server
/// notices; no handler runs after the destructor has returned. It waits for one that is running on
/// the client's thread, so do not hold a lock that a handler takes. A handler may destroy its own.
class Call {
 public:
  virtual ~Call() = default;
};

struct ClientOptions {
  /// Additional certificate authorities, PEM. Beside them the system's are trusted, those of
  /// SSL_CERT_FILE and SSL_CERT_DIR, and of NODE_EXTRA_CA_CERTS, which Claude Code honours too.
  std::filesystem::path ca_file;
  /// HTTP_PROXY, HTTPS_PROXY, ALL_PROXY and NO_PROXY, also in lower case, are obeyed. Loopback
  /// addresses are never asked for through a proxy.
  bool proxy_from_environment = true;
  std::size_t idle_connections = 256; // kept open, of each server
  std::chrono::milliseconds keep_idle{30'000};
};

/// Connections are kept open and used again. A request on one that had been kept is sent once more,
/// on another, if the server closed it before any byte of an answer (RFC 9112, section 9.3.1: it
/// was closed for being idle). Thread-safe.
class Client {
 public:
  explicit Client(ClientOptions options = {});
  /// Requests under way end without a word. Not on the client's own thread.
  ~Client();
  Client(const Client&) = delete;
  Client& operator=(const Client&) = delete;

  /// Returns at once.
  [[nodiscard]] std::unique_ptr<Call> send(Request request, Handlers handlers);

  /// Calls `function` on the client's thread after this time, under the rules of handlers.
  [[nodiscard]] std::unique_ptr<Call> after(std::chrono::milliseconds time,
                                            std::function<void()> function);

 private:
  class Loop;
  std::shared_ptr<Loop> loop_;
};

struct Response {
  int status = 0;
  Headers headers;
  std::string body;
};

/// Waits for the whole answer, at most for `time`. Not on the client's own thread. A body over
/// `body_limit` bytes is a failure.
std::expected<Response, Failure> fetch(Client& client, Request request,
                                       std::chrono::milliseconds time,
                                       std::size_t body_limit = 8 * 1024 * 1024);

} // namespace anyclaude::upstream
