#include "prompt/replay_memory.h"

#include "prompt/replay_store.h"

#include <blake3.h>

#include <cstring>
#include <optional>
#include <utility>

namespace anyclaude::prompt {

namespace {

constexpr std::size_t kMostTurns = 100'000; // of a conversation that is believed

constexpr std::size_t kHeldOverhead = 256; // bytes of a turn in the map, the list and the allocator

/// From the first parent on.
std::vector<const ReplayTurn*> chain_to(const ReplayTurn& turn) {
  std::vector<const ReplayTurn*> chain;
  for (const ReplayTurn* each = &turn; each != nullptr; each = each->parent.get())
    chain.push_back(each);
  return {chain.rbegin(), chain.rend()};
}

} // namespace

struct ConversationHash::Hasher {
  blake3_hasher state{};
};

ConversationHash::ConversationHash() : hasher_(std::make_unique<Hasher>()) {
  blake3_hasher_init_derive_key(&hasher_->state, "anyclaude conversation v1");
}
ConversationHash::ConversationHash(const ConversationHash& other)
    : hasher_(std::make_unique<Hasher>(*other.hasher_)) {}
ConversationHash::ConversationHash(ConversationHash&&) noexcept = default;
ConversationHash& ConversationHash::operator=(ConversationHash other) noexcept {
  std::swap(hasher_, other.hasher_);
  return *this;
}
ConversationHash::~ConversationHash() = default;

/// Each piece with its length, so that no two lists of pieces are one.
void ConversationHash::add(std::string_view piece) {
  const std::uint64_t size = piece.size();
  blake3_hasher_update(&hasher_->state, &size, sizeof size);
  blake3_hasher_update(&hasher_->state, piece.data(), piece.size());
}

ConversationKey ConversationHash::key() const {
  ConversationKey key{};
  blake3_hasher_finalize(&hasher_->state, key.data(), key.size());
  return key;
}

std::vector<std::int32_t> ReplayTurn::all_tokens() const {
  std::vector<std::int32_t> all;
  all.reserve(end);
  for (const ReplayTurn* turn : chain_to(*this))
    all.insert(all.end(), turn->tokens.begin(), turn->tokens.end());
  return all;
}

std::vector<int> ReplayTurn::all_boundaries() const {
  std::vector<int> all;
  for (const ReplayTurn* turn : chain_to(*this))
    all.insert(all.end(), turn->boundaries.begin(), turn->boundaries.end());
  return all;
}

std::size_t ReplayMemory::KeyHash::operator()(const ConversationKey& key) const {
  std::size_t hash = 0;
  std::memcpy(&hash, key.data(), sizeof hash);
  return hash;
}

ReplayMemory::ReplayMemory(std::size_t capacity) : ReplayMemory(capacity, nullptr) {}
ReplayMemory::ReplayMemory(std::size_t capacity, std::unique_ptr<ReplayStore> store)
    : capacity_(capacity), store_(std::move(store)) {}
ReplayMemory::~ReplayMemory() = default;

const std::string& ReplayMemory::salt() const {
  static const std::string none;
  return store_ ? store_->salt() : none;
}

std::shared_ptr<const ReplayTurn> ReplayMemory::find(const ConversationKey& key) {
  if (auto known = in_memory(key)) {
    if (store_ && known->kept)
      store_->touch(key);
    return known;
  }
  return store_ ? in_store(key) : nullptr;
}

std::shared_ptr<const ReplayTurn> ReplayMemory::in_memory(const ConversationKey& key) {
  const std::scoped_lock lock(mutex_);
  const auto found = by_key_.find(key);
  if (found == by_key_.end())
    return nullptr;
  entries_.splice(entries_.begin(), entries_, found->second);
  return found->second->turn;
}

/// The turn with all in front of it, which then are in memory.
std::shared_ptr<const ReplayTurn> ReplayMemory::in_store(const ConversationKey& key) {
  std::vector<ReplayTurn> turns; // the last one in front
  std::shared_ptr<const ReplayTurn> turn;
  for (std::optional<ConversationKey> next = key; next && !turn;) {
    auto stored = store_->read(*next);
    if (!stored || turns.size() == kMostTurns)
      return nullptr;
    turns.push_back(std::move(stored->turn));
    next = stored->parent;
    if (next)
      turn = in_memory(*next);
  }
  for (; !turns.empty(); turns.pop_back()) {
    ReplayTurn& each = turns.back();
    each.end = (turn ? turn->end : 0) + each.tokens.size();
    each.parent = std::move(turn);
    turn = hold(std::move(each));
  }
  store_->touch(key);
  return turn;
}

void ReplayMemory::remember(const ConversationKey& key, ReplayTurn turn) {
  turn.key = key;
  auto kept = hold(std::move(turn));
  if (store_)
    store_->write(std::move(kept));
}

/// What vectors have room for beyond their elements is given back: it is not counted, and there are
/// thousands of turns.
std::shared_ptr<const ReplayTurn> ReplayMemory::hold(ReplayTurn turn) {
  turn.tokens.shrink_to_fit();
  turn.boundaries.shrink_to_fit();
  *bytes_ += kHeldOverhead + turn.own_bytes();
  std::shared_ptr<const ReplayTurn> kept(new ReplayTurn(std::move(turn)),
                                         [bytes = bytes_](const ReplayTurn* gone) {
                                           *bytes -= kHeldOverhead + gone->own_bytes();
                                           delete gone;
                                         });
  const std::scoped_lock lock(mutex_);
  if (const auto known = by_key_.find(kept->key); known != by_key_.end()) {
    known->second->turn = kept; // the same words, sampled again: the newer tokens count
    entries_.splice(entries_.begin(), entries_, known->second);
  } else {
    entries_.push_front({kept->key, kept});
    by_key_.emplace(kept->key, entries_.begin());
  }
  while (*bytes_ > capacity_ && !entries_.empty()) {
    by_key_.erase(entries_.back().key);
    entries_.pop_back();
  }
  return kept;
}

} // namespace anyclaude::prompt
