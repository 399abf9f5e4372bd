#include "demo/demo_projector.h"

#include "demo/gguf_output.h"
#include "demo/random.h"

#include <gguf.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <format>
#include <span>
#include <string>
#include <utility>
#include <vector>

namespace anyclaude::demo {

namespace {

// A vision transformer, small enough to be there at once.
constexpr std::int64_t kWidth = 64;
constexpr std::uint32_t kHeads = 2;
constexpr std::int64_t kFeedForward = 128;
constexpr int kLayers = 2;
constexpr std::int64_t kPatch = 14; // pixels, each way
constexpr std::int64_t kColours = 3;
constexpr std::int64_t kMerged = 4;        // patches of one token, of Qwen2-VL's
constexpr std::uint32_t kGemmaImage = 224; // pixels, each way: 16 x 16 patches
constexpr std::uint32_t kGemmaScale = 4;   // patches of one token, each way

/// The tensors' names are those that llama.cpp's converters write (tools/mtmd/clip-impl.h there).
class Planner {
 public:
  Planner(bool is_gemma, std::int64_t embedding) : is_gemma_(is_gemma), embedding_(embedding) {}

  std::vector<TensorPlan> plan() {
    patches("v.patch_embd.weight");
    if (is_gemma_) {
      vector("v.patch_embd.bias", kWidth, 0);
      constexpr std::int64_t kSide = kGemmaImage / kPatch;
      matrix("v.position_embd.weight", kWidth, kSide * kSide, 1);
    } else {
      patches("v.patch_embd.weight.1"); // of a second frame, which a still image repeats
    }
    for (int layer = 0; layer < kLayers; ++layer)
      block(std::format("v.blk.{}.", layer));
    norm("v.post_ln");
    if (is_gemma_) {
      vector("mm.soft_emb_norm.weight", kWidth, 1);
      matrix("mm.input_projection.weight", embedding_, kWidth,
             1 / std::sqrt(static_cast<float>(kWidth)));
    } else {
      linear("mm.0", kMerged * kWidth, kMerged * kWidth);
      linear("mm.2", kMerged * kWidth, embedding_);
    }
    return std::move(tensors_);
  }

 private:
  void block(const std::string& name) {
    norm(name + "ln1");
    for (const char* part : {"attn_q", "attn_k", "attn_v", "attn_out"})
      linear(name + part, kWidth, kWidth);
    norm(name + "ln2");
    linear(name + "ffn_up", kWidth, kFeedForward);
    linear(name + "ffn_down", kFeedForward, kWidth);
  }
  void patches(std::string name) {
    constexpr std::int64_t kRows = kPatch * kColours * kWidth;
    constexpr float kDeviation = 0.04F; // 1 / sqrt of the values of a patch
    tensors_.push_back({std::move(name),
                        GGML_TYPE_F16,
                        kPatch,
                        kRows,
                        Fill::normal,
                        kDeviation,
                        {kPatch, kColours, kWidth}});
  }
  void linear(const std::string& name, std::int64_t from, std::int64_t to) {
    matrix(name + ".weight", from, to, 1 / std::sqrt(static_cast<float>(from)));
    vector(name + ".bias", to, 0);
  }
  void norm(const std::string& name) {
    vector(name + ".weight", kWidth, 1);
    vector(name + ".bias", kWidth, 0);
  }
  void matrix(std::string name, std::int64_t columns, std::int64_t rows, float deviation) {
    tensors_.push_back({std::move(name), GGML_TYPE_F32, columns, rows, Fill::normal, deviation});
  }
  void vector(std::string name, std::int64_t size, float value) {
    tensors_.push_back({std::move(name), GGML_TYPE_F32, size, 0, Fill::constant, value});
  }

  bool is_gemma_;
  std::int64_t embedding_;
  std::vector<TensorPlan> tensors_;
};

void describe(gguf_context* gguf, bool is_gemma, std::int64_t embedding, Size size) {
  const auto number = [gguf](const char* key, std::uint32_t value) {
    gguf_set_val_u32(gguf, (std::string("clip.vision.") + key).c_str(), value);
  };
  gguf_set_val_str(gguf, "general.architecture", "clip");
  gguf_set_val_str(gguf, "general.type", "mmproj");
  gguf_set_val_str(gguf, "general.name",
                   std::format("anyclaude demo projector {} (random)", size_name(size)).c_str());
  gguf_set_val_bool(gguf, "clip.has_vision_encoder", true);
  gguf_set_val_str(gguf, "clip.projector_type", is_gemma ? "gemma3" : "qwen2vl_merger");
  gguf_set_val_bool(gguf, "clip.use_gelu", true);
  number("embedding_length", static_cast<std::uint32_t>(kWidth));
  number("feed_forward_length", static_cast<std::uint32_t>(kFeedForward));
  number("block_count", kLayers);
  number("attention.head_count", kHeads);
  number("projection_dim", static_cast<std::uint32_t>(embedding));
  number("patch_size", static_cast<std::uint32_t>(kPatch));
  number("image_size", kGemmaImage);
  if (is_gemma)
    number("projector.scale_factor", kGemmaScale);
  gguf_set_val_f32(gguf, "clip.vision.attention.layer_norm_epsilon", 1e-6F);
  constexpr std::array<float, 3> kMiddle{0.5F, 0.5F, 0.5F};
  for (const char* key : {"clip.vision.image_mean", "clip.vision.image_std"})
    gguf_set_arr_data(gguf, key, GGUF_TYPE_FLOAT32, kMiddle.data(), kMiddle.size());
}

} // namespace

std::expected<void, std::string> write_demo_projector(const ProjectorOptions& options,
                                                      const std::filesystem::path& out) {
  const bool is_gemma = options.architecture == Architecture::gemma3;
  const auto embedding = static_cast<std::int64_t>(embedding_width(options.size));
  const Gguf gguf(gguf_init_empty());
  describe(gguf.get(), is_gemma, embedding, options.size);
  return write_gguf(
      *gguf, Planner(is_gemma, embedding).plan(),
      [&](const TensorPlan& tensor, std::int64_t first, std::span<float> values) {
        const auto columns = static_cast<std::size_t>(tensor.columns);
        for (std::size_t i = 0; i < values.size() / columns; ++i) {
          const auto row = values.subspan(i * columns, columns);
          Random random(options.seed + static_cast<std::uint64_t>(first) + i, tensor.name);
          for (float& value : row)
            value = tensor.fill == Fill::constant ? tensor.value : random.normal() * tensor.value;
        }
      },
      out, {});
}

} // namespace anyclaude::demo
