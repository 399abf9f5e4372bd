#pragma once

#include <boost/asio/async_result.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/ssl/stream.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/beast/core/flat_buffer.hpp>

#include <chrono>
#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

namespace anyclaude::upstream {

/// One connection to a server, with TLS or without; a stream for Asio's and Beast's operations.
/// Used on the client's thread only.
class Connection {
 public:
  using executor_type = boost::asio::ip::tcp::socket::executor_type;

  explicit Connection(boost::asio::io_context& io) : socket_(io) {}

  boost::asio::ip::tcp::socket& socket() { return socket_; }
  executor_type get_executor() { return socket_.get_executor(); }

  /// What follows goes through TLS; the handshake is the caller's.
  boost::asio::ssl::stream<boost::asio::ip::tcp::socket&>&
  begin_tls(boost::asio::ssl::context& tls) {
    return tls_.emplace(socket_, tls);
  }

  /// Closes the socket now; every pending operation ends with an error.
  void close();

  /// Nothing has come since it was last used: neither the end nor bytes that nobody asked for.
  bool is_quiet();

  template <typename Buffers, typename Token>
  auto async_read_some(const Buffers& buffers, Token&& token) {
    return boost::asio::async_initiate<Token, void(boost::system::error_code, std::size_t)>(
        [this](auto handler, const Buffers& into) {
          if (tls_)
            tls_->async_read_some(into, std::move(handler));
          else
            socket_.async_read_some(into, std::move(handler));
        },
        token, buffers);
  }

  template <typename Buffers, typename Token>
  auto async_write_some(const Buffers& buffers, Token&& token) {
    return boost::asio::async_initiate<Token, void(boost::system::error_code, std::size_t)>(
        [this](auto handler, const Buffers& from) {
          if (tls_)
            tls_->async_write_some(from, std::move(handler));
          else
            socket_.async_write_some(from, std::move(handler));
        },
        token, buffers);
  }

  boost::beast::flat_buffer buffer; // what was read and not yet used

 private:
  boost::asio::ip::tcp::socket socket_;
  std::optional<boost::asio::ssl::stream<boost::asio::ip::tcp::socket&>> tls_;
};

/// Connections that are open and not in use. Used on the client's thread only.
class ConnectionPool {
 public:
  ConnectionPool(boost::asio::io_context& io, std::size_t limit, std::chrono::milliseconds keep)
      : sweep_(io), limit_(limit), keep_(keep) {}

  /// The one used last that is still good; null for none. `key` names the server and the way to it.
  std::unique_ptr<Connection> take(const std::string& key);
  void put(const std::string& key, std::unique_ptr<Connection> connection);

 private:
  struct Idle {
    std::unique_ptr<Connection> connection;
    std::chrono::steady_clock::time_point since;
  };
  void sweep();

  boost::asio::steady_timer sweep_;
  std::size_t limit_;
  std::chrono::milliseconds keep_;
  std::unordered_map<std::string, std::vector<Idle>> idle_; // the one used last at the end
  bool sweeping_ = false;
};

} // namespace anyclaude::upstream
