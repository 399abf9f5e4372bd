#pragma once

#include "engine/test_models.h"

#include <ggml.h>
#include <gguf.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <random>
#include <string>
#include <vector>

namespace anyclaude::engine {

/// Turns the random demo model into one of another architecture: its vocabulary, its embeddings and
/// whatever else of it fits, with the tensors and keys that the other one needs besides.
class ModelVariant {
 public:
  explicit ModelVariant(std::string architecture) : architecture_(std::move(architecture)) {
    ggml_context* data = nullptr;
    source_.reset(gguf_init_from_file(random_model_file().c_str(), {false, &data}));
    source_data_.reset(data);
    constexpr std::size_t kRoom = 64U << 20; // for the new tensors, which are a few MiB
    new_data_.reset(ggml_init({kRoom, nullptr, false}));
    model_.reset(gguf_init_empty());
    gguf_set_kv(model_.get(), source_.get());
    gguf_set_val_str(model_.get(), "general.architecture", architecture_.c_str());
    number("context_length", 8192);
    number("embedding_length", kEmbedding);
    number("block_count", kLayers);
    gguf_set_val_f32(model_.get(), key("attention.layer_norm_rms_epsilon").c_str(), 1e-6F);
  }

  static constexpr std::uint32_t kLayers = 4; // the demo model's own sizes
  static constexpr std::uint32_t kEmbedding = 256;

  void number(const char* name, std::uint32_t value) {
    gguf_set_val_u32(model_.get(), key(name).c_str(), value);
  }
  void numbers(const char* name, std::array<std::int32_t, kLayers> values) {
    gguf_set_arr_data(model_.get(), key(name).c_str(), GGUF_TYPE_INT32, values.data(),
                      values.size());
  }

  /// Takes a tensor of the demo model, under another name where one is given.
  void take(const std::string& name, const std::string& as = {}) {
    ggml_tensor* tensor = ggml_get_tensor(source_data_.get(), name.c_str());
    ASSERT_NE(tensor, nullptr) << name;
    if (!as.empty())
      ggml_set_name(tensor, as.c_str());
    gguf_add_tensor(model_.get(), tensor);
  }

  /// Adds a tensor whose values `value` gives one after the other.
  void add(const std::string& name, std::int64_t columns, std::int64_t rows,
           const std::function<float()>& value) {
    ggml_tensor* tensor = rows == 0
                              ? ggml_new_tensor_1d(new_data_.get(), GGML_TYPE_F32, columns)
                              : ggml_new_tensor_2d(new_data_.get(), GGML_TYPE_F32, columns, rows);
    std::generate_n(ggml_get_data_f32(tensor), ggml_nelements(tensor), value);
    ggml_set_name(tensor, name.c_str());
    gguf_add_tensor(model_.get(), tensor);
  }
  void add_constant(const std::string& name, std::int64_t size, float value) {
    add(name, size, 0, [value] { return value; });
  }
  void add_matrix(const std::string& name, std::int64_t columns, std::int64_t rows) {
    std::normal_distribution<float> normal(0, 1 / std::sqrt(static_cast<float>(columns)));
    add(name, columns, rows, [&] { return normal(random_); });
  }

  std::filesystem::path write() const {
    const auto path = model_folder() / (architecture_ + ".gguf").c_str();
    EXPECT_TRUE(gguf_write_to_file(model_.get(), path.c_str(), false));
    return path;
  }

 private:
  struct Free {
    void operator()(gguf_context* context) const { gguf_free(context); }
    void operator()(ggml_context* context) const { ggml_free(context); }
  };
  std::string key(const char* name) const { return architecture_ + "." + name; }

