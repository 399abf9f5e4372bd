#pragma once

// Attention of a few rows: the numbers of a head lie side by side in the lanes, so that no lane is
// empty. What it costs is reading the keys and values.

#include "engine/attention_vectors.h"

namespace anyclaude::engine {
namespace {

constexpr int kFewRows = 8;
constexpr int kRowsAtOnce = 4;

/// Calls compute<rows>(first row) for all rows.
template <class Compute>
void for_rows(int rows, Compute compute) {
  for (int row = 0; row < rows; row += kRowsAtOnce) {
    switch (rows - row) {
    case 1:
      compute.template operator()<1>(row);
      break;
    case 2:
      compute.template operator()<2>(row);
      break;
    case 3:
      compute.template operator()<3>(row);
      break;
    default:
      compute.template operator()<kRowsAtOnce>(row);
    }
  }
}

/// scores[row][cell] of a tile.
template <int Rows>
void score_few(const float* query, const float* keys, int size, float* scores) {
  constexpr int kCells = kSums / kRowsAtOnce;
  for (int cell = 0; cell < kCellTile; cell += kCells) {
    Floats sums[kCells][Rows] = {};
    for (int i = 0; i < size; i += kLanes) {
      Floats q[Rows];
      for (int r = 0; r < Rows; ++r)
        q[r] = load(query + r * size + i);
      for (int c = 0; c < kCells; ++c)
        for (int r = 0; r < Rows; ++r)
          sums[c][r] += load(keys + (cell + c) * size + i) * q[r];
    }
    for (int c = 0; c < kCells; ++c)
      for (int r = 0; r < Rows; ++r)
        scores[r * kCellTile + cell + c] = sum_of(sums[c][r]);
  }
}

/// sums[row][number] += weights[row][cell] * values[cell][number] of a tile.
template <int Rows, int Vectors>
void weigh_numbers(const float* weights, const float* values, int size, float* sums) {
  Floats sum[Rows][Vectors];
  for (int r = 0; r < Rows; ++r)
    for (int v = 0; v < Vectors; ++v)
      sum[r][v] = load(sums + r * size + v * kLanes);
  for (int cell = 0; cell < kCellTile; ++cell) {
    Floats value[Vectors];
    for (int v = 0; v < Vectors; ++v)
      value[v] = load(values + cell * size + v * kLanes);
    for (int r = 0; r < Rows; ++r)
      for (int v = 0; v < Vectors; ++v)
        sum[r][v] += weights[r * kCellTile + cell] * value[v];
  }
  for (int r = 0; r < Rows; ++r)
    for (int v = 0; v < Vectors; ++v)
      store(sums + r * size + v * kLanes, sum[r][v]);
}

template <int Rows>
void weigh_few(const float* weights, const float* values, int size, float* sums) {
  constexpr int kVectors = kSums / kRowsAtOnce;
  int number = 0;
  for (; number + kVectors * kLanes <= size; number += kVectors * kLanes)
    weigh_numbers<Rows, kVectors>(weights, values + number, size, sums + number);
  for (; number < size; number += kLanes)
    weigh_numbers<Rows, 1>(weights, values + number, size, sums + number);
}

/// As soften(), for one row.
void soften_row(float* scores, const std::byte* mask, float scale, float* sums, int size,
                float& maximum, float& total) {
  Floats most = all(maximum);
  for (int cell = 0; cell < kCellTile; cell += kLanes) {
    Floats value = load(scores + cell) * scale;
    if (mask)
      value += read_halves(mask + cell * 2) * kLog2E;
    store(scores + cell, value);
    most = larger(most, value);
  }
  float base = maximum;
  for (int i = 0; i < kLanes; ++i)
    base = most[i] > base ? most[i] : base;
  if (base == kMinusInfinity) { // sees nothing so far
    for (int cell = 0; cell < kCellTile; ++cell)
      scores[cell] = 0;
    return;
  }
  Floats added{};
  for (int cell = 0; cell < kCellTile; cell += kLanes) {
    const Floats weight = power_of_two(load(scores + cell) - base);
    store(scores + cell, weight);
    added += weight;
  }
  const Floats change = power_of_two(all(maximum) - base);
  maximum = base;
  total = total * change[0] + sum_of(added);
  for (int number = 0; number < size; number += kLanes)
    store(sums + number, load(sums + number) * change);
}

void attend_few(const Attention& a, const AttentionPart& part, float* scratch, float* partial) {
  const int group = a.group();
  float* const keys = scratch;
  float* const values = keys + kCellTile * a.key_size;
  float* const query = values + kCellTile * a.value_size;
  float* const scores = query + kFewRows * a.key_size;
  float* const sums = scores + kFewRows * kCellTile;
  float maxima[kFewRows];
  float totals[kFewRows];
  const std::byte* masks[kFewRows];
  for (int r = 0; r < part.rows; ++r) {
    const int row = part.first_row + r;
    const auto* from = query_of(a, part.kv_head, row);
    for (int i = 0; i < a.key_size; ++i)
      query[r * a.key_size + i] = from[i];
    for (int i = 0; i < a.value_size; ++i)
      sums[r * a.value_size + i] = 0;
    maxima[r] = kMinusInfinity;
    totals[r] = 0;
    masks[r] = a.mask ? a.mask + static_cast<std::size_t>(row / group) * a.mask_token : nullptr;
  }
  for (int cell = part.first_cell; cell < part.end_cell; cell += kCellTile) {
    const Sight seen = sight(a, part, cell);
    if (seen == Sight::none)
      continue;
    read_keys(a, part.kv_head, cell, keys);
    for_rows(part.rows, [&]<int Rows>(int row) {
      score_few<Rows>(query + row * a.key_size, keys, a.key_size, scores + row * kCellTile);
    });
    for (int r = 0; r < part.rows; ++r)
      soften_row(scores + r * kCellTile, seen == Sight::some ? masks[r] + cell * 2 : nullptr,
                 a.scale * kLog2E, sums + r * a.value_size, a.value_size, maxima[r], totals[r]);
    read_values(a, part.kv_head, cell, values);
    for_rows(part.rows, [&]<int Rows>(int row) {
      weigh_few<Rows>(scores + row * kCellTile, values, a.value_size, sums + row * a.value_size);
    });
  }
  const int lanes = part.lanes();
  for (int r = 0; r < part.rows; ++r) {
    for (int i = 0; i < a.value_size; ++i)
      partial[i * lanes + r] = sums[r * a.value_size + i];
    partial[a.value_size * lanes + r] = maxima[r];
    partial[(a.value_size + 1) * lanes + r] = totals[r];
  }
}

} // namespace
} // namespace anyclaude::engine
