#pragma once

#include "engine/job.h"

#include <array>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

struct llama_vocab;

namespace anyclaude::engine {

/// A vocabulary by its tokens' bytes, sorted, so that the tokens that begin alike stand together.
/// Immutable, thread-safe.
class TokenBytes {
 public:
  explicit TokenBytes(const llama_vocab* vocab);

  struct Entry {
    std::string bytes;
    Token token;
  };
  /// All tokens that have bytes, but for control tokens and those that end a turn.
  std::span<const Entry> sorted() const { return sorted_; }
  /// Those of them that begin with these bytes, out of a span where all begin with all but the
  /// last.
  static std::span<const Entry> narrow(std::span<const Entry> alike, std::size_t depth, int byte);

  /// The token of a single byte, -1 where there is none.
  Token of_byte(int byte) const { return bytes_[static_cast<std::size_t>(byte)]; }
  const std::vector<Token>& turn_ends() const { return turn_ends_; }
  const std::vector<Token>& control() const { return control_; }

 private:
  std::vector<Entry> sorted_;
  std::array<Token, 256> bytes_;
  std::vector<Token> turn_ends_;
  std::vector<Token> control_; // that end no turn
};

} // namespace anyclaude::engine
