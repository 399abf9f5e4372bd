// The attention kernels against a plain computation in double precision.

#include "engine/attention_kernels.h"

#include <ggml.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <random>
#include <string>
#include <vector>

namespace anyclaude::engine {
namespace {

struct Shape {
  int tokens, heads, kv_heads, cells, key_size, value_size;
};

/// One layer's inputs: cells of f16 or q8_0, and a mask of which each row hides some cells.
struct Layer {
  Layer(const Shape& chosen, ggml_type cell_type, unsigned seed) : shape(chosen), type(cell_type) {
    std::mt19937 random(seed);
    std::normal_distribution<float> normal;
    const auto fill = [&](std::size_t count) {
      std::vector<float> numbers(count);
      std::ranges::generate(numbers, [&] { return normal(random); });
      return numbers;
    };
    const auto size = [](int a, int b, int c) { return std::size_t{1} * a * b * c; };
    query = fill(size(shape.tokens, shape.heads, shape.key_size));
    keys =
        stored(fill(size(shape.cells, shape.kv_heads, shape.key_size)), shape.key_size, key_bytes);
    values = stored(fill(size(shape.cells, shape.kv_heads, shape.value_size)), shape.value_size,
                    value_bytes);
    mask.resize(std::size_t{1} * shape.tokens * shape.cells);
    for (int token = 0; token < shape.tokens; ++token) {
      // A causal row, one of another sequence, one that sees all and one that sees nothing.
      const int kind = token % 8;
      const int end = static_cast<int>(random() % static_cast<unsigned>(shape.cells)) + 1;
      for (int cell = 0; cell < shape.cells; ++cell) {
        const bool seen = kind == 5   ? true
                          : kind == 6 ? false
                          : kind == 7 ? cell / 64 == end / 64 && cell % 3 == 0
                                      : cell < end;
        const bool biased = kind == 4 && cell % 2 == 0;
        mask[index(token, cell)] = ggml_fp32_to_fp16(!seen ? -INFINITY : biased ? -0.5F : 0.0F);
      }
    }
  }

  std::size_t index(int token, int cell) const {
    return static_cast<std::size_t>(token) * shape.cells + cell;
  }

  /// As the cells would hold them; `numbers` become what reading them gives.
  std::vector<std::byte> stored(std::vector<float> numbers, int row,
                                std::vector<float>& read) const {
    std::vector<std::byte> bytes(ggml_row_size(type, static_cast<std::int64_t>(numbers.size())));
    ggml_quantize_chunk(type, numbers.data(), bytes.data(), 0,
                        static_cast<std::int64_t>(numbers.size()) / row, row, nullptr);
    read.resize(numbers.size());
    ggml_get_type_traits(type)->to_float(bytes.data(), read.data(),
                                         static_cast<std::int64_t>(read.size()));
    return bytes;
  }

  /// Cells hold all heads of a token side by side, as in a KV cache.
  Attention attention() const {
    Attention a;
    a.query = reinterpret_cast<const std::byte*>(query.data());
    a.query_token = sizeof(float) * shape.heads * shape.key_size;
    a.query_head = sizeof(float) * shape.key_size;
    a.keys = keys.data();
    a.key_head = ggml_row_size(type, shape.key_size);
    a.key_cell = a.key_head * shape.kv_heads;
    a.values = values.data();
    a.value_head = ggml_row_size(type, shape.value_size);
    a.value_cell = a.value_head * shape.kv_heads;
    if (type != GGML_TYPE_F16)
      a.convert_key = a.convert_value = ggml_get_type_traits(type)->to_float;
    a.mask = reinterpret_cast<const std::byte*>(mask.data());
    a.mask_token = sizeof(ggml_fp16_t) * shape.cells;
    a.tokens = shape.tokens;
    a.heads = shape.heads;
    a.kv_heads = shape.kv_heads;
    a.cells = shape.cells;
    a.key_size = shape.key_size;
    a.value_size = shape.value_size;
    a.scale = 1 / std::sqrt(static_cast<float>(shape.key_size));
    return a;
  }

