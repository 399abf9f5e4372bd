#pragma once

#include "gateway/exchange.h"
#include "gateway/http_server.h"

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>

#include <functional>
#include <memory>
#include <optional>
#include <string>

namespace anyclaude::gateway {

/// What all connections of a server share. Outlives them.
struct ConnectionContext {
  boost::asio::io_context& io;
  std::shared_ptr<Gate> gate;
  const HttpLimits& limits;
  const HeadFilter& filter;
  const MakeError& make_error;
  /// Runs the handler on a worker thread.
  std::function<void(HttpRequest, std::shared_ptr<Responder>, std::shared_ptr<Exchange>)> dispatch;
};

/// Serves one socket: one request after the other. Lives on the socket thread.
class Connection {
 public:
  virtual ~Connection() = default;

  /// Closes the socket now; the coroutine ends soon after.
  virtual void stop() = 0;

  /// Serves the socket until it closes, then calls `done` on the socket thread.
  static std::shared_ptr<Connection> serve(ConnectionContext& context,
                                           boost::asio::ip::tcp::socket socket,
                                           std::function<void()> done);
};

} // namespace anyclaude::gateway
