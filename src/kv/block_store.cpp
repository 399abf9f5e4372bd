#include "kv/block_store.h"

#include <algorithm>
#include <stdexcept>
#include <utility>

namespace anyclaude::kv {

struct BlockStore::Entry {
  BlockKey key;
  Entry* parent = nullptr; // null: a tenant's root
  std::shared_ptr<Block> block;
  std::vector<Entry*> children;
  double seconds = 0;
  std::uint64_t hits = 0;
  double value = 0;

  int end() const { return block ? block->end() : 0; }
};

namespace {

int common_length(std::span<const Token> a, std::span<const Token> b) {
  return static_cast<int>(std::ranges::mismatch(a, b).in1 - a.begin());
}

} // namespace

BlockStore::BlockStore(BlockStoreOptions options) : options_(std::move(options)) {}

BlockStore::~BlockStore() = default;

/// How many tokens stand in front of the last block of so many.
std::size_t BlockStore::before_last(std::size_t tokens) const {
  const auto whole = static_cast<std::size_t>(options_.block_tokens);
  return (tokens - 1) / whole * whole;
}

BlockStore::Entry* BlockStore::root(const std::string& tenant) {
  auto& root = roots_[tenant];
  if (!root) {
    root = std::make_unique<Entry>();
    root->key = root_key(options_.salt, options_.fingerprint, tenant);
  }
  return root.get();
}

const BlockStore::Entry* BlockStore::find_root(const std::string& tenant) const {
  const auto found = roots_.find(tenant);
  return found == roots_.end() ? nullptr : found->second.get();
}

/// The child that is a whole block of exactly the next tokens.
const BlockStore::Entry* BlockStore::whole_child(const Entry& parent,
                                                 std::span<const Token> rest) const {
  const auto whole = static_cast<std::size_t>(options_.block_tokens);
  if (rest.size() < whole || parent.children.empty())
    return nullptr;
  const auto tokens = rest.first(whole);
  const auto found = entries_.find(block_key(parent.key, tokens));
  if (found == entries_.end() || !std::ranges::equal(found->second->block->tokens, tokens))
    return nullptr;
  return found->second.get();
}

/// The child that has most of the next tokens in common.
const BlockStore::Entry* BlockStore::best_child(const Entry& parent, std::span<const Token> rest,
                                                int& matched) {
  const Entry* best = nullptr;
  matched = 0;
  for (const Entry* child : parent.children) {
    const int common = common_length(child->block->tokens, rest);
    if (common > matched) {
      best = child;
      matched = common;
    }
  }
  return best;
}

std::vector<BlockStore::Piece> BlockStore::find(const std::string& tenant,
                                                std::span<const Token> tokens) const {
  std::vector<Piece> pieces;
  const Entry* entry = find_root(tenant);
  int length = 0;
  while (entry) {
    const auto rest = tokens.subspan(static_cast<std::size_t>(length));
    int matched = options_.block_tokens;
    const Entry* next = whole_child(*entry, rest);
    if (!next)
      next = best_child(*entry, rest, matched);
    if (!next)
      break;
    const Block& block = *next->block;
    pieces.push_back({next->key, length, length + matched, block.end(), block.cells.size()});
    length += matched;
    entry = matched == options_.block_tokens ? next : nullptr;
  }
  return pieces;
}

/// The entry that the last block of `tokens` hangs below; null when it is not there.
const BlockStore::Entry* BlockStore::parent_of_last(const std::string& tenant,
                                                    std::span<const Token> tokens) const {
  const Entry* entry = find_root(tenant);
  const std::size_t end = before_last(tokens.size());
  for (std::size_t at = 0; entry && at < end; at += static_cast<std::size_t>(options_.block_tokens))
    entry = whole_child(*entry, tokens.subspan(at));
  return entry;
}

bool BlockStore::has(const std::string& tenant, std::span<const Token> tokens) const {
  const Entry* parent = parent_of_last(tenant, tokens);
  if (!parent)
    return false;
  const auto last = tokens.subspan(before_last(tokens.size()));
  if (std::cmp_equal(last.size(), options_.block_tokens))
    return whole_child(*parent, last) != nullptr;
  int matched = 0;
  best_child(*parent, last, matched);
  return std::cmp_equal(matched, last.size());
}

std::vector<std::byte> BlockStore::buffer() {
  return std::exchange(spare_, {});
}

bool BlockStore::put(const std::string& tenant, std::span<const Token> tokens,
                     std::vector<std::byte> cells, double seconds) {
  root(tenant);
  auto* parent = const_cast<Entry*>(parent_of_last(tenant, tokens));
  const auto last = tokens.subspan(before_last(tokens.size()));
  if (!parent || has(tenant, tokens) || !make_room(cells.size(), parent)) {
    spare_ = std::move(cells);
    return false;
  }
  supersede(*parent, last);

  auto entry = std::make_unique<Entry>();
  entry->key = block_key(parent->key, last);
  entry->parent = parent;
  entry->seconds = seconds;
  entry->block = std::make_shared<Block>();
  entry->block->key = entry->key;
  entry->block->parent = parent->key;
  entry->block->begin = static_cast<int>(before_last(tokens.size()));
  entry->block->tokens.assign(last.begin(), last.end());
  entry->block->cells = std::move(cells);
  entry->value = age_ + worth(*entry);

  stats_.memory_bytes += entry->block->cells.size();
  ++stats_.stored;
  parent->children.push_back(entry.get());
  const BlockKey key = entry->key;
  entries_[key] = std::move(entry);
  return true;
}

/// Takes away shorter blocks of the same beginning: ends of prefixes that have gone on since.
void BlockStore::supersede(Entry& parent, std::span<const Token> tokens) {
  const auto children = parent.children;
  for (Entry* child : children) {
    const auto& mine = child->block->tokens;
    if (mine.size() < tokens.size() && std::cmp_equal(common_length(mine, tokens), mine.size()))
      remove(child);
  }
}

double BlockStore::worth(const Entry& entry) const {
  const double bytes = std::max<double>(1, static_cast<double>(entry.block->cells.size()));
  return static_cast<double>(entry.hits + 1) * entry.seconds / bytes;
}

/// Gives up blocks until `bytes` fit. `keep` and those in front of it stay.
bool BlockStore::make_room(std::size_t bytes, const Entry* keep) {
  if (bytes > options_.memory_bytes)
    return false;
  while (stats_.memory_bytes + bytes > options_.memory_bytes) {
    Entry* entry = least_valuable(keep);
    if (!entry)
      return false;
    age_ = std::max(age_, entry->value);
    ++stats_.evicted;
    remove(entry);
  }
  return true;
}

BlockStore::Entry* BlockStore::least_valuable(const Entry* keep) const {
  Entry* least = nullptr;
  for (const auto& [key, entry] : entries_)
    if (entry->children.empty() && entry.get() != keep)
      if (!least || entry->value < least->value)
        least = entry.get();
  return least;
}

/// Removes an entry without children.
void BlockStore::remove(Entry* entry) {
  stats_.memory_bytes -= entry->block->cells.size();
  if (entry->block.use_count() == 1 && spare_.capacity() < entry->block->cells.capacity())
    spare_ = std::move(entry->block->cells);
  std::erase(entry->parent->children, entry);
  const BlockKey key = entry->key;
  entries_.erase(key);
}

BlockPointer BlockStore::any() const {
  return entries_.empty() ? nullptr : entries_.begin()->second->block;
}

BlockPointer BlockStore::get(const BlockKey& key) const {
  const auto found = entries_.find(key);
  return found == entries_.end() ? nullptr : found->second->block;
}

void BlockStore::count_hit(std::span<const Piece> pieces) {
  for (const Piece& piece : pieces)
    if (const auto found = entries_.find(piece.key); found != entries_.end()) {
      Entry& entry = *found->second;
      ++entry.hits;
      entry.value = age_ + worth(entry);
    }
}

void BlockStore::forget(const BlockKey& key) {
  const auto found = entries_.find(key);
  if (found == entries_.end())
    return;
  const auto children = found->second->children;
  for (const Entry* child : children)
    forget(BlockKey(child->key));
  remove(found->second.get());
}

BlockStoreStats BlockStore::stats() const {
  BlockStoreStats stats = stats_;
  stats.blocks = entries_.size();
  return stats;
}

void BlockStore::check() const {
  const auto require = [](bool holds, const char* what) {
    if (!holds)
      throw std::logic_error(std::string("block store: ") + what);
  };
  std::size_t bytes = 0;
  std::size_t children = 0;
  for (const auto& [tenant, root] : roots_)
    children += root->children.size();
  for (const auto& [key, entry] : entries_) {
    const Block& block = *entry->block;
    bytes += block.cells.size();
    children += entry->children.size();
    require(block.key == key && block_key(block.parent, block.tokens) == key, "a wrong key");
    require(block.parent == entry->parent->key, "a wrong parent");
    require(block.begin == entry->parent->end(), "a gap behind the parent");
    require(block.begin % options_.block_tokens == 0, "a block at another place than a multiple");
    require(std::ranges::count(entry->parent->children, entry.get()) == 1, "a child unknown");
  }
  require(children == entries_.size(), "a child that is not there");
  require(bytes == stats_.memory_bytes, "a wrong count of bytes");
  require(bytes <= options_.memory_bytes, "more than the budget");
}

} // namespace anyclaude::kv
