#pragma once

#include "kv/sequence_memory.h"

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

/// An image stands among a prompt's tokens as a span of tokens below zero, one for each of its
/// cells. They are made from its content, so that whatever compares tokens or hashes them (trees,
/// block keys) tells images apart and never takes one for text. They also say where the image
/// begins and how many positions it takes, so that nothing has to be known beside the tokens:
///
///     bits     31  30  29 … 14             13 … 0
///     first     1   1  hash (30 bits)
///     second    1   0  positions (16 bits)  hash (14)
///     others    1   0  hash (30 bits)
///
/// Positions are what rotary embeddings turn by. With M-RoPE they are not tokens: all tokens of an
/// image stand at its first position, apart by row and column, and the text behind it goes on
/// max(rows, columns) further.
namespace anyclaude::kv {

inline constexpr int kMostImagePositions = 0xFFFF;

using ImageHash = std::array<std::uint8_t, 32>;

/// `count` tokens for an image of this content, which takes `positions` positions, 1 to
/// kMostImagePositions. One token alone takes one.
std::vector<Token> image_tokens(const ImageHash& content, int count, int positions);

constexpr bool is_image(Token token) {
  return token < 0;
}
constexpr bool begins_image(Token token) {
  return token < 0 && (static_cast<std::uint32_t>(token) & 0x4000'0000U) != 0;
}
constexpr bool continues_image(Token token) {
  return is_image(token) && !begins_image(token);
}

/// Behind the last token of the image that begins at `begin`.
std::size_t image_end(std::span<const Token> tokens, std::size_t begin);

/// Positions of the image that begins at `begin`.
int image_positions(std::span<const Token> tokens, std::size_t begin);

/// The most tokens, at most `length`, that end in front of an image or behind it. `tokens` may go
/// on behind `length`; where they do not, an image at their end is taken to be whole.
std::size_t whole_images(std::span<const Token> tokens, std::size_t length);

} // namespace anyclaude::kv
