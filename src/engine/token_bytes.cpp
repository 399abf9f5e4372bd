#include "engine/token_bytes.h"

#include <llama.h>

#include <algorithm>

namespace anyclaude::engine {

namespace {

std::string piece_of(const llama_vocab* vocab, Token token) {
  std::string piece(64, '\0');
  auto size = llama_token_to_piece(vocab, token, piece.data(), 64, 0, true);
  if (size < 0) {
    piece.resize(static_cast<std::size_t>(-size));
    size = llama_token_to_piece(vocab, token, piece.data(), -size, 0, true);
  }
  piece.resize(static_cast<std::size_t>(std::max(size, 0)));
  return piece;
}

} // namespace

TokenBytes::TokenBytes(const llama_vocab* vocab) {
  bytes_.fill(-1);
  const int count = llama_vocab_n_tokens(vocab);
  for (Token token = 0; token < count; ++token) {
    if (llama_vocab_is_eog(vocab, token)) {
      turn_ends_.push_back(token);
      continue;
    }
    if (llama_vocab_is_control(vocab, token)) {
      control_.push_back(token);
      continue;
    }
    auto piece = piece_of(vocab, token);
    if (piece.empty())
      continue;
    if (piece.size() == 1) {
      Token& known = bytes_[static_cast<unsigned char>(piece.front())];
      known = known < 0 ? token : known;
    }
    sorted_.push_back({std::move(piece), token});
  }
  std::ranges::sort(sorted_, {},
                    [](const Entry& e) { return std::pair(std::string_view(e.bytes), e.token); });
}

std::span<const TokenBytes::Entry> TokenBytes::narrow(std::span<const Entry> alike,
                                                      std::size_t depth, int byte) {
  // Shorter ones stand in front.
  const auto at = [depth](const Entry& entry) {
    return entry.bytes.size() <= depth ? -1 : int{static_cast<unsigned char>(entry.bytes[depth])};
  };
  const auto found = std::ranges::equal_range(alike, byte, {}, at);
  return {found.begin(), found.end()};
}

} // namespace anyclaude::engine
