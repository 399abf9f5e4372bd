#pragma once

#include "kv/prefix_cache.h"

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace anyclaude::kv {

/// Every prefix that was computed and still has its cells, as a radix tree over tokens: one tree
/// token is one cell of the model's memory, however many sequences share it.
///
/// A running request holds a sequence that stands at the node up to which it has computed. When it
/// ends its sequence stays behind as the holder of its leaf, so that the cells live on; a node
/// inside the tree is held through the leaves below it. A new request shares the cells of its
/// longest computed prefix and goes on from there: nothing is copied.
///
///     root ── tools+system (7,900) ─┬─ first question (30) ── answer (200)   held by sequence 3
///                                   └─ second question (25)                  running, sequence 5
///
/// Nothing begins or ends inside an image (image_tokens.h).
///
/// When room is needed, small prompts that nothing has gone on from are given up first: a burst of
/// titles and other small calls does not push a conversation out. Behind them it is the least
/// recently used.
///
/// Each tenant has a root of its own: a prefix computed for one is invisible to the others.
/// Not thread-safe: the engine thread owns it.
class PrefixTree : public PrefixCache {
 public:
  /// `capacity` is the number of cells; sequences 0 … `sequences`-1 are the tree's to give out.
  PrefixTree(SequenceMemory& memory, std::size_t capacity, int sequences);
  ~PrefixTree() override;
  PrefixTree(const PrefixTree&) = delete;
  PrefixTree& operator=(const PrefixTree&) = delete;

  /// Length of the longest computed prefix of `tokens`.
  int match(const std::string& tenant, std::span<const Token> tokens) const override;

  /// Starts a request: a sequence that holds the longest computed prefix of `tokens`, at most
  /// `limit` of them. Gives up an idle leaf when sequences run out;
  /// nullopt when all belong to running requests.
  std::optional<Lease> begin(const std::string& tenant, std::span<const Token> tokens,
                             int limit) override;

  /// Says that the cells of `tokens` were computed behind what the sequence holds. Where another
  /// request has computed the same tokens meanwhile, its cells take the place of these, and these
  /// are free again.
  void extend(SequenceId sequence, std::span<const Token> tokens) override;

  /// Nothing to do: requests can start from any token.
  void checkpoint(SequenceId) override {}

  /// Ends a request; what it computed stays for others until it is evicted.
  void finish(SequenceId sequence) override;

  /// Ends a request and frees the cells that nobody else holds.
  void drop(SequenceId sequence) override;

  /// Makes at least `cells` cells free by cutting idle leaves from their ends; an image goes as a
  /// whole. False when running requests hold too many; what could be freed is then free.
  bool reserve(std::size_t cells) override;

  /// Forgets every idle prefix of every tenant.
  void clear_idle() override;

  /// Some sequence that holds the cells of all of `tokens`.
  std::optional<SequenceId> holder(const std::string& tenant, std::span<const Token> tokens) const;

  /// An idle sequence, and the prefix that it keeps computed.
  struct Idle {
    SequenceId sequence = -1;
    std::string tenant;
    std::vector<Token> tokens; // from the start
    int begin = 0;             // what stands behind this, nobody else holds
  };
  std::vector<SequenceId> idle_sequences() const;
  Idle idle(SequenceId sequence) const;

  /// Takes an idle sequence's own cells away although there may be room: they are kept elsewhere.
  void move_out(SequenceId sequence);

  /// Called before some of an idle prefix's own cells are given up for others. It may read them and
  /// must not change the tree.
  using BeforeGivingUp = std::function<void(const Idle&)>;
  void before_giving_up(BeforeGivingUp callback) { before_giving_up_ = std::move(callback); }

  std::size_t capacity() const override { return capacity_; }
  std::size_t used() const override { return used_; }
  /// Cells that running requests hold and eviction cannot free.
  std::size_t held() const override;
  /// Tokens that a sequence holds.
  int length(SequenceId sequence) const override;
  int running() const override;
  std::size_t evicted() const override { return evicted_; }
  void show(PrefixOutlineBuilder& outline) const override;

  /// Throws std::logic_error when the tree contradicts itself. For tests.
  void check() const override;

 private:
  struct Node;
  struct Holder;

  Node* root(const std::string& tenant);
  Node* descend(Node* node, std::span<const Token> tokens, int& matched) const;
  Node* split(Node* node, int at);
  SequenceId holder_below(const Node* node) const;
  void attach(SequenceId sequence, Node* node);
  void detach(SequenceId sequence);
  void release(SequenceId sequence);
  void settle(Node* node);
  void touch(Node* node);
  std::size_t cut(Node* leaf, std::size_t cells);
  void give_up(Node* leaf, std::size_t cells);
  bool is_one_off(const Node& leaf) const;
  Node* least_idle_leaf() const;
  std::optional<SequenceId> free_sequence();

  SequenceMemory& memory_;
  std::size_t capacity_;
  std::size_t used_ = 0;
  std::size_t evicted_ = 0;
  std::uint64_t clock_ = 0;
  std::map<std::string, std::unique_ptr<Node>> roots_;
  std::vector<Holder> holders_; // by sequence
  BeforeGivingUp before_giving_up_;
};

} // namespace anyclaude::kv
