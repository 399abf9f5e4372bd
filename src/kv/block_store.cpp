#include "kv/block_store.h"

#include <algorithm>
#include <stdexcept>
#include <utility>

namespace anyclaude::kv {

struct BlockStore::Entry {
  NodeKind kind = NodeKind::block;
  BlockKey key;
  Entry* parent = nullptr; // null: a tenant's root
  int begin = 0;
  std::vector<Token> tokens;
  std::size_t bytes = 0;        // of the cells and the state
  BlockPointer block;           // null: not in host memory
  std::uint64_t file_bytes = 0; // 0: not on the disk
  bool is_being_written = false;
  std::vector<Entry*> children;
  double seconds = 0;
  std::uint64_t hits = 0;
  double value = 0;

  int end() const { return begin + static_cast<int>(tokens.size()); }
  bool is_checkpoint() const { return kind == NodeKind::checkpoint; }
};

namespace {

int common_length(std::span<const Token> a, std::span<const Token> b) {
  return static_cast<int>(std::ranges::mismatch(a, b).in1 - a.begin());
}

} // namespace

BlockStore::BlockStore(BlockStoreOptions options, std::unique_ptr<DiskTier> disk)
    : options_(std::move(options)), disk_(std::move(disk)) {
  if (!disk_)
    return;
  options_.salt = disk_->files().salt();
  auto scan = disk_->files().scan();
  stats_.damaged = static_cast<std::uint64_t>(std::ranges::count_if(
      scan.damaged, [](const auto& file) { return file.second != Damage::other_version; }));
  const bool all_were_read = std::ranges::none_of(
      scan.damaged, [](const auto& file) { return file.second == Damage::unreadable; });
  load(std::move(scan.blocks), all_were_read);
}

BlockStore::~BlockStore() = default;

BlockStore::Entry* BlockStore::root(const BlockKey& key) {
  auto& root = roots_[key];
  if (!root) {
    root = std::make_unique<Entry>();
    root->key = key;
  }
  return root.get();
}

const BlockStore::Entry* BlockStore::find_root(const std::string& tenant) const {
  const auto found = roots_.find(root_key(options_.salt, options_.fingerprint, tenant));
  return found == roots_.end() ? nullptr : found->second.get();
}

/// How many tokens stand in front of the last block of so many.
std::size_t BlockStore::before_last(std::size_t tokens) const {
  const auto whole = static_cast<std::size_t>(options_.block_tokens);
  return (tokens - 1) / whole * whole;
}

/// The child that is a whole block of exactly the next tokens.
const BlockStore::Entry* BlockStore::whole_child(const Entry& parent,
                                                 std::span<const Token> rest) const {
  const auto whole = static_cast<std::size_t>(options_.block_tokens);
  if (rest.size() < whole || parent.children.empty())
    return nullptr;
  const auto tokens = rest.first(whole);
  const auto found = entries_.find(block_key(parent.key, tokens));
  if (found == entries_.end() || !std::ranges::equal(found->second->tokens, tokens))
    return nullptr;
  return found->second.get();
}

/// The child that has most of the next tokens in common.
const BlockStore::Entry* BlockStore::best_child(const Entry& parent, std::span<const Token> rest,
                                                int& matched) {
  const Entry* best = nullptr;
  matched = 0;
  for (const Entry* child : parent.children) {
    const int common = child->is_checkpoint() ? 0 : common_length(child->tokens, rest);
    if (common > matched) {
      best = child;
      matched = common;
    }
  }
  return best;
}

BlockStore::Piece BlockStore::piece_of(const Entry& entry, int end) {
  return {entry.kind,  entry.key,   entry.begin,           end,
          entry.end(), entry.bytes, entry.block != nullptr, entry.hits};
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
    pieces.push_back(piece_of(*next, length + matched));
    length += matched;
    entry = matched == options_.block_tokens ? next : nullptr;
  }
  return pieces;
}

/// The last of the whole blocks that `tokens` are; null when one of them is not there.
const BlockStore::Entry* BlockStore::whole_blocks(const std::string& tenant,
                                                  std::span<const Token> tokens) const {
  const Entry* entry = find_root(tenant);
  for (std::size_t at = 0; entry && at < tokens.size();
       at += static_cast<std::size_t>(options_.block_tokens))
    entry = whole_child(*entry, tokens.subspan(at));
  return entry;
}

