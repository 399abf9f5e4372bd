#pragma once

#include "upstream/url.h"

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/read.hpp>
#include <boost/asio/write.hpp>

#include <atomic>
#include <functional>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

namespace anyclaude::upstream {

/// One connection of a ScriptedServer, with blocking reads and writes.
class ScriptedPeer {
 public:
  explicit ScriptedPeer(boost::asio::ip::tcp::socket& socket) : socket_(socket) {}

  /// A whole request with its body; empty when the client has closed.
  std::string read_request() {
    boost::system::error_code error;
    while (!complete()) {
      char bytes[65536];
      const auto size = socket_.read_some(boost::asio::buffer(bytes), error);
      if (error)
        return {};
      input_.append(bytes, size);
    }
    const std::string request = input_.substr(0, length_);
    input_.erase(0, length_);
    return request;
  }

  void write(std::string_view bytes) {
    boost::system::error_code ignored;
    boost::asio::write(socket_, boost::asio::buffer(bytes), ignored);
  }

  /// Waits until the client closes.
  void read_end() { read_request(); }

  void close() {
    boost::system::error_code ignored;
    ignored = socket_.close(ignored);
  }

 private:
  bool complete() {
    const auto end = input_.find("\r\n\r\n");
    if (end == std::string::npos)
      return false;
    std::size_t body = 0;
    if (const auto at = input_.find("Content-Length: "); at < end)
      body = std::stoul(input_.substr(at + 16));
    length_ = end + 4 + body;
    return input_.size() >= length_;
  }

  boost::asio::ip::tcp::socket& socket_;
  std::string input_;
  std::size_t length_ = 0;
};

/// A server on a port of its own that does to each connection, on a thread of its own, what a test
/// says.
class ScriptedServer {
 public:
  using Script = std::function<void(ScriptedPeer& peer, int connection)>; // counted from 0

  explicit ScriptedServer(Script script)
      : script_(std::move(script)), acceptor_(io_, {boost::asio::ip::make_address("127.0.0.1"), 0}),
        port_(acceptor_.local_endpoint().port()), thread_([this] { accept(); }) {}

  ~ScriptedServer() {
    stopping_ = true;
    boost::system::error_code ignored;
    boost::asio::ip::tcp::socket wake(io_);
    ignored = wake.connect({boost::asio::ip::make_address("127.0.0.1"), port_}, ignored);
    thread_.join();
    {
      const std::scoped_lock lock(mutex_);
      for (auto& socket : sockets_) // ends blocking reads
        ignored = socket->shutdown(boost::asio::ip::tcp::socket::shutdown_both, ignored);
    }
    for (auto& thread : threads_)
      thread.join();
  }
  ScriptedServer(const ScriptedServer&) = delete;
  ScriptedServer& operator=(const ScriptedServer&) = delete;

  Origin origin() const { return {false, "127.0.0.1", port_}; }
  std::string url() const { return to_string(origin()); }
  int connections() const { return connections_; }

 private:
  void accept() {
    while (true) {
      auto socket = std::make_shared<boost::asio::ip::tcp::socket>(io_);
      boost::system::error_code error;
      error = acceptor_.accept(*socket, error);
      if (error || stopping_)
        return;
      const int number = connections_++;
      const std::scoped_lock lock(mutex_);
      sockets_.push_back(socket);
      threads_.emplace_back([this, socket, number] {
        ScriptedPeer peer(*socket);
        script_(peer, number);
        boost::system::error_code ignored; // the socket itself stays until the server ends
        ignored = socket->shutdown(boost::asio::ip::tcp::socket::shutdown_both, ignored);
      });
    }
  }

  Script script_;
  boost::asio::io_context io_;
  boost::asio::ip::tcp::acceptor acceptor_;
  std::uint16_t port_;
  std::atomic<bool> stopping_ = false;
  std::atomic<int> connections_ = 0;
  std::mutex mutex_;
  std::vector<std::shared_ptr<boost::asio::ip::tcp::socket>> sockets_;
  std::vector<std::thread> threads_;
  std::thread thread_;
};

} // namespace anyclaude::upstream
