#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <list>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace anyclaude::prompt {

class ReplayStore;

/// Names a conversation up to some message: a hash over the tenant, the tools and every message,
/// assistants' turns in their turn_form(). Equal keys, equal conversations.
using ConversationKey = std::array<std::uint8_t, 32>;

/// Hashes a conversation piece by piece. A copy goes its own way.
class ConversationHash {
 public:
  ConversationHash();
  ConversationHash(const ConversationHash& other);
  ConversationHash(ConversationHash&&) noexcept;
  ConversationHash& operator=(ConversationHash other) noexcept;
  ~ConversationHash();

  void add(std::string_view piece);
  ConversationKey key() const;

 private:
  struct Hasher;
  std::unique_ptr<Hasher> hasher_;
};

/// A prompt with the answer that was sampled for it, as tokens: what the next turn's prompt begins
/// with. Immutable.
struct ReplayTurn {
  ConversationKey key{};                    // of the conversation up to its answer
  std::shared_ptr<const ReplayTurn> parent; // the turn whose tokens stand in front; null: none
  std::vector<std::int32_t> tokens;         // behind the parent's, without the answer's end token
  std::vector<int> boundaries;              // as Prompt::boundaries, those behind the parent's
  std::size_t end = 0;                      // tokens in all, the parents' included
  bool kept = true; // may be written to the disk; false for all that goes on from it, too

  std::size_t own_bytes() const { // of its own tokens and boundaries
    return tokens.size() * sizeof(std::int32_t) + boundaries.size() * sizeof(int);
  }

  /// All tokens and boundaries from the first parent on.
  std::vector<std::int32_t> all_tokens() const;
  std::vector<int> all_boundaries() const;
};

/// Remembers the turns that were generated here, so that an answer is replayed from its sampled
/// tokens and never rendered again. A turn is found only by its whole conversation, so neither by
/// another tenant nor behind an edit. Bounded; the turns used last stay. With a store, turns
/// outlive the process. Thread-safe.
class ReplayMemory {
 public:
  static constexpr std::size_t kBytes = 128U << 20;

  explicit ReplayMemory(std::size_t capacity = kBytes);
  ReplayMemory(std::size_t capacity, std::unique_ptr<ReplayStore> store);
  ~ReplayMemory();

  /// What every conversation's hash begins with.
  const std::string& salt() const;

  /// May read from the store; not for the engine's thread.
  std::shared_ptr<const ReplayTurn> find(const ConversationKey& key);
  /// Sets the turn's key. Waits for no disk.
  void remember(const ConversationKey& key, ReplayTurn turn);

  std::size_t bytes() const { return *bytes_; }

 private:
  std::shared_ptr<const ReplayTurn> in_memory(const ConversationKey& key);
  std::shared_ptr<const ReplayTurn> in_store(const ConversationKey& key);
  std::shared_ptr<const ReplayTurn> hold(ReplayTurn turn);

  struct KeyHash {
    std::size_t operator()(const ConversationKey& key) const;
  };
  struct Entry {
    ConversationKey key;
    std::shared_ptr<const ReplayTurn> turn;
  };

  std::size_t capacity_;
  std::unique_ptr<ReplayStore> store_;
  /// Of all turns that live, those that only a later turn still holds included.
  std::shared_ptr<std::atomic<std::size_t>> bytes_ = std::make_shared<std::atomic<std::size_t>>(0);
  std::mutex mutex_;
  std::list<Entry> entries_; // the one used last in front
  std::unordered_map<ConversationKey, std::list<Entry>::iterator, KeyHash> by_key_;
};

} // namespace anyclaude::prompt