  /// What a row comes to over a range of cells: the weighted sum of values, then the sum of
  /// weights, both against the row's largest score in that range, which comes last.
  std::vector<double> expected(int kv_head, int row, int begin, int end) const {
    const int group = shape.heads / shape.kv_heads;
    const int token = row / group;
    const int head = kv_head * group + row % group;
    std::vector<double> scores;
    for (int cell = begin; cell < end; ++cell) {
      double score = 0;
      for (int i = 0; i < shape.key_size; ++i)
        score += double{query[(std::size_t{1} * token * shape.heads + head) * shape.key_size + i]} *
                 key_bytes[(std::size_t{1} * cell * shape.kv_heads + kv_head) * shape.key_size + i];
      scores.push_back(score / std::sqrt(shape.key_size) +
                       double{ggml_fp16_to_fp32(mask[index(token, cell)])});
    }
    const double largest = *std::ranges::max_element(scores);
    std::vector<double> result(static_cast<std::size_t>(shape.value_size) + 2);
    result.back() = largest;
    if (std::isinf(largest))
      return result;
    for (int cell = begin; cell < end; ++cell) {
      const double weight = std::exp(scores[static_cast<std::size_t>(cell - begin)] - largest);
      result[static_cast<std::size_t>(shape.value_size)] += weight;
      for (int i = 0; i < shape.value_size; ++i)
        result[static_cast<std::size_t>(i)] +=
            weight *
            value_bytes[(std::size_t{1} * cell * shape.kv_heads + kv_head) * shape.value_size + i];
    }
    return result;
  }

  Shape shape;
  ggml_type type;
  std::vector<float> query, key_bytes, value_bytes;
  std::vector<std::byte> keys, values;
  std::vector<ggml_fp16_t> mask;
};

/// Computes one part and compares every row of it.
void check(const NamedKernel& kernel, const Layer& layer, const AttentionPart& part) {
  const Attention a = layer.attention();
  std::vector<float> scratch(scratch_floats(a));
  std::vector<float> partial(partial_floats(a), 1e9F);
  kernel.attend(a, part, scratch.data(), partial.data());
  const int lanes = part.lanes();
  for (int lane = 0; lane < part.rows; ++lane) {
    const auto expected =
        layer.expected(part.kv_head, part.first_row + lane, part.first_cell, part.end_cell);
    const auto at = [&](int number) {
      return double{partial[std::size_t{1} * number * lanes + lane]};
    };
    const std::string where = std::string(kernel.name) + ", row " +
                              std::to_string(part.first_row + lane) + " of " +
                              std::to_string(layer.shape.tokens) + " tokens";
    const double largest = expected.back() * std::log2(std::exp(1.0));
    if (std::isinf(largest)) {
      ASSERT_EQ(at(a.value_size), -INFINITY) << where;
      continue;
    }
    ASSERT_NEAR(at(a.value_size), largest, 1e-4) << where;
    const double total = expected[static_cast<std::size_t>(a.value_size)];
    ASSERT_NEAR(at(a.value_size + 1), total, 1e-4 * total) << where;
    for (int i = 0; i < a.value_size; ++i)
      ASSERT_NEAR(at(i) / at(a.value_size + 1), expected[static_cast<std::size_t>(i)] / total, 1e-4)
          << where << ", number " << i;
  }
}

class AttentionKernels : public testing::TestWithParam<ggml_type> {};

TEST_P(AttentionKernels, AgreeWithAPlainComputation) {
  const auto kernels = attention_kernels();
  if (kernels.empty())
    GTEST_SKIP() << "there is no kernel for this processor";
  unsigned seed = 1;
  for (const Shape& shape :
       {Shape{1, 2, 1, 128, 64, 64}, Shape{1, 8, 1, 256, 128, 128}, Shape{3, 3, 3, 192, 96, 32},
        Shape{9, 4, 2, 256, 64, 64}, Shape{26, 2, 2, 320, 64, 128}, Shape{40, 6, 2, 128, 32, 32},
        Shape{70, 2, 1, 192, 128, 96}}) {
    const Layer layer(shape, GetParam(), seed++);
    const int rows = layer.attention().rows();
    for (const NamedKernel& kernel : kernels)
      for (int head = 0; head < shape.kv_heads; ++head)
        for (int row = 0; row < rows; row += kRowBlock)
          for (const auto& [begin, end] : {std::pair{0, shape.cells}, std::pair{64, 128}}) {
            check(kernel, layer, {head, row, std::min(kRowBlock, rows - row), begin, end});
            if (HasFatalFailure())
              return;
          }
  }
}

INSTANTIATE_TEST_SUITE_P(OfCells, AttentionKernels, testing::Values(GGML_TYPE_F16, GGML_TYPE_Q8_0),
                         [](const auto& of) { return std::string(ggml_type_name(of.param)); });

} // namespace
} // namespace anyclaude::engine
