#include "kv/block_store.h"

#include "kv/image_tokens.h"

#include <algorithm>
#include <stdexcept>
#include <tuple>
#include <unordered_set>
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
  BlockUse use;
  bool is_for_memory = false; // never written to the disk
  double value = 0;
  std::uint64_t recency = 0; // grows with every block and request; of equal values the older goes

  int end() const { return begin + static_cast<int>(tokens.size()); }
  bool is_checkpoint() const { return kind == NodeKind::checkpoint; }
};

namespace {

constexpr double kPinnedShare = 0.5; // of the disk's budget, at most

std::int64_t now_seconds() {
  return std::chrono::duration_cast<std::chrono::seconds>(
             std::chrono::system_clock::now().time_since_epoch())
      .count();
}

bool all_were_read(const BlockFiles::Scan& scan) {
  return std::ranges::none_of(scan.damaged,
                              [](const auto& file) { return file.second == Damage::unreadable; });
}

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
  load(std::move(scan.blocks), all_were_read(scan));
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

/// How many tokens stand in front of the last block of these.
std::size_t BlockStore::before_last(std::span<const Token> tokens) const {
  return block_begin(tokens, tokens.size() - 1, options_.block_tokens);
}

/// The child that is a whole block of exactly the next tokens.
const BlockStore::Entry* BlockStore::whole_child(const Entry& parent,
                                                 std::span<const Token> rest) const {
  const std::size_t whole = block_end(rest, 0, options_.block_tokens);
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
    if (child->is_checkpoint())
      continue;
    const auto equal = static_cast<std::size_t>(common_length(child->tokens, rest));
    const int common = static_cast<int>(whole_images(child->tokens, whole_images(rest, equal)));
    if (common > matched) {
      best = child;
      matched = common;
    }
  }
  return best;
}

BlockStore::Piece BlockStore::piece_of(const Entry& entry, int end) {
  return {
      entry.kind,    entry.key, entry.begin, end, entry.end(), entry.bytes, entry.block != nullptr,
      entry.use.hits};
}

std::vector<BlockStore::Piece> BlockStore::find(const std::string& tenant,
                                                std::span<const Token> tokens) const {
  std::vector<Piece> pieces;
  const Entry* entry = find_root(tenant);
  int length = 0;
  while (entry) {
    const auto rest = tokens.subspan(static_cast<std::size_t>(length));
    const Entry* const whole = whole_child(*entry, rest);
    int matched = whole ? static_cast<int>(whole->tokens.size()) : 0;
    const Entry* const next = whole ? whole : best_child(*entry, rest, matched);
    if (!next)
      break;
    pieces.push_back(piece_of(*next, length + matched));
    length += matched;
    entry = whole;
  }
  return pieces;
}

/// The last of the whole blocks that `tokens` are; null when one of them is not there.
const BlockStore::Entry* BlockStore::whole_blocks(const std::string& tenant,
                                                  std::span<const Token> tokens) const {
  const Entry* entry = find_root(tenant);
  for (std::size_t at = 0; entry && at < tokens.size();) {
    entry = whole_child(*entry, tokens.subspan(at));
    at = entry ? static_cast<std::size_t>(entry->end()) : tokens.size();
  }
  return entry;
}

