#pragma once

// Attention of many rows. Rows lie side by side in the lanes: a score needs no sum across lanes,
// the softmax is computed for all rows of a vector at a time, and keys and values are read in the
// order in which they are stored. Every key and value that was read is used for all rows of the
// block.

#include "engine/attention_vectors.h"

namespace anyclaude::engine {
namespace {

constexpr int kGroup = kSums / 4; // vectors of rows that are computed together

/// The mask of a tile with rows in lanes, in units of log2.
void read_mask(const Attention& a, const AttentionPart& part, int cell, float* bias) {
  const int lanes = part.lanes();
  for (int lane = 0; lane < lanes; ++lane) {
    const int row = part.first_row + (lane < part.rows ? lane : part.rows - 1);
    const auto* from = reinterpret_cast<const _Float16*>(
                           a.mask + static_cast<std::size_t>(row / a.group()) * a.mask_token) +
                       cell;
    for (int i = 0; i < kCellTile; ++i)
      bias[i * lanes + lane] = static_cast<float>(from[i]) * kLog2E;
  }
}

/// scores[cell][lane] of a tile, for `Vectors` vectors of rows.
template <int Vectors>
void score(const float* query, const float* keys, int size, int lanes, float* scores) {
  constexpr int kBlock = Vectors == 3 ? 4 : kSums / Vectors; // cells that are computed together
  for (int cell = 0; cell < kCellTile; cell += kBlock) {
    Floats sums[kBlock][Vectors] = {};
    const float* key = keys + cell * size;
    for (int i = 0; i < size; ++i) {
      Floats q[Vectors];
      for (int v = 0; v < Vectors; ++v)
        q[v] = load(query + i * lanes + v * kLanes);
      for (int c = 0; c < kBlock; ++c)
        for (int v = 0; v < Vectors; ++v)
          sums[c][v] += key[c * size + i] * q[v];
    }
    for (int c = 0; c < kBlock; ++c)
      for (int v = 0; v < Vectors; ++v)
        store(scores + (cell + c) * lanes + v * kLanes, sums[c][v]);
  }
}

/// sums[number][lane] += weights[cell][lane] * values[cell][number] of a tile.
template <int Vectors>
void weigh(const float* weights, const float* values, int size, int lanes, float* sums) {
  constexpr int kBlock =
      Vectors == 3 ? 4 : kSums / Vectors; // numbers of a value that are computed together
  for (int number = 0; number < size; number += kBlock) {
    Floats sum[kBlock][Vectors];
    for (int c = 0; c < kBlock; ++c)
      for (int v = 0; v < Vectors; ++v)
        sum[c][v] = load(sums + (number + c) * lanes + v * kLanes);
    for (int cell = 0; cell < kCellTile; ++cell) {
      Floats w[Vectors];
      for (int v = 0; v < Vectors; ++v)
        w[v] = load(weights + cell * lanes + v * kLanes);
      for (int c = 0; c < kBlock; ++c)
        for (int v = 0; v < Vectors; ++v)
          sum[c][v] += values[cell * size + number + c] * w[v];
    }
    for (int c = 0; c < kBlock; ++c)
      for (int v = 0; v < Vectors; ++v)
        store(sums + (number + c) * lanes + v * kLanes, sum[c][v]);
  }
}

/// Calls compute<vectors>(lane) for all lanes, as many vectors at a time as there are registers
/// for.
template <class Compute>
void for_lanes(int lanes, Compute compute) {
  for (int lane = 0; lane < lanes;) {
    const int left = (lanes - lane) / kLanes;
    const int vectors = left < kGroup ? left : kGroup;
    if (vectors == 1)
      compute.template operator()<1>(lane);
    else if (vectors == 2)
      compute.template operator()<2>(lane);
    else if constexpr (kGroup > 2) {
      if (vectors == 3)
        compute.template operator()<3>(lane);
      else
        compute.template operator()<4>(lane);
    }
    lane += vectors * kLanes;
  }
}

/// Makes the scores of a tile weights, 2^(score - maximum), against the largest score so far. What
/// was summed before is brought to the new one.
void soften(float* scores, const float* bias, float scale, int lanes, int size, float* partial) {
  float* const maxima = partial + size * lanes;
  float* const totals = maxima + lanes;
  for (int lane = 0; lane < lanes; lane += kLanes) {
    const Floats before = load(maxima + lane);
    Floats maximum = before;
    for (int cell = 0; cell < kCellTile; ++cell) {
      float* const at = scores + cell * lanes + lane;
      Floats value = load(at) * scale;
      if (bias)
        value += load(bias + cell * lanes + lane);
      store(at, value);
      maximum = larger(maximum, value);
    }
    // A row that has seen nothing yet has no maximum; any number will do.
    const Floats base = maximum == all(kMinusInfinity) ? Floats{} : maximum;
    Floats total{};
    for (int cell = 0; cell < kCellTile; ++cell) {
      float* const at = scores + cell * lanes + lane;
      const Floats weight = power_of_two(load(at) - base);
      store(at, weight);
      total += weight;
    }
    const Floats change = power_of_two(before - base);
    store(maxima + lane, maximum);
    store(totals + lane, load(totals + lane) * change + total);
    for (int number = 0; number < size; ++number) {
      float* const at = partial + number * lanes + lane;
      store(at, load(at) * change);
    }
  }
}

/// The queries of a part, with rows in lanes.
void read_query(const Attention& a, const AttentionPart& part, float* query) {
  const int lanes = part.lanes();
  for (int lane = 0; lane < lanes; ++lane) {
    const int row = part.first_row + (lane < part.rows ? lane : part.rows - 1);
    const float* const from = query_of(a, part.kv_head, row);
    for (int i = 0; i < a.key_size; ++i)
      query[i * lanes + lane] = from[i];
  }
}

void attend_many(const Attention& a, const AttentionPart& part, float* scratch, float* partial) {
  const int lanes = part.lanes();
  float* const keys = scratch;
  float* const values = keys + kCellTile * a.key_size;
  float* const query = values + kCellTile * a.value_size;
  float* const scores = query + kRowBlock * a.key_size;
  float* const bias = scores + kCellTile * kRowBlock;

  read_query(a, part, query);
  for (int i = 0; i < a.value_size * lanes; ++i)
    partial[i] = 0;
  for (int i = 0; i < lanes; ++i) {
    partial[a.value_size * lanes + i] = kMinusInfinity;
    partial[(a.value_size + 1) * lanes + i] = 0;
  }
  for (int cell = part.first_cell; cell < part.end_cell; cell += kCellTile) {
    const Sight seen = sight(a, part, cell);
    if (seen == Sight::none)
      continue;
    if (seen == Sight::some)
      read_mask(a, part, cell, bias);
    read_keys(a, part.kv_head, cell, keys);
    for_lanes(lanes, [&]<int V>(int lane) {
      score<V>(query + lane, keys, a.key_size, lanes, scores + lane);
    });
    soften(scores, seen == Sight::some ? bias : nullptr, a.scale * kLog2E, lanes, a.value_size,
           partial);
    read_values(a, part.kv_head, cell, values);
    for_lanes(lanes, [&]<int V>(int lane) {
      weigh<V>(scores + lane, values, a.value_size, lanes, partial + lane);
    });
  }
}

} // namespace
} // namespace anyclaude::engine
