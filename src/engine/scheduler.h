#pragma once

#include "engine/batch_shaper.h"
#include "engine/block_mover.h"
#include "engine/decoder.h"
#include "engine/job.h"
#include "kv/prefix_cache.h"
#include "text/stop_sequences.h"
#include "text/utf8.h"

#include <cstdint>
#include <deque>
#include <functional>
#include <list>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace anyclaude::engine {

using JobId = std::uint64_t;

struct SchedulerOptions {
  int context_tokens = 4096; // cells of the pool, and the longest sequence
  int batch_tokens = 512;    // most tokens in one decode
  int max_running = 16;      // requests computed side by side
  int max_queued = 256;      // further ones are refused
  int sequences = 64;        // running requests and idle prefixes together
  /// Whether computed prefixes may be shared.
  bool reuse = true;
  /// Whether requests may start from checkpoints only: the model's memory is not plain full
  /// attention, and a fork at any other place would be silently wrong.
  bool checkpoints = false;
  std::size_t checkpoint_bytes = 512U << 20; // in host memory
  /// Whether small batches may be filled up with throw-away tokens (see BatchShaper). They live in
  /// sequence number `sequences`, which the decoder must have beside the others.
  bool shape_batches = false;
  /// Where prefixes are kept that leave the pool; null: nowhere. Not with checkpoints. The decoder
  /// must have sequence number `sequences` beside the others.
  kv::BlockStore* store = nullptr;
  /// Milliseconds of a clock that never goes back; the system's when empty.
  std::function<double()> now{};
};

struct SchedulerStats {
  int running = 0;
  int queued = 0;
  /// Passed to decode since the start, without the one token for each step of an answer: prompts,
  /// and what a paused job had to compute again.
  std::uint64_t computed_tokens = 0;
  std::uint64_t reused_tokens = 0;
  std::uint64_t generated_tokens = 0;
  std::size_t cells_used = 0;
  std::size_t cells = 0;
  std::uint64_t evicted_tokens = 0;
  std::uint64_t padding_tokens = 0;   // computed and thrown away to make small batches faster
  std::uint64_t restored_tokens = 0;  // of the reused ones, brought back from the store
  std::uint64_t moved_out_tokens = 0; // idle ones that left the pool for the store
  std::size_t stored_blocks = 0;
  std::size_t stored_bytes = 0; // in host memory
};

/// Decides what goes into each batch: continuous batching with chunked prefill. Every batch takes
/// one token of each running answer first and fills up with parts of prompts, shared fairly, so
/// that answers keep streaming while a long prompt is computed. A request whose prefix another one
/// is computing just now waits for it instead of computing it again.
/// Used by one thread.
class Scheduler {
 public:
  Scheduler(Decoder& decoder, SchedulerOptions options);

  /// False when the queue is full. The prompt must fit the context.
  bool add(JobId id, Job job);

  /// Stops a job within the current step; no event follows. What it had computed stays.
  void cancel(JobId id);

  /// Computes one batch. False when there was nothing to do.
  bool step();

  /// With nothing to do, copies idle prefixes to the store and measures what batches cost. One
  /// block or batch at most; false when there is nothing of that either.
  bool measure();

  /// Ends every job with JobFailed.
  void fail_all(const std::string& message);

  SchedulerStats stats() const;

  /// Throws std::logic_error when the books contradict themselves. For tests.
  void check() const;

 private:
  struct Running;
  using RunningList = std::list<std::unique_ptr<Running>>;

  void admit();
  bool must_wait_for_prefix(const Running& candidate) const;
  bool try_start(Running& job);
  void bring_back();
  bool is_answering() const;
  bool make_room(std::size_t tokens);
  std::vector<BatchToken> compose();
  void compute(std::span<const BatchToken> batch);
  DecodeStatus decode(std::span<const BatchToken> batch, std::size_t padding);
  void after_batch(Running& job, std::span<const BatchToken> batch);
  void sample(Running& job, int index);
  void emit_text(Running& job, std::string_view bytes);
  void end(Running& job, EndReason reason, std::string stop_sequence = {});
  void fail(Running& job, const std::string& message);
  void leave(Running& job);
  void suspend(Running& job);
  void spoil(Running& job);
  void sweep();

  Decoder& decoder_;
  SchedulerOptions options_;
  std::unique_ptr<kv::PrefixCache> tree_;
  BatchShaper shaper_;
  std::unique_ptr<BlockMover> mover_;          // null: without a store
  RunningList running_;                        // in order of admission
  std::deque<std::unique_ptr<Running>> queue_; // in order of arrival; suspended ones in front
  std::uint64_t computed_tokens_ = 0;
  std::uint64_t reused_tokens_ = 0;
  std::uint64_t generated_tokens_ = 0;
  std::uint64_t padding_tokens_ = 0;

 public:
  ~Scheduler();
};

} // namespace anyclaude::engine
