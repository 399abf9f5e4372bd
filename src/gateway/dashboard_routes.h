#pragma once

#include "backend/backend.h"
#include "dashboard/view.h"
#include "gateway/access.h"
#include "gateway/http_server.h"
#include "telemetry/stats.h"

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <filesystem>
#include <list>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <thread>

namespace anyclaude::gateway {

struct DashboardOptions {
  std::string version;
  /// See telemetry::History; empty: there is none, and the last requests stand for all.
  std::filesystem::path history;
};

/// The pages below /ui. A person shows the token once, in a form; then the browser has a cookie
/// that opens these pages and nothing else, and is of no use for asking the model. Thread-safe.
class DashboardRoutes {
 public:
  DashboardRoutes(DashboardOptions options, const Access& access, const backend::Backend& backend,
                  const telemetry::Stats& stats);
  /// Ends the answers to those who follow.
  ~DashboardRoutes();
  DashboardRoutes(const DashboardRoutes&) = delete;
  DashboardRoutes& operator=(const DashboardRoutes&) = delete;

  /// Anything but /ui/state, whose caller was identified before.
  void handle(const HttpRequest& request, std::uint16_t port,
              const std::shared_ptr<Responder>& responder);
  std::string state();

 private:
  dashboard::View view();
  void login(const HttpRequest& request, std::uint16_t port, Responder& responder) const;
  void follow(const std::shared_ptr<Responder>& responder);
  void run();
  struct Periods {
    telemetry::Period today;
    telemetry::Period kept;
  };
  Periods periods(std::int64_t now);

  /// A page that is open, and what it shows.
  struct Follower {
    std::shared_ptr<Responder> responder;
    std::shared_ptr<bool> has_left; // guarded by followers_mutex_
    std::map<std::string, std::string> sections;
  };

  const DashboardOptions options_;
  const Access& access_;
  const backend::Backend& backend_;
  const telemetry::Stats& stats_;

  std::mutex periods_mutex_;
  Periods periods_; // of the history, which is not read for every look
  std::chrono::steady_clock::time_point read_at_;
  bool was_read_ = false;

  std::mutex followers_mutex_;
  std::condition_variable changed_;
  std::list<Follower> followers_;
  bool stopping_ = false;
  std::thread renderer_; // for all followers, so that sockets need not wait for it
};

} // namespace anyclaude::gateway
