#pragma once

#include "backend/backend.h"

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <expected>
#include <functional>
#include <memory>
#include <mutex>
#include <utility>
#include <vector>

namespace anyclaude::gateway {

/// A backend that a test drives by hand: each started generation is kept with its sink, and the
/// test says what it says, from whatever thread.
class FakeBackend : public backend::Backend {
 public:
  struct Started {
    anthropic::Request request;
    backend::Caller caller;
    backend::EventSink sink; // empty once the generation is gone
    bool alive = true;       // its Generation has not been destroyed
  };

  backend::Abilities abilities() const override { return {}; }

  backend::Health health() const override {
    const std::scoped_lock lock(mutex_);
    return health_;
  }
  void set_health(backend::Health health) {
    const std::scoped_lock lock(mutex_);
    health_ = std::move(health);
  }

  std::vector<backend::ModelInfo> models() const override {
    return {{"qwen-tiny", "Qwen tiny", 1'700'000'000, 32'768}, {"other", "Other", 0, 0}};
  }

  std::chrono::milliseconds verdict{0};
  std::chrono::milliseconds verdict_time() const override { return verdict; }

  std::expected<int, anthropic::Error>
  count_tokens(const anthropic::Request& request) const override {
    if (request.model == "refuse") {
      return std::unexpected(anthropic::Error{anthropic::ErrorKind::overloaded, "still loading"});
    }
    return static_cast<int>(request.messages.size()) * 100;
  }

  /// What start() does besides, before it returns; may speak through the sink already.
  std::function<std::expected<void, anthropic::Error>(const anthropic::Request&,
                                                      const backend::EventSink&)>
      on_start;

  std::expected<std::unique_ptr<backend::Generation>, anthropic::Error>
  start(const anthropic::Request& request, const backend::Caller& caller,
        backend::EventSink sink) override {
    if (on_start) {
      if (auto allowed = on_start(request, sink); !allowed) {
        return std::unexpected(allowed.error());
      }
    }
    const std::scoped_lock lock(mutex_);
    started_.push_back({request, caller, std::move(sink)});
    changed_.notify_all();
    return std::make_unique<Work>(*this, started_.size() - 1);
  }

  /// Waits until generation `index` has started; false after ten seconds.
  bool wait_started(std::size_t index) {
    std::unique_lock lock(mutex_);
    return changed_.wait_for(lock, std::chrono::seconds(10),
                             [&] { return started_.size() > index; });
  }
  /// Waits until generation `index` was cancelled or let go of.
  bool wait_gone(std::size_t index) {
    std::unique_lock lock(mutex_);
    return changed_.wait_for(lock, std::chrono::seconds(10),
                             [&] { return started_.size() > index && !started_[index].alive; });
  }

  /// Says something as the backend's thread would: never once the Generation is gone.
  void say(std::size_t index, const std::vector<anthropic::Event>& events) {
    for (const anthropic::Event& event : events) {
      const std::scoped_lock lock(mutex_);
      if (started_.at(index).alive) {
        started_[index].sink(event);
      }
    }
  }
  /// Lets go of the sink without an end, as a backend with a fault would.
  void forget(std::size_t index) {
    backend::EventSink sink;
    const std::scoped_lock lock(mutex_);
    std::swap(sink, started_.at(index).sink);
  }

  anthropic::Request request(std::size_t index) const {
    const std::scoped_lock lock(mutex_);
    return started_.at(index).request;
  }
  backend::Caller caller(std::size_t index) const {
    const std::scoped_lock lock(mutex_);
    return started_.at(index).caller;
  }
  std::size_t running() const {
    const std::scoped_lock lock(mutex_);
    return static_cast<std::size_t>(
        std::count_if(started_.begin(), started_.end(), [](const auto& s) { return s.alive; }));
  }

 private:
  class Work : public backend::Generation {
   public:
    Work(FakeBackend& backend, std::size_t index) : backend_(backend), index_(index) {}
    ~Work() override {
      backend::EventSink last; // destroyed after the lock is released
      const std::scoped_lock lock(backend_.mutex_);
      backend_.started_[index_].alive = false;
      std::swap(last, backend_.started_[index_].sink);
      backend_.changed_.notify_all();
    }

   private:
    FakeBackend& backend_;
    std::size_t index_;
  };

  mutable std::mutex mutex_;
  std::condition_variable changed_;
  backend::Health health_{true, ""};
  std::vector<Started> started_;
};

} // namespace anyclaude::gateway
