#pragma once

#include "engine/prefix_mover.h"
#include "kv/checkpoint_tree.h"

#include <deque>
#include <span>
#include <string>

namespace anyclaude::engine {

/// Moves prefixes of models that go on from checkpoints: the checkpoints that requests leave behind
/// (plan_checkpoints) are stored with the cells in front of them. Of a conversation that goes on
/// from turn to turn, those that nobody started from thin out with their distance, since a state
/// may be larger than the cells of a turn.
class CheckpointMover : public PrefixMover {
 public:
  CheckpointMover(Decoder& decoder, kv::CheckpointTree& tree, kv::BlockStore& store,
                  MoverOptions options);

  /// All the way to a checkpoint, or nothing: until it is there, the sequence is of no use.
  std::deque<Piece> admit(const std::string& tenant, std::span<const Token> tokens, int reused,
                          int stable) override;
  void keep_checkpoint(const std::string& tenant, std::span<const Token> tokens) override;

 private:
  bool load(const kv::Block& block, const Piece& piece, SequenceId sequence,
            std::span<const Token> tokens) override;
  bool copy_next() override;
  bool is_stored(const Keeping& path) const;
  bool copy_next_of(const Keeping& next);
  void thin_out(const Keeping& path);

  kv::CheckpointTree& tree_;
};

} // namespace anyclaude::engine
