#pragma once

#include "upstream/client.h"
#include "upstream/connection.h"
#include "upstream/listening.h"
#include "upstream/proxy.h"

#include <boost/asio/awaitable.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/ssl/context.hpp>
#include <boost/asio/steady_timer.hpp>

#include <atomic>
#include <expected>
#include <memory>
#include <optional>
#include <string>
#include <thread>

namespace anyclaude::upstream {

/// What all calls of a client share. Outlives the client's thread.
struct CallContext {
  boost::asio::io_context& io;
  boost::asio::ssl::context& tls;
  ConnectionPool& pool;
  const ProxyRules& proxies;
  const std::atomic<std::thread::id>& thread;
};

/// One request from its sending to the end of its answer. Lives on the client's thread; cancel()
/// may come from any.
class RequestCall : public std::enable_shared_from_this<RequestCall> {
 public:
  RequestCall(CallContext& context, Request request, Handlers handlers);

  /// Runs the request; the coroutine keeps the call alive.
  boost::asio::awaitable<void> run();

  /// No handler runs after this has returned. What is under way is stopped by stop().
  void silence() { listening_.end(); }
  /// On the client's thread: ends what is under way.
  void stop();

  /// Used by the body's parser.
  bool take_body(std::string_view data);

 private:
  enum class Outcome { done, failed, stale };

  boost::asio::awaitable<std::unique_ptr<Connection>> connect();
  boost::asio::awaitable<bool> reach(const Origin& target);
  boost::asio::awaitable<bool> tunnel(const Proxy& proxy);
  boost::asio::awaitable<bool> secure();
  boost::asio::awaitable<Outcome> exchange(bool reused);
  boost::asio::awaitable<void> write_request();
  boost::asio::awaitable<boost::system::error_code> write(std::string_view bytes,
                                                          std::string_view more = {});
  std::string head_text() const;

  void fail(FailureKind kind, const std::string& what);
  void fail(boost::system::error_code error);
  Failure failure_of(boost::system::error_code error) const;

  void arm(std::chrono::milliseconds time);
  void disarm() { has_deadline_ = false; }
  void watch_deadline();

  CallContext& context_;
  const Request request_;
  std::optional<Proxy> proxy_;
  Listening listening_;
  Handlers handlers_;
  boost::asio::ip::tcp::resolver resolver_;
  boost::asio::steady_timer timer_;
  std::chrono::steady_clock::time_point deadline_;
  bool has_deadline_ = false;
  bool timer_runs_ = false;
  bool expired_ = false;
  bool stopped_ = false;
  bool received_ = false;
  std::unique_ptr<Connection> connection_; // the one in use
};

} // namespace anyclaude::upstream