/// The entry that the last block of `tokens` hangs below; null when it is not there.
const BlockStore::Entry* BlockStore::parent_of_last(const std::string& tenant,
                                                    std::span<const Token> tokens) const {
  return whole_blocks(tenant, tokens.first(before_last(tokens.size())));
}

/// The checkpoint behind exactly these tokens of a block.
const BlockStore::Entry* BlockStore::checkpoint_child(const Entry& parent,
                                                      std::span<const Token> tokens) {
  for (const Entry* child : parent.children)
    if (child->is_checkpoint() && std::ranges::equal(child->tokens, tokens))
      return child;
  return nullptr;
}

std::vector<BlockStore::Piece> BlockStore::checkpoints(const std::string& tenant,
                                                       std::span<const Token> tokens) const {
  std::vector<Piece> pieces;
  for (const Entry* entry = find_root(tenant); entry;) {
    const auto rest = tokens.subspan(static_cast<std::size_t>(entry->end()));
    for (const Entry* child : entry->children)
      if (child->is_checkpoint() &&
          std::cmp_equal(common_length(child->tokens, rest), child->tokens.size()))
        pieces.push_back(piece_of(*child, child->end()));
    entry = whole_child(*entry, rest);
  }
  std::ranges::sort(pieces, {}, &Piece::end);
  return pieces;
}

std::vector<BlockStore::Piece>
BlockStore::find_checkpoint(const std::string& tenant, std::span<const Token> tokens) const {
  const auto found = checkpoints(tenant, tokens);
  if (found.empty())
    return {};
  auto pieces = find(tenant, tokens.first(static_cast<std::size_t>(found.back().begin)));
  pieces.push_back(found.back());
  return pieces;
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
  root(root_key(options_.salt, options_.fingerprint, tenant));
  auto* parent = const_cast<Entry*>(parent_of_last(tenant, tokens));
  const auto last = tokens.subspan(before_last(tokens.size()));
  Block block;
  block.begin = static_cast<int>(before_last(tokens.size()));
  block.tokens.assign(last.begin(), last.end());
  block.cells = std::move(cells);
  if (!parent || has(tenant, tokens)) {
    spare_ = std::move(block.cells);
    return false;
  }
  if (!insert(*parent, std::move(block), seconds))
    return false;
  const auto stored = entries_.find(block_key(parent->key, last));
  if (!disk_ || stored->second->is_being_written) // the shorter one may be all that is on the disk
    supersede(*parent, last);
  return true;
}

bool BlockStore::put_checkpoint(const std::string& tenant, std::span<const Token> tokens,
                                std::vector<std::byte> cells, SavedState state, double seconds) {
  root(root_key(options_.salt, options_.fingerprint, tenant));
  const auto whole = static_cast<std::size_t>(options_.block_tokens);
  const std::size_t begin = tokens.size() / whole * whole;
  auto* parent = const_cast<Entry*>(whole_blocks(tenant, tokens.first(begin)));
  const auto last = tokens.subspan(begin);
  Block block;
  block.kind = NodeKind::checkpoint;
  block.begin = static_cast<int>(begin);
  block.tokens.assign(last.begin(), last.end());
  block.cells = std::move(cells);
  block.state = std::move(state);
  if (!parent || checkpoint_child(*parent, last)) {
    spare_ = std::move(block.cells);
    return false;
  }
  return insert(*parent, std::move(block), seconds);
}

/// Takes a block in below its parent; false when there is no room.
bool BlockStore::insert(Entry& parent, Block block, double seconds) {
  if (!make_room(block.bytes(), &parent)) {
    spare_ = std::move(block.cells);
    return false;
  }
  block.parent = parent.key;
  block.key = node_key(block.kind, parent.key, block.tokens);
  auto entry = std::make_unique<Entry>();
  entry->kind = block.kind;
  entry->key = block.key;
  entry->parent = &parent;
  entry->begin = block.begin;
  entry->tokens = block.tokens;
  entry->bytes = block.bytes();
  entry->seconds = seconds;
  entry->block = std::make_shared<Block>(std::move(block));
  entry->value = age_ + worth(*entry);

  stats_.memory_bytes += entry->bytes;
  stats_.checkpoints += entry->is_checkpoint() ? 1 : 0;
  ++stats_.stored;
  parent.children.push_back(entry.get());
  Entry& stored = *entry;
  entries_[stored.key] = std::move(entry);
  write(stored);
  return true;
}

