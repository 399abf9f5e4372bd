#pragma once

#include <atomic>
#include <mutex>
#include <thread>

namespace anyclaude::upstream {

/// Whether somebody still listens to what happens on the client's thread.
class Listening {
 public:
  explicit Listening(const std::atomic<std::thread::id>& thread) : thread_(thread) {}

  /// Runs a handler unless nobody listens any more. Whether somebody still does. On the client's
  /// thread.
  template <typename Function>
  bool tell(Function function) {
    const std::scoped_lock lock(mutex_);
    if (!silent_)
      function();
    return !silent_;
  }

  /// No handler runs after this has returned. From any thread.
  void end() {
    if (std::this_thread::get_id() == thread_.load()) {
      silent_ = true; // from a handler, maybe the very one: waiting for it would be for ever
      return;
    }
    const std::scoped_lock lock(mutex_);
    silent_ = true;
  }

  bool ended() const { return silent_; }

 private:
  const std::atomic<std::thread::id>& thread_;
  std::mutex mutex_; // held while a handler runs
  std::atomic<bool> silent_ = false;
};

} // namespace anyclaude::upstream
