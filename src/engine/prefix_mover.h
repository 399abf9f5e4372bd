#pragma once

#include "engine/decoder.h"
#include "engine/transfer_costs.h"
#include "kv/block_store.h"

#include <chrono>
#include <cstdint>
#include <deque>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace anyclaude::engine {

struct MoverOptions {
  /// A sequence of the decoder's that is nobody's, for probes.
  SequenceId scratch = -1;
  int batch_tokens = 0; // most in one decode
  /// Host memory keeps copies once so much of the pool is used: before, nothing has to leave it.
  double from_share = 0;
  /// Milliseconds of a clock that never goes back.
  std::function<double()> now;
};

/// Moves what was computed between the model's memory and a block store. How depends on the
/// memory: at any token (BlockMover) or at checkpoints (CheckpointMover). What both do alike is
/// here.
///
/// Out: blocks are copied while nothing else is to do, and one between two batches where that costs
/// little of the time.
/// Back: a request whose prefix is stored gets it piece by piece, when loading is expected to take
/// less time than computing. All by measured times (TransferCosts).
/// Used by the scheduler's thread.
class PrefixMover {
 public:
  PrefixMover(Decoder& decoder, kv::BlockStore& store, MoverOptions options, std::size_t cells);
  virtual ~PrefixMover() = default;
  PrefixMover(const PrefixMover&) = delete;
  PrefixMover& operator=(const PrefixMover&) = delete;

  using Piece = kv::BlockStore::Piece;

  /// A request begins with `reused` of its tokens in its sequence: what of the others should be
  /// brought back, in this order. Leading `stable` tokens are tools and stable system text. What is
  /// unkept (see kv::unkept()) finds what its tenant has kept as well.
  virtual std::deque<Piece> admit(const std::string& tenant, std::span<const Token> tokens,
                                  int reused, int stable) = 0;

  enum class Brought {
    yes,
    coming, // it is still being read
    no,     // it cannot be had, nor can those behind it
  };
  /// Brings the first piece back behind what the sequence has. `tokens` are the request's.
  Brought bring_back(const std::deque<Piece>& pieces, SequenceId sequence,
                     std::span<const Token> tokens);

  /// Nobody waits for these pieces any more. Empties the list.
  void give_up(std::deque<Piece>& pieces);

  /// Waits for what is being read, for a moment at most.
  void wait() { store_.wait(coming_, std::chrono::milliseconds(10)); }

  /// `tokens` were computed and are worth keeping; leading `stable` ones are tools and stable
  /// system text.
  virtual void keep(const std::string& /*tenant*/, std::span<const Token> /*tokens*/,
                    int /*stable*/) {}

  /// A checkpoint was made behind `tokens`.
  virtual void keep_checkpoint(const std::string& /*tenant*/, std::span<const Token> /*tokens*/) {}

  /// A request has left its sequence, which may be idle from now on.
  virtual void left(SequenceId /*sequence*/) {}

  /// A batch was computed with `span` cells in use.
  virtual void computed(int tokens, std::size_t span, double milliseconds);

  /// Whether answers are being written, which wait for what is done before the next batch.
  void answering(bool any) { answering_ = any; }

  /// What may be done between two batches of running requests: at most one block is copied.
  virtual void between_batches();

  /// With nothing else to do: copies one block, or makes one measurement. False when there is
  /// nothing of that either.
  virtual bool work_while_idle();

  const TransferCosts& costs() const { return costs_; }
  /// Idle tokens that left the model's memory since they cost others too much.
  virtual std::uint64_t moved_out_tokens() const { return 0; }
  /// Prefixes that wait to be copied.
  std::size_t waiting() const { return keeping_.size(); }
  /// Tokens that were worth keeping and could not be stored.
  std::uint64_t lost_tokens() const { return lost_tokens_; }
  /// Blocks that were copied, and the milliseconds that it took: what a batch may have waited for.
  std::uint64_t copied_blocks() const { return copied_blocks_; }
  double copying_ms() const { return copying_ms_; }
  /// Milliseconds that bringing pieces back is expected to take; none before that was measured.
  std::optional<double> restore_time(std::span<const Piece> pieces) const;

 protected:
  struct Keeping {
    std::string tenant;
    std::vector<Token> tokens;
    int stable = 0;
  };

  /// Puts a piece, which begins in front of or at `begin`, behind what the sequence has.
  virtual bool load(const kv::Block& block, const Piece& piece, SequenceId sequence,
                    std::span<const Token> tokens) = 0;
  /// Copies the next block that is not stored yet; false when there is none.
  virtual bool copy_next() = 0;

  /// Copies [begin, end) of a sequence, and times it. False when they cannot be had.
  bool export_cells(SequenceId sequence, int begin, int end, std::vector<std::byte>& cells);
  void remember(const std::string& tenant, std::span<const Token> tokens, int stable);
  bool is_slower_than_computing(std::span<const Piece> pieces, int reused) const;
  /// Seconds that computing a block takes, for the store.
  double seconds(int begin, int end) const;

  Decoder& decoder_;
  kv::BlockStore& store_;
  MoverOptions options_;
  TransferCosts costs_;
  std::deque<Keeping> keeping_; // in order of arrival
  double bytes_per_token_ = 0;
  std::uint64_t lost_tokens_ = 0;
  std::uint64_t copied_blocks_ = 0;
  double copying_ms_ = 0;
  bool copied_ = false; // a block, since the last batch
  bool answering_ = false;

 private:
  void read_rates();
  void keep_rates();
  double block_time() const;

  bool has_measured_ = false; // since the rates were kept
  double credit_ = 0;         // milliseconds that copying may take between batches
  kv::BlockKey coming_;       // what the last request that has to wait, waits for
};

} // namespace anyclaude::engine
