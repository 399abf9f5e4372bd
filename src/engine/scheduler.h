#pragma once

#include "engine/batch_costs.h"
#include "engine/decoder.h"
#include "engine/job.h"
#include "engine/prefix_mover.h"
#include "engine/prompt_turns.h"
#include "engine/recent_prompts.h"
#include "engine/running_job.h"
#include "kv/prefix_cache.h"

#include <cstdint>
#include <functional>
#include <list>
#include <memory>
#include <span>
#include <string>
#include <vector>

namespace anyclaude::engine {

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
  /// Whether answers and prompts are computed in batches of their own, in turn. On a CPU a token of
  /// an answer in a large batch costs as much attention as a tile of 64 tokens that looks at the
  /// cells of all answers together; alone, each looks at its own.
  bool separate = false;
  /// How long an answer may stand still for parts of prompts, where the time can be kept: some of
  /// a prompt is computed between two tokens of it, however long that takes.
  double gap_ms = 100;
  /// Milliseconds from any moment on; the steady clock when empty.
  std::function<double()> clock;
  /// Where prefixes are kept that leave the pool; null: nowhere. The decoder must have sequence
  /// number `sequences` beside the others, unless with checkpoints.
  kv::BlockStore* store = nullptr;
  double store_from_share = 0; // of the pool: see MoverOptions::from_share
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
  std::uint64_t paused = 0;   // times that a job was put back into the queue
  std::size_t idle_cells = 0; // of those used: running jobs do not hold them
  std::size_t span = 0;       // see Decoder::span()
  std::size_t checkpoints = 0;
  std::size_t checkpoint_bytes = 0;
  std::uint64_t restored_tokens = 0;  // of the reused ones, brought back from the store
  std::uint64_t moved_out_tokens = 0; // idle ones that left the pool for the store
  std::uint64_t restored_bytes = 0;   // as they are stored
  double restoring_ms = 0;            // from the first to the last piece, all requests added up
  std::uint64_t lost_tokens = 0;      // worth keeping, and could not be stored
  bool has_disk = false;              // beside the store's host memory
  std::size_t unstored_prefixes = 0;  // that wait to be copied to the store
  std::uint64_t copied_blocks = 0;    // from the model's memory to the store
  double copying_ms = 0;              // that it took, on the thread that computes
  kv::BlockStoreStats store;
};

/// Decides what goes into each batch: continuous batching with chunked prefill. Every batch takes
/// one token of each running answer first and then parts of prompts, in the order of PromptTurns:
/// as many as fit the batch while no answer runs, and otherwise as many as can be computed in the
/// time that answers may stand still. A request whose prefix another one is computing just now
/// waits for it instead of computing it again, and lends it its priority meanwhile.
///
/// Requests are started by priority, then in order of arrival. One of high priority takes the place
/// and the cells of those of low priority where there are not enough, and these go on later; but
/// who was overtaken RunningJob::kPatience times is overtaken no more.
///
/// An image is a batch of its own: it goes in as embeddings, and whole, so that nothing ever begins
/// inside one. A prompt whose image is not encoded yet waits, and the others go on.
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

  /// With nothing to do, copies idle prefixes to the store and measures what moving them costs. One
  /// block or batch at most; false when there is nothing of that either.
  bool work_while_idle();

  /// Ends every job with JobFailed.
  void fail_all(const std::string& message);

  SchedulerStats stats() const;

  /// Every prefix, in the pool or the store or asked for by a job: at most `most` stretches of
  /// them. Takes a look at every block: milliseconds where there are thousands.
  kv::PrefixOutline outline(std::size_t most) const;

  /// Throws std::logic_error when the books contradict themselves. For tests.
  void check() const;

 private:
  bool drop_failed_images();
  void admit();
  RunningJob* computes_prefix_of(const RunningJob& candidate) const;
  bool make_place(RunningJob& job);
  bool try_start(RunningJob& job);
  bool is_full() const;
  RunningJob* last_below(Priority priority) const;
  void bring_back();
  void begin_restore(RunningJob& job);
  void end_restore(RunningJob& job);
  void restart(RunningJob& job);
  bool is_answering() const;
  std::vector<RunningJob*> prompts() const;
  void wait_for_what_comes();
  std::size_t prompt_room(std::span<const BatchToken> answers,
                          const std::vector<RunningJob*>& prompts) const;
  std::vector<BatchToken> compose() const;
  void compute(std::span<const BatchToken> batch);
  DecodeStatus decode(std::span<const BatchToken> batch);
  void after_batch(RunningJob& job, std::span<const BatchToken> batch);
  void sample(RunningJob& job, int index);
  void emit_text(RunningJob& job, std::string_view bytes);
  void end(RunningJob& job, EndReason reason, std::string stop_sequence = {});
  void fail(RunningJob& job, const std::string& message);
  void leave(RunningJob& job);
  void suspend(RunningJob& job);
  void spoil(RunningJob& job);
  void sweep();
  void remember(RunningJob& job);

  Decoder& decoder_;
  SchedulerOptions options_;
  std::unique_ptr<kv::PrefixCache> tree_;
  std::unique_ptr<PrefixMover> mover_; // null: without a store
  RecentPrompts recent_;
  BatchCosts costs_;
  PromptTurns turns_;
  std::list<std::unique_ptr<RunningJob>> running_; // in order of admission
  std::vector<std::unique_ptr<RunningJob>> queue_; // in order only within admit()
  bool answers_next_ = false; // where answers and prompts are computed separately
  double answers_took_ = 0;   // milliseconds, the last batch of answers alone
  std::uint64_t arrivals_ = 0;
  std::uint64_t paused_ = 0;
  std::uint64_t computed_tokens_ = 0;
  std::uint64_t reused_tokens_ = 0;
  std::uint64_t generated_tokens_ = 0;
  std::uint64_t restored_tokens_ = 0;
  std::uint64_t restored_bytes_ = 0;
  double restoring_ms_ = 0;
};

} // namespace anyclaude::engine
