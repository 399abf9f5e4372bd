#pragma once

#include <cstddef>
#include <cstdint>

namespace anyclaude::engine {

// Included by files that are compiled for one instruction set (see attention_vectors.h): no inline
// function of it may exist on its own.

/// softmax(scale * query * keys + mask) * values, for all heads of one layer: plain data in the
/// shape of ggml_flash_attn_ext (ggml.h), strides in bytes. Heads come in groups that share one
/// head of keys and values; a row is one token of one head of such a group, token by token.
struct Attention {
  /// Converts `count` numbers of a row; null where the row is of f16.
  using Convert = void (*)(const void* row, float* numbers, std::int64_t count);

  const std::byte* query = nullptr; // f32
  std::size_t query_token = 0, query_head = 0;
  const std::byte* keys = nullptr;
  std::size_t key_cell = 0, key_head = 0;
  Convert convert_key = nullptr;
  const std::byte* values = nullptr;
  std::size_t value_cell = 0, value_head = 0;
  Convert convert_value = nullptr;
  const std::byte* mask = nullptr; // f16, 0 or minus infinity or a bias; may be null
  std::size_t mask_token = 0;
  int tokens = 0, heads = 0, kv_heads = 0;
  int cells = 0;                    // a multiple of kCellTile
  int key_size = 0, value_size = 0; // of a head; multiples of 16
  float scale = 1;

  [[gnu::always_inline]] int group() const { return heads / kv_heads; }
  [[gnu::always_inline]] int rows() const {
    return tokens * group();
  } // of one head of keys and values
};

constexpr int kCellTile = 64; // cells that are looked at together
constexpr int kRowBlock = 64; // most rows that are

/// A block of rows over a range of cells (multiples of kCellTile).
struct AttentionPart {
  int kv_head = 0;
  int first_row = 0, rows = 0;
  int first_cell = 0, end_cell = 0;

  /// Rows, filled up to whole vectors: the stride of everything that is stored row beside row.
  [[gnu::always_inline]] int lanes() const { return (rows + 15) / 16 * 16; }
};

/// What a part comes to, to be put together with the other ranges of the same rows: for each lane
/// the weighted sum of values by number, then the largest score (times log2 e), then the sum of
/// weights.
[[gnu::always_inline]] constexpr std::size_t partial_floats(const Attention& attention) {
  return (static_cast<std::size_t>(attention.value_size) + 2) * kRowBlock;
}

/// Working memory of one thread.
[[gnu::always_inline]] constexpr std::size_t scratch_floats(const Attention& attention) {
  return static_cast<std::size_t>(attention.key_size + attention.value_size) * kCellTile +
         static_cast<std::size_t>(attention.key_size) * kRowBlock +
         std::size_t{2} * kCellTile * kRowBlock;
}

/// Adds nothing up: what stood in `partial` is overwritten.
using AttentionKernel = void (*)(const Attention& attention, const AttentionPart& part,
                                 float* scratch, float* partial);

} // namespace anyclaude::engine
