#pragma once

#include "engine/decoder.h"
#include "engine/transfer_costs.h"
#include "kv/block_store.h"
#include "kv/prefix_tree.h"

#include <chrono>
#include <cstdint>
#include <deque>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace anyclaude::engine {

struct BlockMoverOptions {
  /// A sequence of the decoder's that is nobody's, for probes.
  SequenceId scratch = -1;
  int batch_tokens = 0; // most in one decode
  /// Host memory keeps copies once so much of the pool is used: before, nothing has to leave it.
  double from_share = 0;
  /// Milliseconds of a clock that never goes back.
  std::function<double()> now;
};

struct BlockMoverStats {
  std::uint64_t restored_tokens = 0;  // brought back instead of being computed
  std::uint64_t moved_out_tokens = 0; // idle ones that left since they cost others too much
};

/// Moves cells between the model's memory and a block store.
///
/// Out: what was computed is copied in blocks while nothing else is to do, and one block between
/// two batches where that costs little of the time. Once it is copied, an idle prefix can leave for
/// nothing, and does when it has cost running requests as much as bringing it back would: like a
/// rent that is paid until buying would have been cheaper, which costs at most twice what knowing
/// the future would.
///
/// Back: a request whose prefix is stored gets it block by block, when loading is expected to take
/// less time than computing. All by measured times (TransferCosts).
/// Used by the scheduler's thread.
class BlockMover {
 public:
  BlockMover(Decoder& decoder, kv::PrefixTree& tree, kv::BlockStore& store,
             BlockMoverOptions options);
  ~BlockMover();
  BlockMover(const BlockMover&) = delete;
  BlockMover& operator=(const BlockMover&) = delete;

  using Piece = kv::BlockStore::Piece;

  /// A request begins with `reused` of its tokens in its sequence: what of the others should be
  /// brought back, in this order. Prefixes that would cost it more than they are worth leave.
  /// Leading `stable` tokens are tools and stable system text. What is unkept (see kv::unkept())
  /// finds what its tenant has kept as well.
  std::deque<Piece> admit(const std::string& tenant, std::span<const Token> tokens, int reused,
                          int stable);

  /// Brings the first piece back behind what the sequence has; returns how many tokens. 0: it
  /// cannot be had, nor can those behind it. Nothing: it is still being read. `tokens` are the
  /// request's.
  std::optional<int> bring_back(const std::deque<Piece>& pieces, SequenceId sequence,
                                std::span<const Token> tokens);

  /// Waits for what is being read, for a moment at most.
  void wait() { store_.wait(coming_, std::chrono::milliseconds(10)); }

  /// `tokens` were computed and are worth keeping; leading `stable` ones are tools and stable
  /// system text.
  void keep(const std::string& tenant, std::span<const Token> tokens, int stable = 0);

  /// A request has left its sequence, which may be idle from now on.
  void left(SequenceId sequence);

  /// A batch was computed with `span` cells in use.
  void computed(int tokens, std::size_t span, double milliseconds);

  /// Whether answers are being written, which wait for what is done before the next batch.
  void answering(bool any) { answering_ = any; }

  /// What may be done between two batches of running requests: at most one block is copied.
  void between_batches();

  /// With nothing else to do: copies one block, or makes one measurement. False when there is
  /// nothing of that either.
  bool work_while_idle();

  const TransferCosts& costs() const { return costs_; }
  BlockMoverStats stats() const { return stats_; }
  /// Prefixes that wait to be copied.
  std::size_t waiting() const { return keeping_.size(); }

 private:
  struct Keeping {
    std::string tenant;
    std::vector<Token> tokens;
    int stable = 0;
  };

  std::size_t stored(const std::string& tenant, std::span<const Token> tokens) const;
  std::span<const Token> first_missing(const std::string& tenant,
                                       std::span<const Token> tokens) const;
  bool copy_next();
  bool copy_block(const std::string& tenant, std::span<const Token> tokens, SequenceId sequence);
  int block_begin(int tokens) const;
  bool is_slower_than_computing(std::span<const Piece> pieces, int reused) const;
  bool worth_copying(int begin, int end) const;
  void before_giving_up(const kv::PrefixTree::Idle& idle);
  void move_out(double ahead, std::size_t most);
  bool measure_import();
  bool probe();

  Decoder& decoder_;
  kv::PrefixTree& tree_;
  kv::BlockStore& store_;
  BlockMoverOptions options_;
  TransferCosts costs_;
  BlockMoverStats stats_;
  std::deque<Keeping> keeping_;    // in order of arrival
  std::vector<double> rent_since_; // by sequence: rent_ when it was last left
  double rent_ = 0;                // milliseconds that a foreign cell has cost since the start
  double credit_ = 0;              // milliseconds that copying may take between batches
  bool copied_ = false;            // a block, since the last batch
  bool answering_ = false;
  kv::BlockKey coming_; // what the last request that has to wait, waits for
  double bytes_per_token_ = 0;
};

} // namespace anyclaude::engine
