#include "commands/cache_tree.h"

#include "commands/cache_store.h"
#include "commands/tree_lines.h"
#include "text/quantity.h"

#include <algorithm>
#include <cmath>
#include <format>
#include <functional>
#include <map>
#include <vector>

namespace anyclaude::commands {

namespace {

constexpr int kBarWidth = 16; // characters

/// Blocks in a row that the same prefixes go through.
struct Stretch {
  int tokens = 0;
  std::uint64_t bytes = 0;
  std::uint64_t all_bytes = 0; // with those behind it
  std::uint64_t hits = 0;
  std::int64_t last_used = 0;
  bool is_stable = false;
  int ends = 0; // prefixes that go through it
  std::vector<Stretch> next;
};

using Children = std::map<kv::BlockKey, std::vector<const kv::ModelBlocks::Block*>>;

Stretch stretch_from(const kv::ModelBlocks::Block* block, const Children& children) {
  Stretch stretch;
  stretch.is_stable = block->use.is_stable;
  for (;;) {
    stretch.tokens += static_cast<int>(block->header.tokens.size());
    stretch.bytes += block->bytes;
    stretch.hits = std::max(stretch.hits, block->use.hits);
    stretch.last_used = std::max(stretch.last_used, block->use.last_used);
    const auto behind = children.find(block->header.key);
    if (behind == children.end()) {
      stretch.ends = 1;
      break;
    }
    const auto* only = behind->second.front();
    if (behind->second.size() == 1 && only->use.is_stable == stretch.is_stable) {
      block = only;
      continue;
    }
    for (const auto* child : behind->second)
      stretch.next.push_back(stretch_from(child, children));
    break;
  }
  stretch.all_bytes = stretch.bytes;
  for (const Stretch& next : stretch.next) {
    stretch.ends += next.ends;
    stretch.all_bytes += next.all_bytes;
  }
  std::ranges::sort(stretch.next, std::greater{}, &Stretch::all_bytes);
  return stretch;
}

std::string bar(double share) {
  const int full = static_cast<int>(std::lround(share * kBarWidth));
  std::string text;
  for (int i = 0; i < kBarWidth; ++i)
    text += i < full ? "█" : "·";
  return text;
}

std::string described(const Stretch& stretch, std::uint64_t all) {
  const double share = all > 0 ? static_cast<double>(stretch.bytes) / static_cast<double>(all) : 0;
  std::string text = std::format("{} tokens  {} {:3.0f}%  ", text::grouped(stretch.tokens),
                                 bar(share), share * 100);
  if (stretch.ends > 1)
    text += std::format("shared by {} prefixes, ", stretch.ends);
  text += std::format("{} use{}", stretch.hits, stretch.hits == 1 ? "" : "s");
  if (stretch.is_stable)
    text += ", tools and system text";
  return text + ", last " + human_time(stretch.last_used);
}

/// For tree_lines(): `listed` gets the stretches, by the nodes' numbers.
std::vector<TreeNode> nodes_of(const std::vector<Stretch>& stretches,
                               std::vector<const Stretch*>& listed) {
  std::vector<TreeNode> nodes;
  for (const Stretch& stretch : stretches) {
    TreeNode& node = nodes.emplace_back();
    node.prefixes = stretch.ends;
    node.number = static_cast<int>(listed.size());
    listed.push_back(&stretch);
    node.behind = nodes_of(stretch.next, listed);
  }
  return nodes;
}

} // namespace

std::string picture_of(const kv::ModelBlocks& model, std::size_t lines) {
  Children children;
  for (const auto& [key, block] : model.blocks)
    children[block.header.parent].push_back(&block);
  std::vector<Stretch> tops;
  for (const auto& [parent, blocks] : children)
    if (!model.blocks.contains(parent))
      for (const auto* block : blocks)
        tops.push_back(stretch_from(block, children));
  std::ranges::sort(tops, std::greater{}, &Stretch::all_bytes);
  std::vector<const Stretch*> listed;
  const auto nodes = nodes_of(tops, listed);
  std::string picture;
  for (const TreeLine& line : tree_lines(nodes, lines))
    picture += std::format(
        "  {}{}\n", line.branch,
        line.node ? described(*listed[static_cast<std::size_t>(line.node->number)], model.bytes())
                  : std::format("{} more", line.more));
  return picture;
}

} // namespace anyclaude::commands
