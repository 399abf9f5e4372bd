#pragma once

#include "demo/demo_model.h"

#include <ggml.h>

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

struct gguf_context;

namespace anyclaude::demo {

/// The shape of a model; sizes in elements.
struct Shape {
  Architecture architecture;
  std::uint32_t layers, embedding, heads, kv_heads, head_dim, feed_forward;
  std::uint32_t window; ///< Tokens that a sliding-window layer looks back.
  ggml_type weight_type;
  std::size_t padded_vocabulary; ///< 0: the vocabulary is not filled up.
};

/// How the values of a tensor come about.
enum class Fill { constant, normal, embedding, output };

struct TensorPlan {
  std::string name;
  ggml_type type;
  std::int64_t columns;
  std::int64_t rows; ///< 0: a vector of `columns` elements.
  Fill fill;
  float value; ///< The constant, or the standard deviation.
  /// How the rows are arranged in a tensor of more than two dimensions: their product is `rows`.
  std::vector<std::int64_t> outer{};
};

/// The tensors that libllama expects of a model of this shape. Without `random`, what leads back
/// into the residual stream is zero (see Weights).
std::vector<TensorPlan> plan_tensors(const Shape& shape, std::size_t vocabulary, bool random);

/// Writes the architecture's own metadata ("qwen3.block_count" and the like).
void describe_shape(gguf_context* gguf, const Shape& shape, std::uint32_t context_length);

} // namespace anyclaude::demo
