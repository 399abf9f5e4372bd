#pragma once

// What the attention kernels are made of, in terms of vectors of ANYCLAUDE_LANES floats. Included
// by one source file for each instruction set, which is compiled for it: nothing here may come from
// a header with inline functions, or the linker might take a copy of one that other processors
// cannot run.

#include "engine/attention_kernel.h"

#include <immintrin.h>

#include <cstdint>

namespace anyclaude::engine {
namespace {

constexpr int kLanes = ANYCLAUDE_LANES;
constexpr int kSums = ANYCLAUDE_SUMS; // vectors of sums that there are registers for

// As GCC and Clang define them; loads and stores may be unaligned.
using Floats = float __attribute__((vector_size(kLanes * 4), aligned(4), may_alias));
using Ints = std::int32_t __attribute__((vector_size(kLanes * 4), aligned(4), may_alias));

inline Floats load(const float* from) {
  return *reinterpret_cast<const Floats*>(from);
}

inline void store(float* to, Floats value) {
  *reinterpret_cast<Floats*>(to) = value;
}

inline Floats all(float value) {
  return value - Floats{};
}

inline Floats larger(Floats a, Floats b) {
  return a > b ? a : b;
}

inline float sum_of(Floats value) {
#if ANYCLAUDE_LANES == 16
  return _mm512_reduce_add_ps(value);
#else
  const __m128 four = _mm256_castps256_ps128(value) + _mm256_extractf128_ps(value, 1);
  const __m128 two = four + _mm_movehl_ps(four, four);
  return two[0] + two[1];
#endif
}

constexpr float kMinusInfinity = -__builtin_inff();
constexpr float kLog2E = 1.44269504F;

/// 2^x for x <= 0, within 2e-7 of it; 0 below 2^-126. The series of e^(x ln 2) in |x| <= 1/2,
/// and the rest as the exponent.
inline Floats power_of_two(Floats x) {
  const Floats magic = all(12582912.0F); // 1.5 * 2^23: adding it rounds to an integer
  const Floats shifted = larger(x, all(-126.0F)) + magic;
  const Floats f = larger(x, all(-126.0F)) - (shifted - magic);
  Floats series = all(1.54035304e-4F);
  constexpr float kSeries[] = {1.33335581e-3F, 9.61812911e-3F, 5.55041087e-2F,
                               2.40226507e-1F, 6.93147181e-1F, 1.0F};
  for (const float coefficient : kSeries)
    series = series * f + coefficient;
  const Ints exponent =
      (reinterpret_cast<const Ints&>(shifted) - reinterpret_cast<const Ints&>(magic)) << 23;
  const Ints bits = reinterpret_cast<const Ints&>(series) + exponent;
  return x < all(-126.0F) ? Floats{} : reinterpret_cast<const Floats&>(bits);
}

/// GCC converts vectors of _Float16 number by number; these are single instructions.
inline Floats read_halves(const std::byte* from) {
#if ANYCLAUDE_LANES == 16
  return _mm512_cvtph_ps(_mm256_loadu_si256(reinterpret_cast<const __m256i_u*>(from)));
#else
  return _mm256_cvtph_ps(_mm_loadu_si128(reinterpret_cast<const __m128i_u*>(from)));
#endif
}

/// A tile of rows as floats, one behind the other.
void read_rows(const std::byte* from, std::size_t stride, Attention::Convert convert, int size,
               float* to) {
  for (int cell = 0; cell < kCellTile; ++cell, from += stride, to += size) {
    if (convert)
      convert(from, to, size);
    else
      for (int i = 0; i < size; i += kLanes)
        store(to + i, read_halves(from + std::size_t{2} * i));
  }
}

void read_keys(const Attention& a, int kv_head, int cell, float* to) {
  read_rows(a.keys + static_cast<std::size_t>(kv_head) * a.key_head +
                static_cast<std::size_t>(cell) * a.key_cell,
            a.key_cell, a.convert_key, a.key_size, to);
}

void read_values(const Attention& a, int kv_head, int cell, float* to) {
  read_rows(a.values + static_cast<std::size_t>(kv_head) * a.value_head +
                static_cast<std::size_t>(cell) * a.value_cell,
            a.value_cell, a.convert_value, a.value_size, to);
}

const float* query_of(const Attention& a, int kv_head, int row) {
  const int head = kv_head * a.group() + row % a.group();
  return reinterpret_cast<const float*>(a.query +
                                        static_cast<std::size_t>(row / a.group()) * a.query_token +
                                        static_cast<std::size_t>(head) * a.query_head);
}

enum class Sight { none, all, some };

/// Which cells of a tile a token sees; 64 numbers of f16.
Sight sight(const std::byte* mask) {
  const auto* bits = reinterpret_cast<const std::uint16_t*>(mask);
  std::uint16_t any = 0;
  std::uint16_t hidden = 0;
  for (int i = 0; i < kCellTile; ++i) {
    any = static_cast<std::uint16_t>(any | bits[i]);
    hidden = static_cast<std::uint16_t>(hidden | (bits[i] ^ 0xfc00U)); // minus infinity
  }
  return any == 0 ? Sight::all : hidden == 0 ? Sight::none : Sight::some;
}

/// Which cells of a tile the rows of a part see.
Sight sight(const Attention& a, const AttentionPart& part, int cell) {
  if (!a.mask)
    return Sight::all;
  const int last = (part.first_row + part.rows - 1) / a.group();
  bool none = true;
  bool whole = true;
  for (int token = part.first_row / a.group(); token <= last && (none || whole); ++token) {
    const Sight seen = sight(a.mask + static_cast<std::size_t>(token) * a.mask_token +
                             static_cast<std::size_t>(cell) * 2);
    none = none && seen == Sight::none;
    whole = whole && seen == Sight::all;
  }
  return none ? Sight::none : whole ? Sight::all : Sight::some;
}

} // namespace
} // namespace anyclaude::engine
