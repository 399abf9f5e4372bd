#pragma once

#include "engine/engine.h"
#include "engine/heard.h"
#include "engine/test_models.h"

#include <gtest/gtest.h>

#include <chrono>
#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <utility>

namespace anyclaude::engine {

/// An engine small enough for tests, on one thread: two that wait for each other at barriers are
/// slow where others use the processor.
inline EngineOptions small_engine(const std::filesystem::path& model) {
  EngineOptions options;
  options.model = model;
  options.context_tokens = 4096;
  options.batch_tokens = 64;
  options.threads = 1;
  return options;
}

/// Opens for those who wait at it.
class Gate {
 public:
  void open() {
    const std::scoped_lock lock(mutex_);
    open_ = true;
    changed_.notify_all();
  }
  void wait() {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [this] { return open_; });
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  bool open_ = false;
};

/// What one client hears from the engine's thread.
class Listener {
 public:
  /// The job with its events going here; `also` is called behind that, on the engine's thread.
  Job listening(Job job, std::function<void(const JobEvent&)> also = {}) {
    job.on_event = [state = state_, also = std::move(also)](const JobEvent& event) {
      {
        const std::scoped_lock lock(state->mutex);
        state->heard(event);
        state->changed.notify_all();
      }
      if (also)
        also(event);
    };
    return job;
  }

  Heard now() const {
    const std::scoped_lock lock(state_->mutex);
    return state_->heard;
  }
  Heard wait_until_over() const {
    std::unique_lock lock(state_->mutex);
    state_->changed.wait(lock, [this] { return state_->heard.over(); });
    return state_->heard;
  }

 private:
  struct State {
    mutable std::mutex mutex;
    mutable std::condition_variable changed;
    Heard heard;
  };
  std::shared_ptr<State> state_ = std::make_shared<State>();
};

inline Job job_for(std::vector<Token> prompt, int max_tokens, std::string tenant = "anna") {
  Job job;
  job.tenant = std::move(tenant);
  job.prompt = std::move(prompt);
  job.sampling.temperature = 0;
  job.max_tokens = max_tokens;
  return job;
}

/// Waits until the engine's figures are final: a job's last event comes before the end of its step.
inline void wait_until_idle(const Engine& engine) {
  for (SchedulerStats stats = engine.stats(); stats.running + stats.queued > 0;
       stats = engine.stats())
    std::this_thread::yield();
}

/// Waits until everything is on the disk, without asking for anything; false when that does not
/// come about.
inline bool wait_until_stored(const Engine& engine) {
  const auto limit = std::chrono::steady_clock::now() + std::chrono::seconds(30);
  for (SchedulerStats stats = engine.stats();
       stats.unstored_prefixes > 0 || stats.store.unwritten_bytes > 0; stats = engine.stats()) {
    if (std::chrono::steady_clock::now() > limit)
      return false;
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  return true;
}

/// Submits a job, which the engine must take, and waits until it is over.
inline Heard ask(Engine& engine, Job job) {
  Listener listener;
  const auto handle = engine.submit(listener.listening(std::move(job)));
  EXPECT_TRUE(handle);
  return handle ? listener.wait_until_over() : Heard{};
}

} // namespace anyclaude::engine
