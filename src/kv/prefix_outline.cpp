#include "kv/prefix_outline.h"

#include <algorithm>
#include <functional>
#include <queue>
#include <ranges>
#include <tuple>
#include <utility>

namespace anyclaude::kv {

const char* to_string(Tier tier) {
  switch (tier) {
  case Tier::none:
    return "none";
  case Tier::disk:
    return "disk";
  case Tier::memory:
    return "memory";
  case Tier::pool:
    return "pool";
  }
  return "";
}

namespace {

using Mark = PrefixOutlineBuilder::Mark;

/// What all marks of some tokens have said.
struct Known {
  Tier tier = Tier::none;
  bool is_on_disk = false;
  bool is_stable = false;
  int requests = 0;
  std::set<int> conversations;
  std::int64_t last_used = 0;

  void add(const Mark& mark) {
    tier = std::max(tier, mark.tier);
    is_on_disk = is_on_disk || mark.is_on_disk;
    is_stable = is_stable || mark.is_stable;
    requests += mark.is_asked_for ? 1 : 0;
    if (mark.conversation >= 0)
      conversations.insert(mark.conversation);
    last_used = std::max(last_used, mark.last_used);
  }
  /// Whether one stretch may go on from this node to the only one behind it.
  bool goes_on_in(const Known& behind) const {
    return is_stable == behind.is_stable && requests == behind.requests &&
           conversations == behind.conversations;
  }
};

} // namespace

/// Tokens of which the same is known.
struct PrefixOutlineBuilder::Node : Known {
  std::span<const Token> tokens; // none: a root
  std::map<Token, std::unique_ptr<Node>> children;
};

namespace {

using Node = PrefixOutlineBuilder::Node;

struct Tree {
  PrefixOutline::Stretch stretch;
  int pool_tokens = 0; // with all that is behind it
  int all_tokens = 0;
  std::vector<std::unique_ptr<Tree>> behind;
  bool is_chosen = false;