/// The entry that the last block of `tokens` hangs below; null when it is not there.
const BlockStore::Entry* BlockStore::parent_of_last(const std::string& tenant,
                                                    std::span<const Token> tokens) const {
  return whole_blocks(tenant, tokens.first(before_last(tokens)));
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

std::vector<BlockStore::Piece> BlockStore::find_checkpoint(const std::string& tenant,
                                                           std::span<const Token> tokens) const {
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
  const auto last = tokens.subspan(before_last(tokens));
  if (last.size() == block_end(last, 0, options_.block_tokens))
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
  root(root_key(options_.salt, options_.fingerprint, tenant))->is_for_memory = is_unkept(tenant);
  auto* parent = const_cast<Entry*>(parent_of_last(tenant, tokens));
  const auto last = tokens.subspan(before_last(tokens));
  Block block;
  block.begin = static_cast<int>(before_last(tokens));
  block.tokens.assign(last.begin(), last.end());
  block.cells = std::move(cells);
  if (!parent || has(tenant, tokens)) {
    spare_ = std::move(block.cells);
    return false;
  }
  if (!insert(*parent, std::move(block), seconds))
    return false;
  const auto stored = entries_.find(block_key(parent->key, last));
  // The shorter one may be all that is on the disk.
  if (!disk_ || stored->second->is_for_memory || stored->second->is_being_written)
    supersede(*parent, last);
  return true;
}

bool BlockStore::put_checkpoint(const std::string& tenant, std::span<const Token> tokens,
                                std::vector<std::byte> cells, SavedState state, double seconds) {
  root(root_key(options_.salt, options_.fingerprint, tenant))->is_for_memory = is_unkept(tenant);
  const std::size_t begin = block_begin(tokens, tokens.size(), options_.block_tokens);
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
  // Else a short block keeps the memory of the longer one whose buffer it was written into.
  if (block.cells.capacity() > block.cells.size() + block.cells.size() / 4)
    block.cells.shrink_to_fit();
  block.parent = parent.key;
  block.key = node_key(block.kind, parent.key, block.tokens);
  auto entry = std::make_unique<Entry>();
  entry->kind = block.kind;
  entry->key = block.key;
  entry->parent = &parent;
  entry->begin = block.begin;
  entry->tokens = block.tokens;
  entry->bytes = block.bytes();
  entry->is_for_memory = parent.is_for_memory;
  entry->seconds = seconds;
  entry->block = std::make_shared<Block>(std::move(block));
  entry->value = age_ + worth(*entry);
  entry->recency = recency();

  stats_.memory_bytes += entry->bytes;
  stats_.checkpoints += entry->is_checkpoint() ? 1 : 0;
  ++stats_.stored;
  parent.children.push_back(entry.get());
  Entry& stored = *entry;
  entries_[stored.key] = std::move(entry);
  write(stored);
  return true;
}

/// The entries of what was found on the disk. What has nothing in front of it is of no use, and
/// goes, unless that might be there and the disk does not give it out.
void BlockStore::load(std::vector<BlockFiles::Found> found, bool may_remove) {
  // In order of their places, so that parents come first; of their last use, for their values.
  std::ranges::stable_sort(found, {}, [](const auto& one) { return one.use.last_used; });
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
  const bool fits = header.tokens.size() <= block_end(header.tokens, 0, options_.block_tokens) &&
                    (header.begin == 0 || !parent ||
                     std::cmp_greater_equal(parent->tokens.size(), options_.block_tokens)) &&
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
  entry->use = found.use;
  entry->value = worth(*entry);
  if (entry->use.is_stable)
    stats_.pinned_bytes += entry->file_bytes;
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
    if (!child->is_checkpoint() && mine.size() < tokens.size() &&
        std::cmp_equal(common_length(mine, tokens), mine.size()))
      remove(child);
  }
}

/// Blocks that no checkpoint stands behind are the first to go.
void BlockStore::lower_if_useless(Entry& entry) const {
  if (options_.checkpoints && !entry.is_checkpoint() && entry.children.empty())
    entry.value = 0;
}

