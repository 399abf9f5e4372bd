#include "commands/cache_tree.h"

#include "commands/cache_store.h"

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

std::string with_commas(int number) {
  std::string text = std::to_string(number);
  for (int at = static_cast<int>(text.size()) - 3; at > 0; at -= 3)
    text.insert(static_cast<std::size_t>(at), ",");
  return text;
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
  std::string text =
      std::format("{} tokens  {} {:3.0f}%  ", with_commas(stretch.tokens), bar(share), share * 100);
  if (stretch.ends > 1)
    text += std::format("shared by {} prefixes, ", stretch.ends);
  text += std::format("{} use{}", stretch.hits, stretch.hits == 1 ? "" : "s");
  if (stretch.is_stable)
    text += ", tools and system text";
  return text + ", last " + human_time(stretch.last_used);
}

class Picture {
 public:
  Picture(std::uint64_t bytes, std::size_t lines) : bytes_(bytes), left_(lines) {}

  void draw(const std::vector<Stretch>& stretches, const std::string& indent, bool is_top) {
    for (std::size_t i = 0; i < stretches.size(); ++i) {
      const bool is_last = i + 1 == stretches.size();
      const std::string branch = is_top ? "" : is_last ? "└─ " : "├─ ";
      if (left_ == 0) {
        int ends = 0;
        for (std::size_t rest = i; rest < stretches.size(); ++rest)
          ends += stretches[rest].ends;
        text_ += std::format("  {}{}{} more\n", indent, is_top ? "" : "└─ ", ends);
        return;
      }
      --left_;
      text_ += std::format("  {}{}{}\n", indent, branch, described(stretches[i], bytes_));
      draw(stretches[i].next, indent + (is_top ? "" : is_last ? "   " : "│  "), false);
    }
  }
  std::string take() { return std::move(text_); }

 private:
  std::uint64_t bytes_;
  std::size_t left_;
  std::string text_;
};

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
  Picture picture(model.bytes(), lines);
  picture.draw(tops, "", true);
  return picture.take();
}

} // namespace anyclaude::commands
