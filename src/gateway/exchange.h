#pragma once

#include "gateway/http_server.h"

#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>

#include <exception>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace anyclaude::gateway {

/// The way onto the socket thread for every other one, open as long as the server lives: a
/// responder may outlive it.
class Gate {
 public:
  explicit Gate(boost::asio::io_context& io) : io_(&io) {}

  template <typename Function>
  void post(Function function) {
    const std::scoped_lock lock(mutex_);
    if (io_ != nullptr) {
      boost::asio::post(*io_, std::move(function));
    }
  }

  void close() {
    const std::scoped_lock lock(mutex_);
    io_ = nullptr;
  }

 private:
  std::mutex mutex_;
  boost::asio::io_context* io_;
};

/// One request being answered, as the socket thread sees it: what is to be sent, and who wants to
/// know when the client leaves. Used on the socket thread only, but may be destroyed on any: when
/// the exchange is over it holds nothing of the socket thread's any more.
class Exchange : public std::enable_shared_from_this<Exchange> {
 public:
  struct Traits {
    bool head_request = false;
    bool http_1_0 = false;
    bool keep_alive = true;
  };

  Exchange(boost::asio::io_context& io, Traits traits, std::size_t unsent_limit,
           const MakeError& make_error)
      : io_(io), make_error_(make_error), traits_(traits), unsent_limit_(unsent_limit) {}

  // The producer's side.
  void respond(int status, const Headers& headers, const std::string& body);
  void begin(int status, const Headers& headers);
  void write(const std::string& chunk);
  void end();
  void on_disconnect(std::function<void()> callback);
  void every(std::chrono::milliseconds period, std::function<void()> callback);
  /// No answer will come from the producer.
  void abandon(const std::string& message);

  // The connection's side.
  /// Called whenever there is something to do for the connection.
  void set_wake(std::function<void()> wake) { wake_ = std::move(wake); }
  /// The answer will be the connection's last.
  void close_after() { traits_.keep_alive = false; }
  void stay_open(bool keep_alive) { traits_.keep_alive = keep_alive; }
  bool keep_alive() const { return traits_.keep_alive; }
  bool ended() const { return ended_; }
  bool broken() const { return broken_; } // must be cut off, nothing more to send
  bool has_output() const { return !output_.empty(); }
  std::string take_output() { return std::exchange(output_, {}); }
  void set_in_flight(std::size_t bytes) { in_flight_ = bytes; }
  /// The client sends no more: whoever works for it is told to stop.
  void client_left();
  /// The connection is no more.
  void cut();
  /// Does something of the producer's. Where that fails, for want of memory mostly, the client is
  /// cut off and the others are served on.
  template <typename Function>
  void attempt(Function&& work) {
    try {
      std::forward<Function>(work)();
    } catch (const std::exception& error) {
      fail(error);
    }
  }

 private:
  void complete();
  void release();
  void fail(const std::exception& error);
  void run_timer(std::size_t index);
  void wake() const;

  struct Periodic {
    std::unique_ptr<boost::asio::steady_timer> timer;
    std::chrono::milliseconds period;
    std::function<void()> callback;
  };

  boost::asio::io_context& io_;
  const MakeError& make_error_;
  Traits traits_;
  std::size_t unsent_limit_;
  std::string output_;
  std::size_t in_flight_ = 0; // taken by the connection, not yet sent
  std::size_t missing_ = 0;   // of a body whose length was stated
  bool begun_ = false;
  bool chunked_ = false;
  bool ended_ = false;
  bool left_ = false;
  bool broken_ = false;
  std::function<void()> on_disconnect_;
  std::vector<Periodic> timers_;
  std::function<void()> wake_;
};

/// The Responder that handlers get. Destroyed without a complete answer, it abandons the exchange.
std::shared_ptr<Responder> make_responder(std::shared_ptr<Gate> gate,
                                          std::shared_ptr<Exchange> exchange);

} // namespace anyclaude::gateway
