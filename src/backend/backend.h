#pragma once

#include "anthropic/events.h"
#include "anthropic/messages.h"

#include <cstddef>
#include <cstdint>
#include <expected>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace anyclaude::backend {

/// One model that a backend can answer with.
struct ModelInfo {
  std::string id;
  std::string display_name;
  std::int64_t created_unix = 0; // seconds
  int context_tokens = 0;
};

struct Health {
  bool ready = false;
  std::string detail; // when not ready: what it waits for or what to do
};

/// What a backend that computes by itself is doing now, and has done since it started.
struct EngineNumbers {
  int running = 0;
  int queued = 0;
  std::uint64_t computed_tokens = 0; // of prompts, passed to the model
  std::uint64_t generated_tokens = 0;
  std::size_t cells_used = 0; // tokens in the KV cache, idle prefixes included
  std::size_t cells = 0;      // 0 until the model is loaded
  std::uint64_t evicted_tokens = 0;
  std::uint64_t paused = 0;         // times that a request was put back into the queue
  std::size_t cells_idle = 0;       // of those used: no running request holds them
  std::size_t cells_spanned = 0;    // that the last batch's attention walked over; 0: not known
  std::size_t checkpoints = 0;      // saved states
  std::size_t checkpoint_bytes = 0; // that they take in host memory
  std::size_t stored_bytes = 0;     // of prefixes kept in host memory beside the KV cache
  std::uint64_t stored_tokens_restored = 0; // that came back from there instead of being computed
  std::uint64_t stored_bytes_restored = 0;  // that they took
  double restoring_seconds = 0;             // that requests waited for them
  std::size_t disk_blocks = 0;              // files of the store
  std::uint64_t disk_bytes = 0;
  std::uint64_t disk_blocks_written = 0; // since the start
  std::uint64_t unstored_tokens = 0;     // worth keeping, and could not be stored
  bool store_is_inert = false;           // should have stored something, and has stored nothing
};

/// Who asks: the identity behind a token. One token is one tenant, and nothing computed for one
/// tenant is ever reused for another.
struct Caller {
  std::string tenant;
  /// Nobody looks at the answer while it is made: it may wait for those that somebody looks at.
  bool background = false;
};

/// Called from any thread, in order, never after the Generation's destructor has returned. Must not
/// block: it runs on the thread that computes.
using EventSink = std::function<void(anthropic::Event)>;

/// An answer being made. Destroying it cancels the work within one batch; the prefix that was
/// computed stays for the next request.
class Generation {
 public:
  virtual ~Generation() = default;
};

/// Whatever can answer a request: our own engine, a server that speaks OpenAI's API, the real
/// Claude. All functions are thread-safe.
class Backend {
 public:
  virtual ~Backend() = default;

  virtual Health health() const = 0;
  virtual std::vector<ModelInfo> models() const = 0;

  /// Nothing from a backend whose computing is done elsewhere.
  virtual std::optional<EngineNumbers> engine_numbers() const { return std::nullopt; }

  /// Tokens of the prompt that `request` would make.
  virtual std::expected<int, anthropic::Error>
  count_tokens(const anthropic::Request& request) const = 0;

  /// Begins to answer. An error here (too long, queue full, not ready) has cost no computation and
  /// becomes the HTTP status; later ones arrive as Failed. May take tens of milliseconds (template,
  /// tokenizer): not for a thread that serves sockets.
  virtual std::expected<std::unique_ptr<Generation>, anthropic::Error>
  start(const anthropic::Request& request, const Caller& caller, EventSink sink) = 0;
};

} // namespace anyclaude::backend