/// The entries of what was found on the disk. What has nothing in front of it is of no use, and goes,
/// unless that might be there and the disk does not give it out.
void BlockStore::load(std::vector<BlockFiles::Found> found, bool may_remove) {
  // In order of their places, so that parents come first; of their last use, for their values.
  std::ranges::stable_sort(found, {}, &BlockFiles::Found::last_used);
  std::unordered_map<BlockKey, double, BlockKeyHash> rank;
  for (std::size_t i = 0; i < found.size(); ++i)
    rank[found[i].header.key] = static_cast<double>(i + 1) / static_cast<double>(found.size());
  std::ranges::stable_sort(found, {}, [](const auto& one) { return one.header.begin; });
  for (auto& one : found)
    adopt(std::move(one), may_remove);
  for (auto& [key, entry] : entries_) {
    entry->value *= rank.at(key);
    lower_if_useless(*entry);
  }
  make_disk_room(0, nullptr);
}

void BlockStore::adopt(BlockFiles::Found found, bool may_remove) {
  BlockHeader& header = found.header;
  const auto above = entries_.find(header.parent);
  Entry* parent = nullptr;
  if (header.begin == 0)
    parent = root(header.parent);
  else if (above != entries_.end() && above->second->end() == header.begin)
    parent = above->second.get();
  const bool is_checkpoint = header.kind == NodeKind::checkpoint;
  const bool fits = header.begin % options_.block_tokens == 0 &&
                    std::cmp_less_equal(header.tokens.size(), options_.block_tokens) &&
                    (!is_checkpoint || options_.checkpoints);
  if (!parent || !fits) {
    if (may_remove)
      disk_->remove(header.key);
    return;
  }
  auto entry = std::make_unique<Entry>();
  entry->kind = header.kind;
  entry->key = header.key;
  entry->parent = parent;
  entry->begin = header.begin;
  entry->bytes = header.section_bytes();
  entry->file_bytes = header.file_size();
  entry->tokens = std::move(header.tokens);
  entry->seconds = header.seconds;
  entry->value = worth(*entry);
  stats_.disk_bytes += entry->file_bytes;
  ++stats_.disk_blocks;
  stats_.checkpoints += is_checkpoint ? 1 : 0;
  parent->children.push_back(entry.get());
  const BlockKey key = entry->key;
  entries_[key] = std::move(entry);
}

/// Takes away shorter blocks of the same beginning: ends of prefixes that have gone on since.
void BlockStore::supersede(Entry& parent, std::span<const Token> tokens) {
  const auto children = parent.children;
  for (Entry* child : children) {
    const auto& mine = child->tokens;
    if (!child->is_checkpoint() && mine.size() < tokens.size() && std::cmp_equal(common_length(mine, tokens), mine.size()))
      remove(child);
  }
}

/// Blocks that no checkpoint stands behind are the first to go.
void BlockStore::lower_if_useless(Entry& entry) const {
  if (options_.checkpoints && !entry.is_checkpoint() && entry.children.empty())
    entry.value = 0;
}

/// What a request saves that finds it: of a checkpoint, the time since the one before.
double BlockStore::saved_seconds(const Entry& entry) {
  double seconds = entry.seconds;
  const auto has_checkpoint = [&entry](const Entry& above) {
    return std::ranges::any_of(above.children, [&entry](const Entry* child) {
      return child->is_checkpoint() && child != &entry;
    });
  };
  if (entry.is_checkpoint())
    for (const Entry* above = entry.parent; above && !has_checkpoint(*above); above = above->parent)
      seconds += above->seconds;
  return seconds;
}

double BlockStore::worth(const Entry& entry) const {
  const auto bytes = static_cast<double>(entry.bytes + entry.tokens.size() * sizeof(Token) + 1);
  return static_cast<double>(entry.hits + 1) * saved_seconds(entry) / bytes;
}

