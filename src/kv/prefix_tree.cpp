#include "kv/prefix_tree.h"

#include "kv/image_tokens.h"
#include "kv/tree_holders.h"

#include <algorithm>
#include <ranges>
#include <stdexcept>
#include <utility>

namespace anyclaude::kv {

namespace {

/// Of the pool: a prompt up to this size that nobody went on from is soon computed again.
constexpr std::size_t kSmallShare = 16;

} // namespace

struct PrefixTree::Node {
  Node* parent = nullptr;
  int begin = 0;             // position of the first token
  std::vector<Token> tokens; // empty for a root only
  std::map<Token, std::unique_ptr<Node>> children;
  std::vector<SequenceId> holders; // sequences that end here
  std::uint64_t last_used = 0;
  bool continued = false; // a request has gone on from its end

  int end() const { return begin + static_cast<int>(tokens.size()); }
  bool is_root() const { return parent == nullptr; }
};

struct PrefixTree::Holder {
  Node* node = nullptr; // null: the sequence is free
  bool running = false;
};

PrefixTree::PrefixTree(SequenceMemory& memory, std::size_t capacity, int sequences)
    : memory_(memory), capacity_(capacity), holders_(static_cast<std::size_t>(sequences)) {}

PrefixTree::~PrefixTree() = default;

PrefixTree::Node* PrefixTree::root(const std::string& tenant) {
  auto& node = roots_[tenant];
  if (!node)
    node = std::make_unique<Node>();
  return node.get();
}

/// Follows `tokens` down from a root. Returns the node in which the match ends, `matched` tokens
/// from the start; that may be inside the node.
PrefixTree::Node* PrefixTree::descend(Node* node, std::span<const Token> tokens,
                                      int& matched) const {
  matched = 0;
  for (;;) {
    const auto rest = tokens.subspan(static_cast<std::size_t>(matched));
    if (rest.empty())
      return node;
    const auto child = node->children.find(rest.front());
    if (child == node->children.end())
      return node;
    node = child->second.get();
    const auto [mine, theirs] = std::ranges::mismatch(node->tokens, rest);
    matched += static_cast<int>(mine - node->tokens.begin());
    if (mine != node->tokens.end())
      return node;
  }
}

int PrefixTree::match(const std::string& tenant, std::span<const Token> tokens) const {
  const auto found = roots_.find(tenant);
  if (found == roots_.end())
    return 0;
  int matched = 0;
  descend(found->second.get(), tokens, matched);
  return static_cast<int>(whole_images(tokens, static_cast<std::size_t>(matched)));
}

/// Divides a node at a position inside it; returns the upper half. Sequences that stand at the
/// node stand at the lower half, which keeps its address.
PrefixTree::Node* PrefixTree::split(Node* node, int at) {
  const auto size = static_cast<std::size_t>(at - node->begin);
  Node* parent = node->parent;
  auto upper = std::make_unique<Node>();
  upper->parent = parent;
  upper->begin = node->begin;
  upper->tokens.assign(node->tokens.begin(), node->tokens.begin() + static_cast<long>(size));
  upper->last_used = node->last_used;

  auto& slot = parent->children.at(node->tokens.front());
  auto lower = std::move(slot);
  lower->parent = upper.get();
  lower->begin = at;
  lower->tokens.erase(lower->tokens.begin(), lower->tokens.begin() + static_cast<long>(size));
  const Token first = lower->tokens.front();
  upper->children.emplace(first, std::move(lower));
  slot = std::move(upper);
  return slot.get();
}

/// Some sequence that holds every token down to the node's end.
SequenceId PrefixTree::holder_below(const Node* node) const {
  while (node->holders.empty()) {
    if (node->children.empty())
      throw std::logic_error("prefix tree: a leaf without a holder");
    node = node->children.begin()->second.get();
  }
  return node->holders.front();
}

void PrefixTree::attach(SequenceId sequence, Node* node) {
  holders_[sequence].node = node;
  node->holders.push_back(sequence);
}

void PrefixTree::detach(SequenceId sequence) {
  std::erase(holders_[sequence].node->holders, sequence);
  holders_[sequence].node = nullptr;
}

/// Takes all cells away from a sequence, which is free afterwards.
void PrefixTree::release(SequenceId sequence) {
  memory_.remove(sequence, 0, holders_[sequence].node->end());
  detach(sequence);
  holders_[sequence].running = false;
}

/// Restores a node's invariants after its holders or children changed: an idle sequence stays only
/// where nothing else holds the cells, and a node with one child and no holder is one with it.
void PrefixTree::settle(Node* node) {
  if (node->is_root())
    return;
  const auto holders = node->holders;
  for (const SequenceId sequence : holders) {
    const bool redundant = !node->children.empty() || node->holders.size() > 1;
    if (!holders_[sequence].running && redundant)
      release(sequence);
  }
  if (!node->holders.empty() || node->children.size() != 1)
    return;
  auto child = std::move(node->children.begin()->second);
  child->tokens.insert(child->tokens.begin(), node->tokens.begin(), node->tokens.end());
  child->begin = node->begin;
  child->parent = node->parent;
  child->continued = child->continued || node->continued;
  node->parent->children[child->tokens.front()] = std::move(child); // destroys `node`
}

void PrefixTree::touch(Node* node) {
  ++clock_;
  for (; node; node = node->parent)
    node->last_used = clock_;
}

bool PrefixTree::is_one_off(const Node& leaf) const {
  return !leaf.continued && std::cmp_less_equal(leaf.end(), capacity_ / kSmallShare);
}

/// The idle leaf to be given up first.
PrefixTree::Node* PrefixTree::least_idle_leaf() const {
  const auto worth = [this](const Node& leaf) {
    return std::pair(!is_one_off(leaf), leaf.last_used);
  };
  Node* least = nullptr;
  for (const Holder& holder : holders_)
    if (holder.node && !holder.running && (!least || worth(*holder.node) < worth(*least)))
      least = holder.node;
  return least;
}

/// Cuts up to `cells` tokens from the end of an idle leaf; returns how many.
std::size_t PrefixTree::cut(Node* leaf, std::size_t cells) {
  const SequenceId sequence = leaf->holders.front();
  const std::size_t size = leaf->tokens.size();
  const std::size_t count = size - whole_images(leaf->tokens, size - std::min(cells, size));
  used_ -= count;
  if (count < leaf->tokens.size()) {
    memory_.remove(sequence, leaf->end() - static_cast<int>(count), leaf->end());
    leaf->tokens.resize(leaf->tokens.size() - count);
    return count;
  }
  release(sequence);
  Node* parent = leaf->parent;
  parent->children.erase(leaf->tokens.front());
  settle(parent);
  return count;
}

/// Cuts an idle leaf for the sake of others.
void PrefixTree::give_up(Node* leaf, std::size_t cells) {
  if (before_giving_up_)
    before_giving_up_(idle(leaf->holders.front()));
  evicted_ += cut(leaf, cells);
}

std::optional<SequenceId> PrefixTree::free_sequence() {
  const auto free = std::ranges::find_if(holders_, [](const Holder& h) { return !h.node; });
  if (free != holders_.end())
    return static_cast<SequenceId>(free - holders_.begin());
  Node* leaf = least_idle_leaf();
  if (!leaf)
    return std::nullopt;
  const SequenceId sequence = leaf->holders.front();
  give_up(leaf, leaf->tokens.size());
  return sequence;
}

std::optional<PrefixCache::Lease> PrefixTree::begin(const std::string& tenant,
                                                    std::span<const Token> tokens, int limit) {
  const auto most = std::min(tokens.size(), static_cast<std::size_t>(std::max(limit, 0)));
  Node* top = root(tenant);
  int matched = 0;
  descend(top, tokens.first(most), matched);
  tokens = tokens.first(whole_images(tokens, static_cast<std::size_t>(matched)));
  touch(descend(top, tokens, matched)); // what is about to be used is not what gets evicted

  const auto sequence = free_sequence();
  if (!sequence)
    return std::nullopt;
  Node* node = descend(top, tokens, matched); // again: an eviction may have changed the tree
  if (matched < node->end())
    node = split(node, matched);
  else
    node->continued = true;
  if (matched > 0)
    memory_.share(holder_below(node), *sequence, 0, matched);
  holders_[*sequence].running = true;
  attach(*sequence, node);
  settle(node);
  return Lease{*sequence, matched, matched};
}

void PrefixTree::extend(SequenceId sequence, std::span<const Token> tokens) {
  Node* const start = holders_.at(sequence).node;
  used_ += tokens.size();

  Node* node = start;
  while (!tokens.empty()) {
    const auto found = node->children.find(tokens.front());
    if (found == node->children.end())
      break;
    Node* child = found->second.get();
    const auto [mine, theirs] = std::ranges::mismatch(child->tokens, tokens);
    const int common = static_cast<int>(mine - child->tokens.begin());
    if (mine != child->tokens.end())
      child = split(child, child->begin + common);
    // Somebody else computed these tokens in the meantime: keep one set of cells.
    memory_.remove(sequence, child->begin, child->end());
    memory_.share(holder_below(child), sequence, child->begin, child->end());
    used_ -= static_cast<std::size_t>(common);
    tokens = tokens.subspan(static_cast<std::size_t>(common));
    node = child;
  }

  Node* const known = node; // the end of what was in the tree before
  if (!tokens.empty()) {
    const bool alone =
        !node->is_root() && node->children.empty() && node == start && node->holders.size() == 1;
    if (alone) {
      node->tokens.insert(node->tokens.end(), tokens.begin(), tokens.end());
    } else {
      auto child = std::make_unique<Node>();
      child->parent = node;
      child->begin = node->end();
      child->tokens.assign(tokens.begin(), tokens.end());
      auto& slot = node->children[tokens.front()];
      slot = std::move(child);
      node = slot.get();
    }
  }

  touch(node);
  if (node != start) {
    detach(sequence);
    attach(sequence, node);
    settle(node);
    if (known != node && known != start)
      settle(known); // may have been a leaf with an idle holder
    settle(start);
  }
}

void PrefixTree::finish(SequenceId sequence) {
  Node* node = holders_.at(sequence).node;
  holders_[sequence].running = false;
  touch(node);
  if (node->is_root())
    release(sequence);
  else
    settle(node);
}

void PrefixTree::drop(SequenceId sequence) {
  finish(sequence);
  if (Node* leaf = holders_.at(sequence).node)
    evicted_ += cut(leaf, leaf->tokens.size());
  std::erase_if(roots_, [](const auto& entry) {
    return entry.second->children.empty() && entry.second->holders.empty();
  });
}

bool PrefixTree::reserve(std::size_t cells) {
  while (capacity_ - used_ < cells) {
    Node* leaf = least_idle_leaf();
    if (!leaf)
      return false;
    give_up(leaf, cells - (capacity_ - used_));
  }
  return true;
}

void PrefixTree::clear_idle() {
  while (Node* leaf = least_idle_leaf())
    give_up(leaf, leaf->tokens.size());
}

std::optional<SequenceId> PrefixTree::holder(const std::string& tenant,
                                             std::span<const Token> tokens) const {
  const auto found = roots_.find(tenant);
  if (found == roots_.end() || tokens.empty())
    return std::nullopt;
  int matched = 0;
  const Node* node = descend(found->second.get(), tokens, matched);
  if (std::cmp_less(matched, tokens.size()))
    return std::nullopt;
  return holder_below(node);
}

std::vector<SequenceId> PrefixTree::idle_sequences() const {
  std::vector<SequenceId> sequences;
  for (std::size_t i = 0; i < holders_.size(); ++i)
    if (holders_[i].node && !holders_[i].running)
      sequences.push_back(static_cast<SequenceId>(i));
  return sequences;
}

PrefixTree::Idle PrefixTree::idle(SequenceId sequence) const {
  const Node* node = holders_.at(sequence).node;
  Idle idle{.sequence = sequence, .tenant = {}, .tokens = {}, .begin = node->begin};
  std::vector<const Node*> path;
  for (; !node->is_root(); node = node->parent)
    path.push_back(node);
  for (const Node* step : std::views::reverse(path))
    idle.tokens.insert(idle.tokens.end(), step->tokens.begin(), step->tokens.end());
  for (const auto& [tenant, root] : roots_)
    if (root.get() == node)
      idle.tenant = tenant;
  return idle;
}

void PrefixTree::move_out(SequenceId sequence) {
  Node* leaf = holders_.at(sequence).node;
  if (!leaf || holders_[sequence].running)
    throw std::logic_error("prefix tree: a sequence to move out that is not idle");
  cut(leaf, leaf->tokens.size());
}

std::size_t PrefixTree::held() const {
  return held_cells(holders_);
}

int PrefixTree::length(SequenceId sequence) const {
  return holders_.at(sequence).node->end();
}

int PrefixTree::running() const {
  return running_sequences(holders_);
}

void PrefixTree::show(PrefixOutlineBuilder& outline) const {
  const auto visit = [&](const auto& self, const Node& node, auto* place) -> void {
    for (const auto& [first, child] : node.children)
      self(self, *child, outline.add(place, child->tokens, {.tier = Tier::pool}));
  };
  for (const auto& [tenant, node] : roots_)
    visit(visit, *node, outline.root(tenant));
}

void PrefixTree::check() const {
  const auto require = [](bool holds, const char* what) {
    if (!holds)
      throw std::logic_error(std::string("prefix tree: ") + what);
  };
  std::size_t tokens = 0;
  const auto visit = [&](const auto& self, const Node& node) -> void {
    tokens += node.tokens.size();
    for (const SequenceId sequence : node.holders) {
      const Holder& holder = holders_.at(sequence);
      require(holder.node == &node, "a holder that stands elsewhere");
      require(holder.running || (node.children.empty() && node.holders.size() == 1),
              "an idle sequence that holds nothing of its own");
    }
    if (!node.is_root()) {
      require(!node.tokens.empty(), "an empty node");
      require(!node.holders.empty() || node.children.size() > 1, "a node without a purpose");
    }
    for (const auto& [first, child] : node.children) {
      require(child->parent == &node, "a child with another parent");
      require(child->begin == node.end(), "a gap between parent and child");
      require(!child->tokens.empty() && child->tokens.front() == first, "a child at another token");
      self(self, *child);
    }
  };
  for (const auto& [tenant, node] : roots_)
    visit(visit, *node);
  require(tokens == used_, "a wrong count of used cells");
}

} // namespace anyclaude::kv
