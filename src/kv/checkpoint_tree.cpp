#include "kv/checkpoint_tree.h"

#include "kv/tree_holders.h"

#include <algorithm>
#include <ranges>
#include <stdexcept>
#include <tuple>
#include <utility>

namespace anyclaude::kv {

struct CheckpointTree::Node {
  Node* parent = nullptr;
  int begin = 0;             // position of the first token
  std::vector<Token> tokens; // empty for a root and for a leaf that has not grown yet
  std::vector<std::unique_ptr<Node>> children;
  SequenceId holder = -1;      // a leaf's
  SavedState state;            // behind the last token; null: no checkpoint
  std::uint64_t last_used = 0; // by a request here or below

  int end() const { return begin + static_cast<int>(tokens.size()); }
  bool is_root() const { return parent == nullptr; }
  bool is_checkpoint() const { return state != nullptr; }
  std::size_t state_bytes() const { return state ? state->size() : 0; }
};

/// Equal lengths: the sequence as it is costs nothing.
bool CheckpointTree::Found::prefers_takeover() const {
  return takeover && (!checkpoint || takeover->end() >= checkpoint->end());
}

int CheckpointTree::Found::usable() const {
  if (prefers_takeover())
    return takeover->end();
  return checkpoint ? checkpoint->end() : 0;
}

CheckpointTree::CheckpointTree(StateMemory& memory, std::size_t capacity, int sequences,
                               std::size_t checkpoint_bytes)
    : memory_(memory), capacity_(capacity), budget_(checkpoint_bytes),
      holders_(static_cast<std::size_t>(sequences)) {}

CheckpointTree::~CheckpointTree() = default;

CheckpointTree::Found CheckpointTree::find(const Node& root, std::span<const Token> tokens) const {
  Found found;
  std::vector<const Node*> open{&root};
  while (!open.empty()) {
    const Node* parent = open.back();
    open.pop_back();
    for (const auto& child : parent->children) {
      const auto rest = tokens.subspan(static_cast<std::size_t>(child->begin));
      const auto mine = std::ranges::mismatch(child->tokens, rest).in1;
      found.known =
          std::max(found.known, child->begin + static_cast<int>(mine - child->tokens.begin()));
      if (mine != child->tokens.end())
        continue;
      open.push_back(child.get());
      if (child->is_checkpoint() && (!found.checkpoint || child->end() > found.checkpoint->end()))
        found.checkpoint = child.get();
      if (child->holder >= 0 && !holders_[child->holder].running && holders_[child->holder].live &&
          (!found.takeover || child->end() > found.takeover->end()))
        found.takeover = child.get();
    }
  }
  return found;
}

std::optional<CheckpointTree::Kept> CheckpointTree::kept(const std::string& tenant,
                                                         std::span<const Token> tokens) const {
  const auto root = roots_.find(tenant);
  if (root == roots_.end())
    return std::nullopt;
  const Node* checkpoint = find(*root->second, tokens).checkpoint;
  if (!checkpoint || std::cmp_not_equal(checkpoint->end(), tokens.size()))
    return std::nullopt;
  return Kept{holder_below(checkpoint), checkpoint->state};
}

int CheckpointTree::match(const std::string& tenant, std::span<const Token> tokens) const {
  const auto root = roots_.find(tenant);
  return root == roots_.end() ? 0 : find(*root->second, tokens).usable();
}

void CheckpointTree::attach(SequenceId sequence, Node* node) {
  if (Node* before = holders_[sequence].node)
    before->holder = -1;
  holders_[sequence].node = node;
  node->holder = sequence;
}

CheckpointTree::Node* CheckpointTree::add_child(Node* parent) {
  auto child = std::make_unique<Node>();
  child->parent = parent;
  child->begin = parent->end();
  child->last_used = parent->last_used;
  return parent->children.emplace_back(std::move(child)).get();
}

/// Some sequence that holds every token down to the node's end.
SequenceId CheckpointTree::holder_below(const Node* node) const {
  while (node->holder < 0) {
    if (node->children.empty())
      throw std::logic_error("checkpoint tree: a leaf without a holder");
    node = node->children.front().get();
  }
  return node->holder;
}

std::optional<SequenceId> CheckpointTree::first_free() const {
  const auto free = std::ranges::find_if(holders_, [](const Holder& h) { return !h.node; });
  if (free == holders_.end())
    return std::nullopt;
  return static_cast<SequenceId>(free - holders_.begin());
}

/// Gives up an idle leaf unless there is a free sequence for a request and one left over for the
/// tree's own moves. True when it did.
bool CheckpointTree::gave_up_for_sequence() {
  if (std::ranges::count_if(holders_, [](const Holder& h) { return !h.node; }) >= 2)
    return false;
  Node* leaf = oldest_idle_leaf();
  if (leaf)
    evict(leaf);
  return leaf != nullptr;
}

CheckpointTree::Node* CheckpointTree::oldest_idle_leaf() const {
  Node* oldest = nullptr;
  for (const Holder& holder : holders_)
    if (holder.node && !holder.running)
      if (!oldest || holder.node->last_used < oldest->last_used)
        oldest = holder.node;
  return oldest;
}

void CheckpointTree::touch(Node* node) {
  ++clock_;
  for (; node; node = node->parent)
    node->last_used = clock_;
}

/// Takes a node without children out of the tree; returns its parent. Its sequence is the caller's
/// to clear.
CheckpointTree::Node* CheckpointTree::forget(Node* node) {
  forget_state(node);
  used_ -= node->tokens.size();
  evicted_ += node->tokens.size();
  Node* parent = node->parent;
  std::erase_if(parent->children, [node](const auto& child) { return child.get() == node; });
  return parent;
}

void CheckpointTree::forget_state(Node* node) {
  if (!node->is_checkpoint())
    return;
  bytes_ -= node->state_bytes();
  --checkpoints_;
  node->state = nullptr;
}

/// Gives up a leaf, and above it what no request could start from any more. Where a checkpoint
/// loses its last leaf in this way, its cells move to a sequence that ends there.
void CheckpointTree::evict(Node* leaf) {
  const SequenceId old = leaf->holder;
  holders_[old].running = false;
  const SequenceId spare = first_free().value_or(-1);
  Node* node = forget(leaf);
  while (!node->is_root() && node->children.empty() && !(spare >= 0 && node->is_checkpoint()))
    node = forget(node);
  const bool is_leaf = !node->is_root() && node->children.empty();
  if (is_leaf)
    memory_.share(old, spare, 0, node->end());
  memory_.clear(old);
  holders_[old] = {};
  if (is_leaf) {
    holders_[spare] = {};
    attach(spare, node);
  } else {
    settle(node);
  }
}

/// Restores a node's invariants after it lost a child or its checkpoint.
void CheckpointTree::settle(Node* node) {
  if (node->is_root() || node->is_checkpoint())
    return;
  if (node->children.empty()) { // held for its checkpoint alone
    const Holder& holder = holders_[node->holder];
    if (!holder.running && !holder.live)
      evict(node);
    return;
  }
  if (node->children.size() != 1)
    return;
  auto child = std::move(node->children.front());
  child->tokens.insert(child->tokens.begin(), node->tokens.begin(), node->tokens.end());
  child->begin = node->begin;
  child->parent = node->parent;
  const auto place = std::ranges::find_if(
      node->parent->children, [node](const auto& other) { return other.get() == node; });
  *place = std::move(child); // destroys `node`
}

/// Lets a request run behind a checkpoint, on a sequence that holds the cells up to it.
bool CheckpointTree::run_behind(Node* node, SequenceId sequence) {
  if (!memory_.restore(sequence, *node->state, node->end()))
    return false;
  attach(sequence, add_child(node));
  holders_[sequence].running = true;
  holders_[sequence].live = true;
  touch(holders_[sequence].node);
  return true;
}

std::optional<PrefixCache::Lease> CheckpointTree::begin(const std::string& tenant,
                                                        std::span<const Token> tokens, int limit) {
  tokens = tokens.first(std::min(tokens.size(), static_cast<std::size_t>(std::max(limit, 0))));
  auto& slot = roots_[tenant];
  if (!slot)
    slot = std::make_unique<Node>();
  Node* const root = slot.get();
  const int known = find(*root, tokens).known;
  for (;;) {
    const Found found = find(*root, tokens);
    if (found.prefers_takeover()) {
      Node* leaf = found.takeover;
      holders_[leaf->holder].running = true;
      touch(leaf);
      return Lease{leaf->holder, leaf->end(), known};
    }
    Node* const from = found.checkpoint;
    if (from)
      touch(from);                   // what is about to be used is not what gets evicted
    if (from && from->holder >= 0) { // its tail is gone, and nothing has to be shared
      const SequenceId sequence = from->holder;
      const int length = from->end();
      if (run_behind(from, sequence))
        return Lease{sequence, length, known};
      forget_state(from);
      settle(from);
      continue;
    }
    if (gave_up_for_sequence())
      continue; // what was found may have moved
    const auto sequence = first_free();
    if (!sequence)
      return std::nullopt;
    if (!from) {
      attach(*sequence, add_child(root));
      holders_[*sequence].running = true;
      holders_[*sequence].live = true;
      touch(holders_[*sequence].node);
      return Lease{*sequence, 0, known};
    }
    memory_.share(holder_below(from), *sequence, 0, from->end());
    if (run_behind(from, *sequence))
      return Lease{*sequence, from->end(), known};
    memory_.clear(*sequence);
    forget_state(from);
    settle(from);
  }
}

void CheckpointTree::extend(SequenceId sequence, std::span<const Token> tokens) {
  Node* node = holders_.at(sequence).node;
  node->tokens.insert(node->tokens.end(), tokens.begin(), tokens.end());
  used_ += tokens.size();
  touch(node);
}

void CheckpointTree::checkpoint(SequenceId sequence) {
  Node* const leaf = holders_.at(sequence).node;
  Node* const node = leaf->tokens.empty() ? leaf->parent : leaf;
  if (node->end() == 0 || node->is_checkpoint())
    return;
  auto state = memory_.save(sequence);
  if (!state.empty())
    keep_state(sequence, std::make_shared<const std::vector<std::byte>>(std::move(state)));
}

/// Makes the place where a running sequence ends a checkpoint.
void CheckpointTree::keep_state(SequenceId sequence, SavedState state) {
  Node* const leaf = holders_.at(sequence).node;
  Node* const node = leaf->tokens.empty() ? leaf->parent : leaf;
  if (state->size() > budget_ || node->is_root() || node->is_checkpoint())
    return;
  bytes_ += state->size();
  ++checkpoints_;
  node->state = std::move(state);
  if (node == leaf)
    attach(sequence, add_child(node));
  touch(holders_[sequence].node);
  keep_budget();
}

void CheckpointTree::load(SequenceId sequence, std::span<const Token> tokens) {
  extend(sequence, tokens);
  holders_[sequence].live = false;
}

bool CheckpointTree::resume(SequenceId sequence, SavedState state) {
  if (!memory_.restore(sequence, *state, length(sequence)))
    return false;
  holders_.at(sequence).live = true;
  keep_state(sequence, std::move(state));
  return true;
}

/// The checkpoint that is given up next. The least recently used conversation's go first, and of
/// one conversation the oldest; the one that begins it, behind tools and system prompt, goes last.
CheckpointTree::Node* CheckpointTree::cheapest_checkpoint() const {
  std::tuple<std::uint64_t, bool, int> least{};
  Node* cheapest = nullptr;
  const auto visit = [&](const auto& self, Node& node, bool begins) -> void {
    if (node.is_checkpoint()) {
      const std::tuple rank{node.last_used, begins, node.end()};
      if (!cheapest || rank < least) {
        least = rank;
        cheapest = &node;
      }
      begins = false;
    }
    for (const auto& child : node.children)
      self(self, *child, begins);
  };
  for (const auto& root : roots_ | std::views::values)
    visit(visit, *root, true);
  return cheapest;
}

void CheckpointTree::keep_budget() {
  while (bytes_ > budget_) {
    Node* node = cheapest_checkpoint();
    forget_state(node);
    settle(node);
  }
}

void CheckpointTree::forget_empty_roots() {
  std::erase_if(roots_, [](const auto& entry) { return entry.second->children.empty(); });
}

void CheckpointTree::finish(SequenceId sequence) {
  Node* node = holders_.at(sequence).node;
  touch(node);
  holders_[sequence].running = false;
  if (node->end() == 0 || !holders_[sequence].live)
    evict(node);
  forget_empty_roots();
}

void CheckpointTree::drop(SequenceId sequence) {
  evict(holders_.at(sequence).node);
  forget_empty_roots();
}

bool CheckpointTree::reserve(std::size_t cells) {
  while (capacity_ - used_ < cells) {
    Node* leaf = oldest_idle_leaf();
    if (!leaf)
      return false;
    evict(leaf);
  }
  return true;
}

void CheckpointTree::clear_idle() {
  while (Node* leaf = oldest_idle_leaf())
    evict(leaf);
  forget_empty_roots();
}

std::size_t CheckpointTree::held() const {
  return held_cells(holders_);
}

int CheckpointTree::length(SequenceId sequence) const {
  return holders_.at(sequence).node->end();
}

int CheckpointTree::running() const {
  return running_sequences(holders_);
}

void CheckpointTree::show(PrefixOutlineBuilder& outline) const {
  const auto visit = [&](const auto& self, const Node& node, auto* place) -> void {
    for (const auto& child : node.children)
      self(self, *child, outline.add(place, child->tokens, {.tier = Tier::pool}));
  };
  for (const auto& [tenant, node] : roots_)
    visit(visit, *node, outline.root(tenant));
}

void CheckpointTree::check() const {
  const auto require = [](bool holds, const char* what) {
    if (!holds)
      throw std::logic_error(std::string("checkpoint tree: ") + what);
  };
  std::size_t tokens = 0;
  std::size_t bytes = 0;
  std::size_t checkpoints = 0;
  const auto visit = [&](const auto& self, const Node& node) -> void {
    tokens += node.tokens.size();
    bytes += node.state_bytes();
    checkpoints += node.is_checkpoint() ? 1 : 0;
    if (!node.is_root()) {
      require((node.holder >= 0) == node.children.empty(), "a holder not at a leaf, or none there");
      require(!node.tokens.empty() || node.children.empty(), "an empty node inside the tree");
      require(node.is_checkpoint() || node.children.size() != 1, "a node without a purpose");
    }
    if (node.holder >= 0) {
      const Holder& holder = holders_.at(node.holder);
      require(holder.node == &node, "a holder that stands elsewhere");
      require(holder.live || holder.running || node.is_checkpoint(),
              "a sequence that nobody can use");
    }
    for (const auto& child : node.children) {
      require(child->parent == &node, "a child with another parent");
      require(child->begin == node.end(), "a gap between parent and child");
      self(self, *child);
    }
  };
  for (const auto& root : roots_ | std::views::values)
    visit(visit, *root);
  require(tokens == used_, "a wrong count of used cells");
  require(bytes == bytes_ && bytes_ <= budget_, "a wrong count of the checkpoints' bytes");
  require(checkpoints == checkpoints_, "a wrong count of checkpoints");
}

} // namespace anyclaude::kv
