#pragma once

#include "kv/prefix_outline.h"
#include "kv/sequence_memory.h"

#include <cstddef>
#include <optional>
#include <span>
#include <string>

namespace anyclaude::kv {

/// Which computed prefixes there are and which sequences hold them: what the scheduler needs to
/// start, extend and end requests. How a prefix can be shared depends on the model's memory: at any
/// token (PrefixTree) or at checkpoints only (CheckpointTree).
/// Not thread-safe: the engine thread owns it.
class PrefixCache {
 public:
  virtual ~PrefixCache() = default;

  struct Lease {
    SequenceId sequence = -1;
    int reused = 0; // tokens that the sequence has from the start
    int known = 0;  // leading tokens that were computed before, reusable or not
  };

  /// Length of the longest prefix of `tokens` that a request could start from.
  virtual int match(const std::string& tenant, std::span<const Token> tokens) const = 0;

  /// Starts a request: a sequence that holds the longest reusable prefix of `tokens`, at most
  /// `limit` of them. Gives up the least recently used idle prefix when sequences run out;
  /// nullopt when all belong to running requests.
  virtual std::optional<Lease> begin(const std::string& tenant, std::span<const Token> tokens,
                                     int limit) = 0;

  /// Says that `tokens` were computed behind what the sequence holds.
  virtual void extend(SequenceId sequence, std::span<const Token> tokens) = 0;

  /// Makes the place where the sequence ends now one that other requests can start from, if it is
  /// not one by itself.
  virtual void checkpoint(SequenceId sequence) = 0;

  /// Ends a request; what it computed stays for others until it is evicted.
  virtual void finish(SequenceId sequence) = 0;

  /// Ends a request and frees what nobody else holds.
  virtual void drop(SequenceId sequence) = 0;

  /// Makes at least `cells` cells free by giving up what is idle, the least recently used first.
  /// False when running requests hold too many; what could be freed is then free.
  virtual bool reserve(std::size_t cells) = 0;

  /// Forgets every idle prefix of every tenant.
  virtual void clear_idle() = 0;

  virtual std::size_t capacity() const = 0;
  virtual std::size_t used() const = 0;
  /// Cells that running requests hold and eviction cannot free.
  virtual std::size_t held() const = 0;
  /// Tokens that a sequence holds.
  virtual int length(SequenceId sequence) const = 0;
  virtual int running() const = 0;
  virtual std::size_t evicted() const = 0; // tokens, in all
  /// Saved states, where requests start from such.
  virtual std::size_t checkpoints() const { return 0; }
  virtual std::size_t checkpoint_bytes() const { return 0; }

  /// Shows every prefix of every tenant.
  virtual void show(PrefixOutlineBuilder& outline) const = 0;

  /// Throws std::logic_error when the books contradict themselves. For tests.
  virtual void check() const = 0;
};

} // namespace anyclaude::kv
