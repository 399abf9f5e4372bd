#pragma once

#include "gateway/http_server.h"

#include <gtest/gtest.h>

#include <chrono>
#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <utility>

/// A server on a free port, with handlers that tests share.
namespace anyclaude::gateway {

using namespace std::chrono_literals;
using Clock = std::chrono::steady_clock;

inline ErrorAnswer plain_error(int status, const std::string& message) {
  return {{{"x-error", "yes"}}, std::to_string(status) + " " + message};
}

inline bool pass(const HttpRequest&, Responder&) {
  return true;
}

/// Says what it was asked, in the body.
inline void echo(const HttpRequest& request, const std::shared_ptr<Responder>& responder) {
  responder->respond(200, {{"content-type", "text/plain"}},
                     request.method + " " + request.path + " [" + request.query + "] " +
                         request.body);
}

inline std::unique_ptr<HttpServer> serve(Handler handler, HttpOptions options = {},
                                         HeadFilter filter = pass) {
  auto server =
      HttpServer::start(std::move(options), std::move(filter), std::move(handler), plain_error);
  EXPECT_TRUE(server) << server.error();
  return std::move(server).value();
}

inline HttpOptions with_limits(const std::function<void(HttpLimits&)>& change) {
  HttpOptions options;
  options.limits.linger_time = 1s;
  change(options.limits);
  return options;
}

/// Something one thread sets and another waits for.
class Flag {
 public:
  void set() {
    const std::scoped_lock lock(mutex_);
    set_ = true;
    changed_.notify_all();
  }
  bool wait(std::chrono::milliseconds time = 10s) {
    std::unique_lock lock(mutex_);
    return changed_.wait_for(lock, time, [this] { return set_; });
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  bool set_ = false;
};

} // namespace anyclaude::gateway