std::uint64_t BlockStore::recency() const {
  return stats_.stored + stats_.totals.requests;
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
  return static_cast<double>(entry.use.hits + 1) * saved_seconds(entry) / bytes;
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
/// the disk has. On the disk those that are pinned go last, unless they take more than their share:
/// then first.
BlockStore::Entry* BlockStore::least_valuable(const Entry* keep, bool on_disk) const {
  Entry* least = nullptr;
  const bool too_many = static_cast<double>(stats_.pinned_bytes) >
                        kPinnedShare * static_cast<double>(options_.disk_bytes);
  const auto rank = [&](const Entry& entry) {
    return std::tuple(on_disk && entry.use.is_stable != too_many, entry.value, entry.recency);
  };
  for (const auto& [key, entry] : entries_) {
    const bool is_end = entry->children.empty() && !entry->is_being_written && entry.get() != keep;
    const bool can_go = on_disk ? is_end && entry->file_bytes > 0
                                : entry->block && (is_end || entry->file_bytes > 0);
    if (can_go && (!least || rank(*entry) < rank(*least)))
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

/// Its file is no more, or not for long.
void BlockStore::lost_file(Entry& entry) {
  if (entry.file_bytes == 0)
    return;
  stats_.disk_bytes -= entry.file_bytes;
  stats_.pinned_bytes -= entry.use.is_stable ? entry.file_bytes : 0;
  --stats_.disk_blocks;
  entry.file_bytes = 0;
}

/// Removes an entry without children.
void BlockStore::remove(Entry* entry, bool with_file) {
  drop_cells(*entry);
  if (disk_ && with_file && (entry->file_bytes > 0 || entry->is_being_written))
    disk_->remove(entry->key);
  if (entry->is_being_written)
    given_up_.emplace(entry->key, entry->bytes);
  lost_file(*entry);
  stats_.checkpoints -= entry->is_checkpoint() ? 1 : 0;
  Entry& parent = *entry->parent;
  std::erase(parent.children, entry);
  lower_if_useless(parent);
  const BlockKey key = entry->key;
  entries_.erase(key);
}

/// Gives a block to the disk, if it takes it now.
void BlockStore::write(Entry& entry) {
  if (!disk_ || entry.is_for_memory)
    return;
  const std::uint64_t bytes = block_file_size(*entry.block);
  entry.is_being_written =
      make_disk_room(bytes, &entry) && disk_->write(entry.block, entry.seconds);
  if (!entry.is_being_written) {
    unwritten_ = true;
    return;
  }
  being_written_ += bytes;
  if (entry.use != BlockUse{}) // in memory, before
    note_use(entry);
}

void BlockStore::computing(bool any) {
  if (disk_)
    disk_->computing(any);
}

void BlockStore::pump() {
  if (!disk_)
    return;
  for (const DiskTier::Outcome& outcome : disk_->outcomes()) {
    being_written_ -= outcome.file_size;
    if (const auto given_up = given_up_.find(outcome.key); given_up != given_up_.end()) {
      given_up_.erase(given_up);
      continue;
    }
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
      stats_.pinned_bytes += entry.use.is_stable ? outcome.file_size : 0;
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
    if (entry->block && entry->file_bytes == 0 && !entry->is_being_written && !entry->is_for_memory)
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
  const Damage why = std::get<Damage>(read);
  forget(key, why);
  if (options_.on_damage)
    options_.on_damage(why);
  return {};
}

void BlockStore::expect(std::span<const BlockKey> keys) {
  for (const BlockKey& key : keys)
    if (const auto found = entries_.find(key); found != entries_.end() && !found->second->block)
      disk_->expect(key);
}

void BlockStore::forget_read(const BlockKey& key) {
  if (disk_)
    disk_->forget(key);
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

void BlockStore::count_hit(std::span<const Piece> pieces, int found, int asked) {
  StoreTotals more{.requests = 1,
                   .asked_tokens = static_cast<std::uint64_t>(asked),
                   .found_tokens = static_cast<std::uint64_t>(found)};
  for (const Piece& piece : pieces) {
    const auto place = entries_.find(piece.key);
    if (place == entries_.end())
      continue;
    Entry& entry = *place->second;
    ++entry.use.hits;
    entry.use.last_used = now_seconds();
    entry.value = age_ + worth(entry);
    entry.recency = recency();
    note_use(entry);
    const int used = std::min(found, piece.end) - piece.begin;
    more.saved_seconds +=
        entry.seconds * std::max(used, 0) /
        static_cast<double>(std::max<std::size_t>(1, entry.tokens.size())); // a checkpoint has none
  }
  stats_.totals += more;
  if (disk_)
    disk_->count(more);
}

/// Tells the disk, which does things in their order.
void BlockStore::note_use(const Entry& entry) {
  if (entry.file_bytes > 0 || entry.is_being_written)
    disk_->touch(entry.key, entry.use);
}

void BlockStore::pin(const std::string& tenant, std::span<const Token> tokens) {
  const auto pin_one = [this](const BlockKey& key) {
    Entry& entry = *entries_.at(key);
    if (std::exchange(entry.use.is_stable, true))
      return;
    stats_.pinned_bytes += entry.file_bytes;
    note_use(entry);
  };
  for (const Piece& piece : find(tenant, tokens))
    if (piece.end == piece.block_end)
      pin_one(piece.key);
  for (const Piece& checkpoint : checkpoints(tenant, tokens))
    pin_one(checkpoint.key);
}

void BlockStore::look_again() {
  if (!disk_)
    return;
  pump();
  disk_->files().describe();
  const auto names = disk_->files().names();
  const std::unordered_set<BlockKey, BlockKeyHash> there(names.begin(), names.end());
  std::vector<BlockKey> gone;
  for (const auto& [key, entry] : entries_)
    if (entry->file_bytes > 0 && !there.contains(key)) {
      lost_file(*entry); // and there is none to be removed
      gone.push_back(key);
    }
  for (const BlockKey& key : gone)
    forget(key);
  auto scan = disk_->files().scan();
  auto& found = scan.blocks;
  std::erase_if(found, [this](const auto& one) { return entries_.contains(one.header.key); });
  std::ranges::stable_sort(found, {}, [](const auto& one) { return one.header.begin; });
  for (auto& one : found)
    adopt(std::move(one), all_were_read(scan));
  make_disk_room(0, nullptr);
}

void BlockStore::clear() {
  std::vector<BlockKey> firsts;
  for (const auto& [key, root] : roots_)
    for (const Entry* child : root->children)
      firsts.push_back(child->key);
  for (const BlockKey& key : firsts)
    forget(key);
  if (disk_)
    disk_->files().describe();
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
  stats.unwritten_bytes = being_written_;
  for (const auto& [key, bytes] : given_up_)
    stats.memory_bytes += bytes;
  return stats;
}

void BlockStore::show(PrefixOutlineBuilder& outline) const {
  std::unordered_map<BlockKey, std::string, BlockKeyHash> tenants;
  for (const std::string& tenant : outline.tenants())
    tenants[root_key(options_.salt, options_.fingerprint, tenant)] = tenant;
  const auto visit = [&](const auto& self, const Entry& above, auto* place) -> void {
    for (const Entry* entry : above.children) {
      const Tier tier = entry->block            ? Tier::memory
                        : entry->file_bytes > 0 ? Tier::disk
                                                : Tier::none;
      auto* const end = outline.add(place, entry->tokens,
                                    {.tier = tier,
                                     .is_on_disk = entry->file_bytes > 0,
                                     .is_stable = entry->use.is_stable,
                                     .last_used = entry->use.last_used});
      self(self, *entry, end);
    }
  };
  for (const auto& [key, root] : roots_) {
    const auto known = tenants.find(key);
    visit(visit, *root, outline.root(known == tenants.end() ? key.hex() : known->second));
  }
}

void BlockStore::check() const {
  const auto require = [](bool holds, const char* what) {
    if (!holds)
      throw std::logic_error(std::string("block store: ") + what);
  };
  std::size_t bytes = 0;
  std::uint64_t on_disk = 0;
  std::uint64_t pinned = 0;
  std::size_t children = 0;
  for (const auto& [key, root] : roots_)
    children += root->children.size();
  for (const auto& [key, entry] : entries_) {
    bytes += entry->block ? entry->bytes : 0;
    on_disk += entry->file_bytes;
    pinned += entry->use.is_stable ? entry->file_bytes : 0;
    require(!entry->is_for_memory || entry->file_bytes == 0, "a file of what must not have one");
    children += entry->children.size();
    require(entry->key == key && node_key(entry->kind, entry->parent->key, entry->tokens) == key,
            "a wrong key");
    require(!entry->block || entry->block->tokens == entry->tokens, "other tokens in the block");
    require(entry->begin == entry->parent->end(), "a gap behind the parent");
    require(entry->begin == 0 ||
                std::cmp_greater_equal(entry->parent->tokens.size(), options_.block_tokens),
            "a block behind one that is not whole");
    require(!entry->is_checkpoint() || entry->children.empty(), "something behind a checkpoint");
    require(std::ranges::count(entry->parent->children, entry.get()) == 1, "a child unknown");
    require(entry->block || entry->file_bytes > 0, "a block that cannot be had");
  }
  require(children == entries_.size(), "a child that is not there");
  require(bytes == stats_.memory_bytes, "a wrong count of bytes");
  require(bytes <= options_.memory_bytes, "more than the budget");
  require(on_disk == stats_.disk_bytes, "a wrong count of bytes on the disk");
  require(pinned == stats_.pinned_bytes, "a wrong count of pinned bytes");
}

} // namespace anyclaude::kv
