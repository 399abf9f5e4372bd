#pragma once

#include "kv/prefix_cache.h"

#include <cstdint>
#include <map>
#include <memory>
#include <vector>

namespace anyclaude::kv {

/// Computed prefixes of a model with sliding windows or recurrent layers. Its cells of full
/// attention can be shared as in a PrefixTree, but its state exists only where it was saved, so a
/// request can start from a checkpoint and nowhere else:
///
///     root ── tools+system (7,900) ●─┬─ question (30) ● answer (200) ○       idle, sequence 3
///                                    └─ question (25) …                      running, sequence 5
///
/// ● a checkpoint: the state behind this token, kept in host memory.
/// ○ where an idle sequence ends. Its state is still in it: a request that goes on behind exactly
///   these tokens, as the next question of a conversation does, takes the sequence over as it is.
///
/// Every sequence ends in a leaf of its own, which only grows; a checkpoint seals it and opens an
/// empty one below. Siblings may begin with equal tokens: cells that were computed twice are not
/// brought together, because a part of a sequence cannot be removed.
class CheckpointTree : public PrefixCache {
 public:
  /// `capacity` is the number of cells; sequences 0 … `sequences`-1 are the tree's to give out. One
  /// of them is kept free where possible: a prefix whose tail is given up moves to it, since it
  /// cannot be cut. Checkpoints take at most `checkpoint_bytes`.
  CheckpointTree(StateMemory& memory, std::size_t capacity, int sequences,
                 std::size_t checkpoint_bytes);
  ~CheckpointTree() override;
  CheckpointTree(const CheckpointTree&) = delete;
  CheckpointTree& operator=(const CheckpointTree&) = delete;

  int match(const std::string& tenant, std::span<const Token> tokens) const override;
  std::optional<Lease> begin(const std::string& tenant, std::span<const Token> tokens,
                             int limit) override;
  void extend(SequenceId sequence, std::span<const Token> tokens) override;
  void checkpoint(SequenceId sequence) override;
  void finish(SequenceId sequence) override;
  /// Clears the sequence whatever its memory holds by now, so also after a batch that failed.
  void drop(SequenceId sequence) override;
  bool reserve(std::size_t cells) override;
  void clear_idle() override;

  std::size_t capacity() const override { return capacity_; }
  std::size_t used() const override { return used_; }
  std::size_t held() const override;
  int length(SequenceId sequence) const override;
  int running() const override;
  std::size_t evicted() const override { return evicted_; }
  void show(PrefixOutlineBuilder& outline) const override;
  void check() const override;

  /// The checkpoint behind exactly these tokens, and a sequence that holds their cells.
  struct Kept {
    SequenceId holder = -1;
    SavedState state;
  };
  std::optional<Kept> kept(const std::string& tenant, std::span<const Token> tokens) const;

  /// Says that the cells of `tokens` came back behind what a running sequence holds. Its state is
  /// lost by that, so that it is of no use to anybody until resume().
  void load(SequenceId sequence, std::span<const Token> tokens);

  /// Gives a running sequence the state of where it ends, and makes that a checkpoint. False when
  /// the memory does not take it; the sequence has to be dropped then.
  bool resume(SequenceId sequence, SavedState state);

  std::size_t checkpoints() const override { return checkpoints_; }
  std::size_t checkpoint_bytes() const override { return bytes_; }

 private:
  struct Node;
  struct Holder {
    Node* node = nullptr; // null: the sequence is free
    bool running = false;
    bool live = false; // its state is the one behind its tokens; else it is no use, or loading
  };
  struct Found {
    Node* takeover = nullptr;   // the idle leaf whose tokens all match, the longest one
    Node* checkpoint = nullptr; // the deepest one whose tokens all match
    int known = 0;
    bool prefers_takeover() const;
    int usable() const;
  };

  Found find(const Node& root, std::span<const Token> tokens) const;
  bool run_behind(Node* node, SequenceId sequence);
  void keep_state(SequenceId sequence, SavedState state);
  void attach(SequenceId sequence, Node* node);
  Node* add_child(Node* parent);
  SequenceId holder_below(const Node* node) const;
  std::optional<SequenceId> first_free() const;
  bool gave_up_for_sequence();
  Node* oldest_idle_leaf() const;
  void evict(Node* leaf);
  Node* forget(Node* node);
  void forget_state(Node* node);
  void settle(Node* node);
  void keep_budget();
  Node* cheapest_checkpoint() const;
  void touch(Node* node);
  void forget_empty_roots();

  StateMemory& memory_;
  std::size_t capacity_;
  std::size_t budget_;
  std::size_t used_ = 0;
  std::size_t evicted_ = 0;
  std::size_t bytes_ = 0;
  std::size_t checkpoints_ = 0;
  std::uint64_t clock_ = 0;
  std::map<std::string, std::unique_ptr<Node>> roots_;
  std::vector<Holder> holders_; // by sequence
};

} // namespace anyclaude::kv
