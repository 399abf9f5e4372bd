#include "demo/layers.h"

#include <gguf.h>

#include <cmath>
#include <format>
#include <string_view>
#include <utility>

namespace anyclaude::demo {

namespace {

/// Sharpens attention: with norms of 1 the values of a long prompt average out to nothing, and a
/// wrong prefix hardly shows. Measured on tiny random models, 8,000 tokens, as the largest
/// difference of a logit: one changed token 0.002 (norm 1), 0.005 (1.6), 0.18 (2.8), where batches
/// of another shape make 0.02-0.03 at each of them.
constexpr float kQueryKeyNorm = 2.8F;

// Of the state that takes the place of keys and values in mamba's layers.
constexpr std::uint32_t kStateSize = 16;
constexpr std::uint32_t kStateConvolution = 4; // tokens
constexpr float kForgetting = -0.5F;           // the state's own decay, before its time step
constexpr float kTimeStep = -3.0F;             // softplus of it is small: it forgets slowly
// Of lfm2's short convolutions.
constexpr std::uint32_t kShortConvolution = 3; // tokens

/// Lists tensors, in the order that they get in the file.
class Planner {
 public:
  Planner(const Shape& shape, std::size_t vocabulary, bool random)
      : shape_(shape), embedding_(shape.embedding), inner_(2 * embedding_), rank_(embedding_ / 16),
        vocabulary_(static_cast<std::int64_t>(vocabulary)), random_(random) {}

  std::vector<TensorPlan> plan() {
    const bool is_lfm2 = shape_.architecture == Architecture::lfm2;
    matrix("token_embd.weight", embedding_, vocabulary_, Fill::embedding);
    // libllama knows the last norm of lfm2 under this name.
    vector(is_lfm2 ? "token_embd_norm.weight" : "output_norm.weight", embedding_, 1.0F);
    matrix("output.weight", embedding_, vocabulary_, Fill::output);
    for (std::uint32_t layer = 0; layer < shape_.layers; ++layer)
      plan_layer(layer);
    return std::move(tensors_);
  }

 private:
  void plan_layer(std::uint32_t layer) {
    block_ = std::format("blk.{}.", layer);
    vector(block_ + "attn_norm.weight", embedding_, 1.0F);
    if (shape_.architecture == Architecture::mamba)
      return state();
    vector(block_ + "ffn_norm.weight", embedding_, 1.0F);
    if (shape_.architecture == Architecture::lfm2 && layer % 2 == 0)
      short_convolution();
    else
      attention();
    if (shape_.architecture == Architecture::gemma3) {
      vector(block_ + "post_attention_norm.weight", embedding_, 1.0F);
      vector(block_ + "post_ffw_norm.weight", embedding_, 1.0F);
    }
    feed_forward();
  }

  void attention() {
    const auto query = static_cast<std::int64_t>(shape_.heads) * shape_.head_dim;
    const auto key = static_cast<std::int64_t>(shape_.kv_heads) * shape_.head_dim;
    vector(block_ + "attn_q_norm.weight", shape_.head_dim, kQueryKeyNorm);
    vector(block_ + "attn_k_norm.weight", shape_.head_dim, kQueryKeyNorm);
    matrix(block_ + "attn_q.weight", embedding_, query);
    matrix(block_ + "attn_k.weight", embedding_, key);
    matrix(block_ + "attn_v.weight", embedding_, key);
    back(block_ + "attn_output.weight", query);
  }

  void feed_forward() {
    matrix(block_ + "ffn_gate.weight", embedding_, shape_.feed_forward);
    matrix(block_ + "ffn_up.weight", embedding_, shape_.feed_forward);
    back(block_ + "ffn_down.weight", shape_.feed_forward);
  }

  void short_convolution() {
    exact_matrix(block_ + "shortconv.conv.weight", kShortConvolution, embedding_);
    matrix(block_ + "shortconv.in_proj.weight", embedding_, 3 * embedding_);
    back(block_ + "shortconv.out_proj.weight", embedding_);
  }

  void state() {
    matrix(block_ + "ssm_in.weight", embedding_, 2 * inner_);
    exact_matrix(block_ + "ssm_conv1d.weight", kStateConvolution, inner_);
    vector(block_ + "ssm_conv1d.bias", inner_, 0.0F);
    matrix(block_ + "ssm_x.weight", inner_, rank_ + 2 * kStateSize);
    matrix(block_ + "ssm_dt.weight", rank_, inner_);
    vector(block_ + "ssm_dt.bias", inner_, kTimeStep);
    tensors_.push_back(
        {block_ + "ssm_a", GGML_TYPE_F32, kStateSize, inner_, Fill::constant, kForgetting});
    vector(block_ + "ssm_d", inner_, 1.0F);
    back(block_ + "ssm_out.weight", inner_);
  }