/// Makes room in host memory: copies of what is on the disk go, and of the rest the least valuable
/// ends. `keep` and what stands in front of it stay.
bool BlockStore::make_room(std::size_t bytes, const Entry* keep) {
  if (bytes > options_.memory_bytes)
    return false;
  while (stats_.memory_bytes + bytes > options_.memory_bytes) {
    Entry* entry = least_valuable(keep, false);
    if (!entry)
      return false;
    if (entry->file_bytes > 0) {
      drop_cells(*entry);
      continue;
    }
    age_ = std::max(age_, entry->value);
    ++stats_.evicted;
    remove(entry);
  }
  return true;
}

bool BlockStore::make_disk_room(std::uint64_t bytes, const Entry* keep) {
  if (bytes > options_.disk_bytes)
    return false;
  while (stats_.disk_bytes + being_written_ + bytes > options_.disk_bytes) {
    Entry* entry = least_valuable(keep, true);
    if (!entry)
      return false;
    age_ = std::max(age_, entry->value);
    ++stats_.evicted;
    remove(entry);
  }
  return true;
}

/// The least valuable entry of which something can go: an end, or from host memory a copy of what
/// the disk has.
BlockStore::Entry* BlockStore::least_valuable(const Entry* keep, bool on_disk) const {
  Entry* least = nullptr;
  for (const auto& [key, entry] : entries_) {
    const bool is_end = entry->children.empty() && !entry->is_being_written && entry.get() != keep;
    const bool can_go = on_disk ? is_end && entry->file_bytes > 0
                                : entry->block && (is_end || entry->file_bytes > 0);
    if (can_go && (!least || entry->value < least->value))
      least = entry.get();
  }
  return least;
}

void BlockStore::drop_cells(Entry& entry) {
  if (!entry.block)
    return;
  stats_.memory_bytes -= entry.bytes;
  done(std::move(entry.block));
  entry.block = nullptr;
}

/// Removes an entry without children.
void BlockStore::remove(Entry* entry, bool with_file) {
  drop_cells(*entry);
  if (entry->file_bytes > 0) {
    stats_.disk_bytes -= entry->file_bytes;
    --stats_.disk_blocks;
  }
  if (disk_ && with_file && (entry->file_bytes > 0 || entry->is_being_written))
    disk_->remove(entry->key);
  stats_.checkpoints -= entry->is_checkpoint() ? 1 : 0;
  Entry& parent = *entry->parent;
  std::erase(parent.children, entry);
  lower_if_useless(parent);
  const BlockKey key = entry->key;
  entries_.erase(key);
}

/// Gives a block to the disk, if it takes it now.
void BlockStore::write(Entry& entry) {
  if (!disk_)
    return;
  const std::uint64_t bytes = block_file_size(*entry.block);
  entry.is_being_written =
      make_disk_room(bytes, &entry) && disk_->write(entry.block, entry.seconds);
  if (entry.is_being_written)
    being_written_ += bytes;
  else
    unwritten_ = true;
}

void BlockStore::pump() {
  if (!disk_)
    return;
  for (const DiskTier::Outcome& outcome : disk_->outcomes()) {
    being_written_ -= outcome.file_size;
    const auto found = entries_.find(outcome.key);
    if (found == entries_.end())
      continue;
    Entry& entry = *found->second;
    entry.is_being_written = false;
    if (!outcome.is_durable) {
      unwritten_ = true;
    } else if (entry.file_bytes == 0) {
      entry.file_bytes = outcome.file_size;
      ++stats_.written;
      stats_.disk_bytes += outcome.file_size;
      ++stats_.disk_blocks;
      if (!keeps_copies_)
        drop_cells(entry);
    }
  }
  if (!unwritten_ || disk_->is_off())
    return;
  unwritten_ = false;
  std::vector<Entry*> waiting;
  for (const auto& [key, entry] : entries_)
    if (entry->block && entry->file_bytes == 0 && !entry->is_being_written)
      waiting.push_back(entry.get());
  std::ranges::sort(waiting, {}, &Entry::begin);
  for (Entry* entry : waiting) {
    if (unwritten_)
      break;
    write(*entry);
  }
}

BlockPointer BlockStore::any() const {
  for (const auto& [key, entry] : entries_)
    if (entry->block)
      return entry->block;
  return nullptr;
}

