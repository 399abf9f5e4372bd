#pragma once

#include "anthropic/events.h"
#include "anthropic/messages.h"
#include "kv/prefix_outline.h"
#include "prompt/prompt_watch.h"

#include <chrono>
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

/// One of those that answer, and how it is.
struct ServerStatus {
  std::string backend; // as rules name it
  std::string id;      // its address; "here": this process
  Health health;
  /// Whether requests are sent to it: what has failed is passed over until it answers again.
  bool up = true;
  int running = 0; // requests
  std::vector<ModelInfo> models;
};

/// What a backend can do by itself. What it cannot is made up for where that is possible: tools are
/// described in the prompt, images become a line of text.
struct Abilities {
  bool tools = false;    // calls of tools, as such
  bool thinking = false; // tells thinking from text
  bool images = false;
  bool reports_cached_tokens = false; // otherwise no usage says what was reused
  int context_tokens = 0;             // prompt and answer together; 0: not known, or not yet
};

/// What a backend that computes by itself is doing now, and has done since it started.
struct EngineNumbers {
  int running = 0;
  int queued = 0;
  std::uint64_t computed_tokens = 0; // of prompts, passed to the model
  std::uint64_t generated_tokens = 0;
  std::size_t cells_used = 0;         // tokens in the KV cache, idle prefixes included
  std::size_t cells = 0;              // 0 until the model is loaded
  std::uint64_t evicted_tokens = 0;   // of idle prefixes, to make room
  std::uint64_t moved_out_tokens = 0; // of idle prefixes that left the KV cache for the store
  std::uint64_t paused = 0;           // times that a request was put back into the queue
  std::size_t cells_idle = 0;         // of those used: no running request holds them
  std::size_t cells_spanned = 0;      // that the last batch's attention walked over; 0: not known
  std::size_t checkpoints = 0;        // saved states
  std::size_t checkpoint_bytes = 0;   // that they take in host memory
  std::size_t stored_bytes = 0;       // of prefixes kept in host memory beside the KV cache
  std::uint64_t stored_tokens_restored = 0; // that came back from there instead of being computed
  std::uint64_t stored_bytes_restored = 0;  // that they took
  double restoring_seconds = 0;             // that requests waited for them
  std::size_t disk_blocks = 0;              // files of the store
  std::uint64_t disk_bytes = 0;
  std::uint64_t disk_blocks_written = 0; // since the start
  std::uint64_t unwritten_bytes = 0;     // of files that are still to be written
  std::uint64_t copied_blocks = 0;       // out of the KV cache
  double copying_seconds = 0;            // that it took, between batches
  std::uint64_t unstored_tokens = 0;     // worth keeping, and could not be stored
  std::size_t replay_bytes = 0;          // of answers that are remembered in host memory
  std::size_t tokenized_bytes = 0;       // of texts that are remembered there with their tokens
  bool store_is_inert = false;           // should have stored something, and has stored nothing
};

/// Who asks: the identity behind a token. One token is one tenant, and nothing computed for one
/// tenant is ever reused for another.
struct Caller {
  std::string tenant;
  /// Nobody looks at the answer while it is made: it may wait for those that somebody looks at.
  bool background = false;
  /// Nothing of what is said may reach the disk.
  bool is_private = false;
  /// The conversation's client session, the same in all its requests: the client's own id of it, or
  /// the launcher's. Empty: not known. Chosen by the client: a key for routing, not an identity.
  std::string session{};
  std::string agent{}; // the subagent that asks, by the client's id of it; empty: the main loop
  /// The same for every request of one conversation, and a hash, so that nobody is known by it.
  /// Chooses among copies of a server, whose caches differ. Empty: not known.
  std::string session_key{};
  /// That a route asks the backend for, as it calls it; empty: the backend's own. Not the name that
  /// the client gave, which means nothing to a server of other models.
  std::string model{};
};

/// A request goes to the real Claude as it came, byte for byte.
struct PassedOn {
  std::string model; // to ask for instead of the client's; empty: as the client named it
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

  virtual Abilities abilities() const = 0;
  virtual Health health() const = 0;
  virtual std::vector<ModelInfo> models() const = 0;

  /// How long after start() a failure may still come that should be the HTTP status: headers of a
  /// stream wait this long for the first event. 0: what can be refused at once, start() refuses.
  virtual std::chrono::milliseconds verdict_time() const { return std::chrono::milliseconds(0); }

  /// Nothing from a backend whose computing is done elsewhere.
  virtual std::optional<EngineNumbers> engine_numbers() const { return std::nullopt; }

  /// The prefixes that it has computed and keeps; null from a backend whose computing is done
  /// elsewhere, or before there is one. May take a tenth of a second while it computes.
  virtual std::shared_ptr<const kv::PrefixOutline> prefixes() const { return nullptr; }

  /// Every server that answers for it; one, unless it stands for several.
  virtual std::vector<ServerStatus> servers() const;

  /// How far the last prompts begin like those before, oldest first. Nothing from a backend that
  /// renders none.
  virtual std::vector<prompt::PromptReport> prompt_reports() const { return {}; }

  /// Tokens of the prompt that `request` would make.
  virtual std::expected<int, anthropic::Error>
  count_tokens(const anthropic::Request& request) const = 0;

  /// Set when `request` is not for this backend to answer, but for the real Claude.
  virtual std::optional<PassedOn> passes_through(const anthropic::Request& /*request*/,
                                                 const Caller& /*caller*/) const {
    return std::nullopt;
  }

  /// Begins to answer. An error here (too long, queue full, not ready) has cost no computation and
  /// becomes the HTTP status; later ones arrive as Failed. May take tens of milliseconds (template,
  /// tokenizer): not for a thread that serves sockets.
  virtual std::expected<std::unique_ptr<Generation>, anthropic::Error>
  start(const anthropic::Request& request, const Caller& caller, EventSink sink) = 0;
};

} // namespace anyclaude::backend