  std::string architecture_;
  std::unique_ptr<gguf_context, Free> source_;
  std::unique_ptr<ggml_context, Free> source_data_;
  std::unique_ptr<ggml_context, Free> new_data_;
  std::unique_ptr<gguf_context, Free> model_;
  std::mt19937 random_{1};
};

/// Layers that look back 32 tokens only.
inline std::filesystem::path write_sliding_window_model() {
  ModelVariant model("gemma3");
  model.number("feed_forward_length", 768);
  model.number("attention.head_count", 4);
  model.number("attention.head_count_kv", 2);
  model.number("attention.key_length", 64);
  model.number("attention.value_length", 64);
  model.number("attention.sliding_window", 32);
  for (const char* name : {"token_embd.weight", "output_norm.weight", "output.weight"})
    model.take(name);
  for (std::uint32_t layer = 0; layer < ModelVariant::kLayers; ++layer) {
    const std::string block = "blk." + std::to_string(layer) + ".";
    for (const char* name : {"attn_norm", "ffn_norm", "attn_q_norm", "attn_k_norm", "attn_q",
                             "attn_k", "attn_v", "attn_output", "ffn_gate", "ffn_up", "ffn_down"})
      model.take(block + name + ".weight");
    model.add_constant(block + "post_attention_norm.weight", ModelVariant::kEmbedding, 1);
    model.add_constant(block + "post_ffw_norm.weight", ModelVariant::kEmbedding, 1);
  }
  return model.write();
}

/// A state of fixed size instead of keys and values.
inline std::filesystem::path write_recurrent_model() {
  constexpr int kInner = 512;
  constexpr int kState = 16;
  constexpr int kRank = 16;
  ModelVariant model("mamba");
  model.number("feed_forward_length", 0);
  model.number("attention.head_count", 0);
  model.number("ssm.conv_kernel", 4);
  model.number("ssm.inner_size", kInner);
  model.number("ssm.state_size", kState);
  model.number("ssm.time_step_rank", kRank);
  for (const char* name : {"token_embd.weight", "output_norm.weight", "output.weight"})
    model.take(name);
  for (std::uint32_t layer = 0; layer < ModelVariant::kLayers; ++layer) {
    const std::string block = "blk." + std::to_string(layer) + ".";
    model.take(block + "attn_norm.weight");
    model.add_matrix(block + "ssm_in.weight", ModelVariant::kEmbedding, 2 * kInner);
    model.add_matrix(block + "ssm_conv1d.weight", 4, kInner);
    model.add_constant(block + "ssm_conv1d.bias", kInner, 0);
    model.add_matrix(block + "ssm_x.weight", kInner, kRank + 2 * kState);
    model.add_matrix(block + "ssm_dt.weight", kRank, kInner);
    model.add_constant(block + "ssm_dt.bias", kInner, -3); // softplus: forgets slowly
    model.add(block + "ssm_a", kState, kInner, [] { return -0.5F; });
    model.add_constant(block + "ssm_d", kInner, 1);
    model.add_matrix(block + "ssm_out.weight", kInner, ModelVariant::kEmbedding);
  }
  return model.write();
}

/// Layers of both kinds by turns: short convolutions and full attention.
inline std::filesystem::path write_hybrid_model() {
  ModelVariant model("lfm2");
  model.number("feed_forward_length", 768);
  model.number("attention.head_count", 4);
  model.numbers("attention.head_count_kv", {0, 2, 0, 2});
  model.number("shortconv.l_cache", 3);
  model.take("token_embd.weight");
  model.take("output.weight");
  model.take("output_norm.weight", "token_embd_norm.weight"); // its name for the last norm
  for (std::uint32_t layer = 0; layer < ModelVariant::kLayers; ++layer) {
    const std::string block = "blk." + std::to_string(layer) + ".";
    for (const char* name : {"attn_norm", "ffn_norm", "ffn_gate", "ffn_up", "ffn_down"})
      model.take(block + name + ".weight");
    if (layer % 2 == 0) {
      model.add_matrix(block + "shortconv.conv.weight", 3, ModelVariant::kEmbedding);
      model.add_matrix(block + "shortconv.in_proj.weight", ModelVariant::kEmbedding,
                       3 * ModelVariant::kEmbedding);
      model.add_matrix(block + "shortconv.out_proj.weight", ModelVariant::kEmbedding,
                       ModelVariant::kEmbedding);
    } else {
      for (const char* name :
           {"attn_q_norm", "attn_k_norm", "attn_q", "attn_k", "attn_v", "attn_output"})
        model.take(block + name + ".weight");
    }
  }
  return model.write();
}

} // namespace anyclaude::engine
