#pragma once

#include "demo/bpe.h"
#include "demo/script_chain.h"

#include <cstddef>
#include <cstdint>
#include <expected>
#include <optional>
#include <string>
#include <vector>

namespace anyclaude::demo {

/// Token types as GGUF stores them (`tokenizer.ggml.token_type`).
enum class TokenType : std::int32_t { normal = 1, control = 3, user_defined = 4, unused = 5 };

/// A demo model's vocabulary. Pieces of scripts are user-defined tokens: libllama prints their text
/// as it stands and finds them in text before it applies merges, so an answer that comes back in
/// the next prompt is the same tokens that were sampled, and the prompt extends the last one token
/// for token. The price is that a prompt which happens to contain a piece is split there; pieces
/// are long enough to make that rare.
struct Vocabulary {
  using Id = std::uint32_t;

  std::vector<std::string>
      texts; ///< As GGUF stores them: byte-level for normal tokens, else plain.
  std::vector<TokenType> types;
  std::vector<std::string> merges; ///< "left right", byte-level, most frequent first.
  Id end_of_text = 0;              ///< <|endoftext|>, also the padding token.
  Id end_of_turn = 0;              ///< <|im_end|>, the stop token.

  /// Pieces of scripts are states of a chain; state 0 is the end. A token's successor is the state
  /// that follows when the token came last; its own state is the one that makes it come.
  std::vector<std::uint32_t> successor;                ///< By token; 0 for everything but scripts.
  std::vector<std::optional<std::uint32_t>> own_state; ///< By token.
  std::uint32_t states = 1;

  std::size_t size() const { return texts.size(); }
};

/// Tokens that merges make, the 256 bytes included.
inline constexpr std::size_t kTrainedTokens = 12'288;

/// The vocabulary with the script's tokens (null: none), filled up with unused tokens to
/// `padded_size` (0: not filled up).
std::expected<Vocabulary, std::string> make_vocabulary(const ScriptFile* scripts,
                                                       std::size_t padded_size);

} // namespace anyclaude::demo
