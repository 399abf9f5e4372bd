#pragma once

#include "engine/image_encoder.h"
#include "engine/job.h"
#include "engine/model.h"
#include "engine/scheduler.h"

#include <cstdint>
#include <expected>
#include <filesystem>
#include <functional>
#include <memory>
#include <string>

namespace anyclaude::engine {

struct EngineOptions {
  std::filesystem::path model;
  /// What lets the model see images (an "mmproj"); empty: one beside the model that fits; kNone: it
  /// sees none.
  std::filesystem::path projector;
  static constexpr const char* kNone = "none";
  int context_tokens = 0; // 0: what the model was trained for, as far as memory allows
  int models_here = 1;    // that share this machine's memory, each in an engine of its own
  int batch_tokens = 512;
  int max_running = 16;
  int max_queued = 256;
  int threads = 0; // 0: one for each physical core
  int gpu_layers = -1;
  std::string kv_type = "f16";
  /// Where what was measured of a model is kept, so that it is measured once; empty: nowhere.
  std::filesystem::path cache_folder;
  /// Whether what was computed is kept on the disk as well, in the cache folder.
  bool keeps_prefixes = true;
  std::uint64_t store_bytes = 0; // on the disk, of all models; 0: a share of what is free
  /// Called on the engine's thread whenever status() changed; must not block.
  std::function<void()> on_status_change;
  /// Called on the engine's thread when the model is loaded, with the longest prompt and answer in
  /// tokens, before status() says that it is ready.
  std::function<void(const Model& model, int context_tokens)> on_loaded;
};

enum class EngineState { loading, ready, failed };

struct EngineStatus {
  EngineState state = EngineState::loading;
  float progress = 0; // of loading, 0 … 1
  std::string error;  // when failed
};

/// Whether a store that should have stored something by now has stored nothing.
bool is_store_inert(const SchedulerStats& stats);

/// One model and the one thread that makes every libllama call for it. All functions are
/// thread-safe.
class Engine {
 public:
  /// Returns at once; the model is loaded on the engine's thread.
  explicit Engine(EngineOptions options);
  ~Engine(); // fails what is running and joins the thread
  Engine(const Engine&) = delete;
  Engine& operator=(const Engine&) = delete;

  EngineStatus status() const;
  /// Waits until loading has ended, well or not.
  EngineStatus wait_until_loaded() const;

  /// Valid once the state is ready, and then constant.
  const Model& model() const;
  /// Null when the model sees no images. Valid once the state is ready, and then constant.
  ImageEncoder* images() const;
  /// Longest prompt with its answer, in tokens.
  int context_tokens() const;
  /// Whether computed prefixes are shared between requests of one tenant. Valid once the state is
  /// ready, and then constant.
  bool reuses_prefixes() const;

  /// A submitted job. Destroying it cancels the job within one batch; after the destructor has
  /// returned, the job's callbacks are not called any more. The destructor must not run inside one
  /// of those callbacks.
  class Handle {
   public:
    virtual ~Handle() = default;
  };

  enum class Refusal { not_ready, queue_full };

  /// The prompt must have at least one token and fit the context.
  std::expected<std::unique_ptr<Handle>, Refusal> submit(Job job);

  SchedulerStats stats() const;

  /// The prefixes that there are, as they were at most half a second before; older ones where the
  /// thread is busy with a batch, for which this waits a moment. Null until the model is ready, or
  /// when there is nothing yet to show.
  std::shared_ptr<const kv::PrefixOutline> outline() const;

  /// Says that others have changed what is on the disk, or removed all of it: then what is in
  /// memory beside the model's goes too. Done between two batches: then store_changes_seen() is at
  /// least the result.
  std::uint64_t store_changed(bool was_cleared);
  std::uint64_t store_changes_seen() const;

 private:
  struct State;
  std::shared_ptr<State> state_;
};

} // namespace anyclaude::engine