BlockStore::Fetched BlockStore::fetch(const BlockKey& key) {
  const auto found = entries_.find(key);
  if (found == entries_.end())
    return {};
  if (found->second->block)
    return {Have::yes, found->second->block};
  const auto read = disk_->read(key);
  if (const auto* block = std::get_if<BlockPointer>(&read))
    return {Have::yes, *block};
  if (std::holds_alternative<DiskTier::Coming>(read))
    return {Have::coming, nullptr};
  ++stats_.damaged;
  forget(key, std::get<Damage>(read));
  return {};
}

void BlockStore::expect(std::span<const BlockKey> keys) {
  for (const BlockKey& key : keys)
    if (const auto found = entries_.find(key); found != entries_.end() && !found->second->block)
      disk_->expect(key);
}

void BlockStore::done(BlockPointer&& block) {
  const BlockPointer last = std::move(block);
  if (last.use_count() > 1)
    return;
  // Blocks are made by this store and the disk tier, never as const objects.
  auto cells = std::move(const_cast<Block&>(*last).cells);
  if (spare_.capacity() < cells.capacity())
    std::swap(spare_, cells);
  if (disk_ && cells.capacity() > 0)
    disk_->recycle(std::move(cells));
}

std::optional<double> BlockStore::read_time(std::size_t bytes) const {
  return disk_ ? disk_->read_time(bytes) : std::nullopt;
}

std::string BlockStore::rates() const {
  return disk_ ? disk_->files().read_rates() : std::string();
}

void BlockStore::keep_rates(std::string text) {
  if (disk_)
    disk_->write_rates(std::move(text));
}

void BlockStore::expect_read_time(double bytes, double milliseconds) {
  if (disk_)
    disk_->expect_read_time(bytes, milliseconds);
}

void BlockStore::wait(const BlockKey& key, std::chrono::milliseconds at_most) {
  if (disk_)
    disk_->wait(key, at_most);
}

void BlockStore::count_hit(std::span<const Piece> pieces) {
  for (const Piece& piece : pieces)
    if (const auto found = entries_.find(piece.key); found != entries_.end()) {
      Entry& entry = *found->second;
      ++entry.hits;
      entry.value = age_ + worth(entry);
      if (entry.file_bytes > 0)
        disk_->touch(entry.key);
    }
}

void BlockStore::forget(const BlockKey& key, Damage why) {
  const auto found = entries_.find(key);
  if (found == entries_.end())
    return;
  const auto children = found->second->children;
  for (const Entry* child : children)
    forget(BlockKey(child->key), why);
  remove(found->second.get(), why != Damage::unreadable);
}

BlockStoreStats BlockStore::stats() const {
  BlockStoreStats stats = stats_;
  stats.blocks = entries_.size();
  stats.is_writing = being_written_ > 0;
  return stats;
}

void BlockStore::check() const {
  const auto require = [](bool holds, const char* what) {
    if (!holds)
      throw std::logic_error(std::string("block store: ") + what);
  };
  std::size_t bytes = 0;
  std::uint64_t on_disk = 0;
  std::size_t children = 0;
  for (const auto& [key, root] : roots_)
    children += root->children.size();
  for (const auto& [key, entry] : entries_) {
    bytes += entry->block ? entry->bytes : 0;
    on_disk += entry->file_bytes;
    children += entry->children.size();
    require(entry->key == key && node_key(entry->kind, entry->parent->key, entry->tokens) == key,
            "a wrong key");
    require(!entry->block || entry->block->tokens == entry->tokens, "other tokens in the block");
    require(entry->begin == entry->parent->end(), "a gap behind the parent");
    require(entry->begin % options_.block_tokens == 0, "a block at another place than a multiple");
    require(!entry->is_checkpoint() || entry->children.empty(), "something behind a checkpoint");
    require(std::ranges::count(entry->parent->children, entry.get()) == 1, "a child unknown");
    require(entry->block || entry->file_bytes > 0, "a block that cannot be had");
  }
  require(children == entries_.size(), "a child that is not there");
  require(bytes == stats_.memory_bytes, "a wrong count of bytes");
  require(bytes <= options_.memory_bytes, "more than the budget");
  require(on_disk == stats_.disk_bytes, "a wrong count of bytes on the disk");
}

} // namespace anyclaude::kv