  void vector(std::string name, std::int64_t size, float value) {
    tensors_.push_back({std::move(name), GGML_TYPE_F32, size, 0, Fill::constant, value});
  }
  void matrix(std::string name, std::int64_t columns, std::int64_t rows, Fill fill = Fill::normal) {
    const float deviation = 1.0F / std::sqrt(static_cast<float>(columns));
    // Rows that no quantization divides stay as they are.
    const bool divides = columns % ggml_blck_size(shape_.weight_type) == 0;
    const ggml_type type = divides ? shape_.weight_type : GGML_TYPE_F16;
    tensors_.push_back({std::move(name), type, columns, rows, fill, deviation});
  }
  /// One that ggml wants in full precision.
  void exact_matrix(std::string name, std::int64_t columns, std::int64_t rows) {
    matrix(std::move(name), columns, rows);
    tensors_.back().type = GGML_TYPE_F32;
  }
  // A constant matrix would be 1/sqrt(columns) everywhere; the way back into the stream is all
  // zero.
  void back(std::string name, std::int64_t columns) {
    matrix(std::move(name), columns, embedding_, random_ ? Fill::normal : Fill::constant);
    if (!random_)
      tensors_.back().value = 0.0F;
  }

  const Shape& shape_;
  std::int64_t embedding_;
  std::int64_t inner_; // of mamba
  std::int64_t rank_;
  std::int64_t vocabulary_;
  bool random_;
  std::string block_;
  std::vector<TensorPlan> tensors_;
};

/// Writes the keys of one architecture.
class Keys {
 public:
  Keys(gguf_context* gguf, std::string_view architecture)
      : gguf_(gguf), prefix_(std::format("{}.", architecture)) {}
  void set(const char* name, std::uint32_t value) {
    gguf_set_val_u32(gguf_, (prefix_ + name).c_str(), value);
  }
  void set_real(const char* name, float value) {
    gguf_set_val_f32(gguf_, (prefix_ + name).c_str(), value);
  }
  void set_each(const char* name, const std::vector<std::int32_t>& values) {
    gguf_set_arr_data(gguf_, (prefix_ + name).c_str(), GGUF_TYPE_INT32, values.data(),
                      values.size());
  }

 private:
  gguf_context* gguf_;
  std::string prefix_;
};

} // namespace

std::vector<TensorPlan> plan_tensors(const Shape& shape, std::size_t vocabulary, bool random) {
  return Planner(shape, vocabulary, random).plan();
}

void describe_shape(gguf_context* gguf, const Shape& shape, std::uint32_t context_length) {
  constexpr float kRopeBase = 1e6F;
  constexpr float kNormEpsilon = 1e-6F;
  Keys keys(gguf, architecture_name(shape.architecture));
  keys.set("block_count", shape.layers);
  keys.set("context_length", context_length);
  keys.set("embedding_length", shape.embedding);
  if (shape.architecture == Architecture::mamba) {
    keys.set("feed_forward_length", 0);
    keys.set("attention.head_count", 0);
    keys.set_real("attention.layer_norm_rms_epsilon", kNormEpsilon);
    keys.set("ssm.conv_kernel", kStateConvolution);
    keys.set("ssm.inner_size", 2 * shape.embedding);
    keys.set("ssm.state_size", kStateSize);
    keys.set("ssm.time_step_rank", shape.embedding / 16);
    return;
  }
  keys.set("feed_forward_length", shape.feed_forward);
  keys.set("attention.head_count", shape.heads);
  if (shape.architecture == Architecture::lfm2) {
    std::vector<std::int32_t> kv_heads; // none where a convolution stands
    for (std::uint32_t layer = 0; layer < shape.layers; ++layer)
      kv_heads.push_back(layer % 2 == 0 ? 0 : static_cast<std::int32_t>(shape.kv_heads));
    keys.set_each("attention.head_count_kv", kv_heads);
    keys.set("shortconv.l_cache", kShortConvolution);
  } else {
    keys.set("attention.head_count_kv", shape.kv_heads);
    keys.set("attention.key_length", shape.head_dim);
    keys.set("attention.value_length", shape.head_dim);
  }
  if (shape.architecture == Architecture::qwen3vl) {
    const auto third = static_cast<std::int32_t>(shape.head_dim / 8); // of the pairs of a head
    keys.set_each("rope.dimension_sections",
                  {static_cast<std::int32_t>(shape.head_dim / 2) - 2 * third, third, third, 0});
    keys.set("n_deepstack_layers", 0);
  }
  if (shape.architecture == Architecture::gemma3) {
    keys.set("attention.sliding_window", shape.window);
    keys.set("attention.sliding_window_pattern", 2); // every second layer sees everything
  }
  keys.set_real("rope.freq_base", kRopeBase);
  keys.set_real("attention.layer_norm_rms_epsilon", kNormEpsilon);
}

} // namespace anyclaude::demo