  auto rank() const { return std::tuple(stretch.requests > 0, pool_tokens > 0, all_tokens); }
};

void take(PrefixOutline::Stretch& stretch, const Node& node) {
  const int tokens = static_cast<int>(node.tokens.size());
  stretch.tokens += tokens;
  stretch.disk_tokens += node.is_on_disk ? tokens : 0;
  stretch.last_used = std::max(stretch.last_used, node.last_used);
  if (!stretch.parts.empty() && stretch.parts.back().tier == node.tier)
    stretch.parts.back().tokens += tokens;
  else
    stretch.parts.push_back({tokens, node.tier});
}

std::unique_ptr<Tree> tree_from(const Node* node, int begin) {
  auto tree = std::make_unique<Tree>();
  PrefixOutline::Stretch& stretch = tree->stretch;
  stretch.begin = begin;
  stretch.is_stable = node->is_stable;
  stretch.requests = node->requests;
  stretch.conversations.assign(node->conversations.begin(), node->conversations.end());
  for (;; node = node->children.begin()->second.get()) {
    take(stretch, *node);
    if (node->children.size() != 1 || !node->goes_on_in(*node->children.begin()->second))
      break;
  }
  tree->all_tokens = stretch.tokens;
  for (const PrefixOutline::Part& part : stretch.parts)
    tree->pool_tokens += part.tier == Tier::pool ? part.tokens : 0;
  stretch.prefixes = node->children.empty() ? 1 : 0;
  for (const auto& [first, child] : node->children) {
    tree->behind.push_back(tree_from(child.get(), begin + stretch.tokens));
    const Tree& last = *tree->behind.back();
    stretch.prefixes += last.stretch.prefixes;
    stretch.last_used = std::max(stretch.last_used, last.stretch.last_used);
    tree->pool_tokens += last.pool_tokens;
    tree->all_tokens += last.all_tokens;
  }
  std::ranges::stable_sort(tree->behind, std::greater{},
                           [](const auto& one) { return one->all_tokens; });
  return tree;
}

/// Those of the highest rank. No tree has a higher one than that which it hangs below.
void choose(const std::vector<std::unique_ptr<Tree>>& tops, std::size_t most) {
  const auto lower = [](const Tree* a, const Tree* b) { return a->rank() < b->rank(); };
  std::priority_queue<Tree*, std::vector<Tree*>, decltype(lower)> next(lower);
  for (const auto& top : tops)
    next.push(top.get());
  for (; most > 0 && !next.empty(); --most) {
    Tree* const tree = next.top();
    next.pop();
    tree->is_chosen = true;
    for (const auto& behind : tree->behind)
      next.push(behind.get());
  }
}

/// Lists those that were chosen; returns how many prefixes the others are.
int list(const std::vector<std::unique_ptr<Tree>>& trees, int parent,
         std::vector<PrefixOutline::Stretch>& stretches) {
  int left_out = 0;
  for (const auto& tree : trees) {
    if (!tree->is_chosen) {
      left_out += tree->stretch.prefixes;
      continue;
    }
    const auto place = stretches.size();
    stretches.push_back(std::move(tree->stretch));
    stretches.back().parent = parent;
    const int behind = list(tree->behind, static_cast<int>(place), stretches);
    stretches[place].left_out = behind;
  }
  return left_out;
}

} // namespace

PrefixOutlineBuilder::PrefixOutlineBuilder() = default;
PrefixOutlineBuilder::~PrefixOutlineBuilder() = default;

Node* PrefixOutlineBuilder::root(const std::string& tenant) {
  auto& root = roots_[tenant];
  if (!root)
    root = std::make_unique<Node>();
  return root.get();
}

std::vector<std::string> PrefixOutlineBuilder::tenants() const {
  return {std::from_range, roots_ | std::views::keys};
}

/// The node that begins with the next tokens, divided where these part from it, so that all of it
/// is among them; they are taken from the front. Null when there is none.
Node* PrefixOutlineBuilder::child(Node* at, std::span<const Token>& tokens) {
  const auto found = at->children.find(tokens.front());
  if (found == at->children.end())
    return nullptr;
  const auto common = std::ranges::mismatch(found->second->tokens, tokens).in2 - tokens.begin();
  const auto count = static_cast<std::size_t>(common);
  if (count < found->second->tokens.size()) {
    const Known& known = *found->second;
    auto upper = std::make_unique<Node>(known, found->second->tokens.first(count));
    auto lower =
        std::exchange(found->second, std::move(upper)); // who stands at its end stays there
    lower->tokens = lower->tokens.subspan(count);
    const Token first = lower->tokens.front();
    found->second->children.emplace(first, std::move(lower));
  }
  tokens = tokens.subspan(count);
  return found->second.get();
}

Node* PrefixOutlineBuilder::add(Node* behind, std::span<const Token> tokens, const Mark& mark) {
  while (!tokens.empty()) {
    Node* next = child(behind, tokens);
    if (!next) {
      auto& slot = behind->children[tokens.front()];
      slot = std::make_unique<Node>();
      slot->tokens = std::exchange(tokens, {});
      next = slot.get();
    }
    next->add(mark);
    behind = next;
  }
  return behind;
}

void PrefixOutlineBuilder::note(Node* root, std::span<const Token> tokens, const Mark& mark) {
  for (Node* node = root; !tokens.empty();) {
    node = child(node, tokens);
    if (!node)
      return;
    node->add(mark);
  }
}

int PrefixOutlineBuilder::conversation(const std::string& name) {
  const auto found = std::ranges::find(conversations_, name);
  const auto place = static_cast<int>(found - conversations_.begin());
  if (found == conversations_.end())
    conversations_.push_back(name);
  return place;
}

PrefixOutline PrefixOutlineBuilder::finish(std::size_t most) const {
  std::vector<std::unique_ptr<Tree>> tops;
  for (const auto& [tenant, root] : roots_)
    for (const auto& [first, node] : root->children)
      tops.push_back(tree_from(node.get(), 0));
  std::ranges::stable_sort(tops, std::greater{}, [](const auto& one) { return one->all_tokens; });
  choose(tops, most);
  PrefixOutline outline;
  outline.conversations = conversations_;
  outline.left_out = list(tops, -1, outline.stretches);
  return outline;
}

} // namespace anyclaude::kv
