#pragma once

#include "engine/prefix_mover.h"
#include "kv/prefix_tree.h"

#include <cstdint>
#include <deque>
#include <span>
#include <string>
#include <vector>

namespace anyclaude::engine {

/// Moves cells of full attention, which can be shared at any token.
///
/// Once it is copied, an idle prefix can leave the pool for nothing, and does when it has cost
/// running requests as much as bringing it back would: like a rent that is paid until buying would
/// have been cheaper, which costs at most twice what knowing the future would.
class BlockMover : public PrefixMover {
 public:
  BlockMover(Decoder& decoder, kv::PrefixTree& tree, kv::BlockStore& store, MoverOptions options);
  ~BlockMover() override;

  /// Prefixes that would cost the request more than they are worth leave as well.
  std::deque<Piece> admit(const std::string& tenant, std::span<const Token> tokens, int reused,
                          int stable) override;
  void keep(const std::string& tenant, std::span<const Token> tokens, int stable) override;
  void left(SequenceId sequence) override;
  void computed(int tokens, std::size_t span, double milliseconds) override;
  void between_batches() override;
  bool work_while_idle() override;
  std::uint64_t moved_out_tokens() const override { return moved_out_tokens_; }

 private:
  bool load(const kv::Block& block, const Piece& piece, SequenceId sequence,
            std::span<const Token> tokens) override;
  bool copy_next() override;
  std::size_t stored(const std::string& tenant, std::span<const Token> tokens) const;
  std::span<const Token> first_missing(const std::string& tenant,
                                       std::span<const Token> tokens) const;
  bool copy_block(const std::string& tenant, std::span<const Token> tokens, SequenceId sequence);
  int last_block(std::span<const Token> tokens) const;
  bool worth_copying(int begin, int end) const;
  void before_giving_up(const kv::PrefixTree::Idle& idle);
  void move_out(double ahead, std::size_t most);
  bool measure_import();
  bool probe();

  kv::PrefixTree& tree_;
  std::vector<double> rent_since_; // by sequence: rent_ when it was last left
  double rent_ = 0;                // milliseconds that a foreign cell has cost since the start
  std::uint64_t moved_out_tokens_ = 0;
};

} // namespace anyclaude::engine
