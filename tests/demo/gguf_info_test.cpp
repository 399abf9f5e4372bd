#include "demo/gguf_file.h"
#include "engine/gguf_info.h"

#include <gguf.h>
#include <gmock/gmock.h>
#include <rapidcheck/gtest.h>

#include <array>
#include <cstring>
#include <functional>
#include <memory>

namespace anyclaude::engine {
namespace {

using demo::read_bytes;
using demo::ScratchFolder;
using demo::write_bytes;
using testing::ElementsAre;
using testing::EndsWith;
using testing::HasSubstr;

/// A file with metadata alone.
GgufInfo info_of(const std::function<void(gguf_context*)>& describe) {
  const ScratchFolder folder;
  const std::unique_ptr<gguf_context, decltype(&gguf_free)> gguf(gguf_init_empty(), gguf_free);
  describe(gguf.get());
  EXPECT_TRUE(gguf_write_to_file(gguf.get(), (folder / "m.gguf").c_str(), true));
  const auto info = read_gguf_info(folder / "m.gguf");
  EXPECT_TRUE(info) << info.error();
  return info.value_or(GgufInfo{});
}

/// 8 layers x 512, 8 heads, 2 of them for keys and values.
void describe(gguf_context* gguf, const std::string& architecture) {
  const auto set = [&](const char* key, std::uint32_t value) {
    gguf_set_val_u32(gguf, (architecture + key).c_str(), value);
  };
  gguf_set_val_str(gguf, "general.architecture", architecture.c_str());
  set(".block_count", 8);
  set(".embedding_length", 512);
  set(".attention.head_count", 8);
  set(".attention.head_count_kv", 2);
}

TEST(GgufInfo, DescribesADemoModel) {
  const ScratchFolder folder;
  ASSERT_TRUE(demo::write_demo_model({}, folder / "m.gguf"));
  const auto info = read_gguf_info(folder / "m.gguf");
  ASSERT_TRUE(info) << info.error();
  EXPECT_EQ(info->architecture, "qwen3");
  EXPECT_EQ(info->name, "anyclaude demo tiny (scripted)");
  EXPECT_EQ(info->quantization, "F16");
  EXPECT_EQ(info->file_bytes, std::filesystem::file_size(folder / "m.gguf"));
  EXPECT_EQ(info->context_tokens, 131'072U);
  EXPECT_EQ(info->layers, 4U);
  EXPECT_EQ(info->embedding, 256U);
  EXPECT_EQ(info->heads, 4U);
  EXPECT_EQ(info->kv_heads, 2U);
  EXPECT_EQ(info->memory, MemoryKind::full_attention);
  EXPECT_EQ(info->attention_layers, 4U);
  EXPECT_EQ(info->kv_bytes_per_token, 4U * 2 * (64 + 64) * 2);
  EXPECT_EQ(info->tokenizer, "gpt2 (qwen2)");
  EXPECT_GE(info->vocabulary, 8'000U);
  // Embedding, output, final norm; by layer q, k, v, o, three of the feed-forward, four norms.
  const std::uint64_t layer =
      256 * (256 + 128 + 128) + 256 * 256 + 3 * 256 * 768 + 2 * 256 + 2 * 64;
  EXPECT_EQ(info->parameters, 2 * info->vocabulary * 256 + 256 + 4 * layer);
  EXPECT_THAT(info->stop_tokens, ElementsAre("<|im_end|>", "<|endoftext|>"));
  EXPECT_TRUE(info->template_has_tools);
  EXPECT_TRUE(info->template_has_thinking);
}

TEST(GgufInfo, KnowsKindsOfMemory) {
  const auto kind = [](const char* architecture, const char* key, std::uint32_t value) {
    return info_of([&](gguf_context* gguf) {
      describe(gguf, architecture);
      gguf_set_val_u32(gguf, (std::string(architecture) + key).c_str(), value);
    });
  };
  EXPECT_EQ(kind("qwen3", ".context_length", 4096).memory, MemoryKind::full_attention);
  const GgufInfo gemma = kind("gemma3", ".attention.sliding_window", 1024);
  EXPECT_EQ(gemma.memory, MemoryKind::sliding_window);
  EXPECT_EQ(gemma.sliding_window, 1024U);
  // libllama ignores the key of this architecture.
  EXPECT_EQ(kind("phi3", ".attention.sliding_window", 2048).memory, MemoryKind::full_attention);

  const GgufInfo hybrid = kind("qwen3next", ".full_attention_interval", 4);
  EXPECT_EQ(hybrid.memory, MemoryKind::hybrid);
  EXPECT_EQ(hybrid.attention_layers, 2U);
  EXPECT_EQ(hybrid.kv_bytes_per_token, 2U * 2 * (64 + 64) * 2);

  const GgufInfo mamba = kind("mamba2", ".ssm.state_size", 128);
  EXPECT_EQ(mamba.memory, MemoryKind::recurrent);
  EXPECT_EQ(mamba.kv_bytes_per_token, 0U);
}

TEST(GgufInfo, ReadsHeadsByLayer) {
  const GgufInfo info = info_of([](gguf_context* gguf) {
    describe(gguf, "lfm2");
    const std::array<std::int32_t, 8> heads{0, 0, 4, 0, 0, 4, 0, 2};
    gguf_set_arr_data(gguf, "lfm2.attention.head_count_kv", GGUF_TYPE_INT32, heads.data(),
                      heads.size());
    gguf_set_val_u32(gguf, "lfm2.shortconv.l_cache", 3);
  });
  EXPECT_EQ(info.memory, MemoryKind::hybrid);
  EXPECT_EQ(info.attention_layers, 3U);
  EXPECT_EQ(info.kv_heads, 4U);
  EXPECT_EQ(info.kv_bytes_per_token, (4U + 4 + 2) * (64 + 64) * 2);
}

TEST(GgufInfo, CountsOneRowForLatentAttention) {
  const GgufInfo info = info_of([](gguf_context* gguf) {
    describe(gguf, "deepseek2");
    gguf_set_val_u32(gguf, "deepseek2.attention.head_count_kv", 1);
    gguf_set_val_u32(gguf, "deepseek2.attention.key_length", 576);
    gguf_set_val_u32(gguf, "deepseek2.attention.value_length", 512);
    gguf_set_val_u32(gguf, "deepseek2.attention.key_length_mla", 192);
  });
  EXPECT_EQ(info.kv_bytes_per_token, 8U * 576 * 2);
}

TEST(GgufInfo, SurvivesValuesOfTheWrongType) {
  const GgufInfo info = info_of([](gguf_context* gguf) {
    describe(gguf, "qwen3");
    gguf_set_val_str(gguf, "qwen3.context_length", "long");
    gguf_set_val_f32(gguf, "qwen3.attention.head_count_kv", 2.0F);
    gguf_set_val_u32(gguf, "general.name", 7);
    gguf_set_val_i32(gguf, "qwen3.embedding_length", -5);
    const std::array<float, 2> numbers{1, 2};
    gguf_set_arr_data(gguf, "tokenizer.ggml.tokens", GGUF_TYPE_FLOAT32, numbers.data(),
                      numbers.size());
    gguf_set_val_u32(gguf, "tokenizer.ggml.eos_token_id", 4'000'000'000U);
    gguf_set_val_bool(gguf, "tokenizer.chat_template", true);
  });
  EXPECT_EQ(info.context_tokens, 0U);
  EXPECT_EQ(info.embedding, 0U);
  EXPECT_EQ(info.name, "");
  EXPECT_EQ(info.vocabulary, 0U);
  EXPECT_TRUE(info.stop_tokens.empty());
}

class BrokenFile : public testing::Test {
 protected:
  std::string error_of(std::string_view bytes) {
    write_bytes(folder_ / "m.gguf", bytes);
    const auto info = read_gguf_info(folder_ / "m.gguf");
    if (info)
      return "no error";
    EXPECT_THAT(info.error(), HasSubstr((folder_ / "m.gguf").string() + ": "));
    return info.error();
  }

  ScratchFolder folder_;
};

TEST_F(BrokenFile, IsNamedWithWhatIsWrong) {
  EXPECT_THAT(read_gguf_info(folder_ / "none.gguf").error(),
              EndsWith("none.gguf: there is no such file"));
  EXPECT_THAT(read_gguf_info(folder_.path()).error(), HasSubstr("not a regular file"));
  EXPECT_THAT(error_of(""), EndsWith("the file is empty"));
  EXPECT_THAT(error_of("<!DOCTYPE html>"), HasSubstr("not a GGUF file"));
  EXPECT_THAT(error_of("GG"), HasSubstr("not a GGUF file"));
  EXPECT_THAT(error_of("GGUF"), HasSubstr("damaged or cut short"));
  EXPECT_THAT(error_of(std::string_view("GGUF\0\0\0\3"
                                        "0000000000000000",
                                        24)),
              HasSubstr("big-endian"));
}

TEST_F(BrokenFile, IsToldByItsLength) {
  ASSERT_TRUE(demo::write_demo_model({}, folder_ / "whole.gguf"));
  const std::string whole = read_bytes(folder_ / "whole.gguf");
  EXPECT_THAT(error_of(std::string_view(whole).substr(0, whole.size() - 1)),
              HasSubstr("cut short: it has " + std::to_string(whole.size() - 1) + " bytes"));
  for (const std::size_t size :
       {std::size_t{5}, std::size_t{23}, std::size_t{200}, std::size_t{100'000}})
    EXPECT_THAT(error_of(std::string_view(whole).substr(0, size)),
                HasSubstr("damaged or cut short"))
        << size;
}

TEST_F(BrokenFile, IsNoLanguageModelWithoutLayers) {
  const std::unique_ptr<gguf_context, decltype(&gguf_free)> gguf(gguf_init_empty(), gguf_free);
  gguf_set_val_str(gguf.get(), "general.architecture", "clip");
  ASSERT_TRUE(gguf_write_to_file(gguf.get(), (folder_ / "m.gguf").c_str(), true));
  EXPECT_THAT(read_gguf_info(folder_ / "m.gguf").error(),
              EndsWith("the file is no language model: clip.block_count is missing"));
}

/// A small file with tensors and arrays, so that most of its bytes mean something.
std::string small_file(const std::filesystem::path& path) {
  const std::unique_ptr<gguf_context, decltype(&gguf_free)> gguf(gguf_init_empty(), gguf_free);
  describe(gguf.get(), "qwen3");
  std::array<const char*, 4> tokens{"a", "b", "<|im_end|>", "c"};
  gguf_set_arr_str(gguf.get(), "tokenizer.ggml.tokens", tokens.data(), tokens.size());
  gguf_set_val_u32(gguf.get(), "tokenizer.ggml.eos_token_id", 2);
  const std::array<std::uint16_t, 8> heads{1, 2, 3, 4, 5, 6, 7, 8};
  gguf_set_arr_data(gguf.get(), "qwen3.attention.head_count_kv", GGUF_TYPE_UINT16, heads.data(),
                    heads.size());
  const std::unique_ptr<ggml_context, decltype(&ggml_free)> ggml(
      ggml_init({1 << 16, nullptr, false}), ggml_free);
  for (const char* name : {"token_embd.weight", "output.weight"}) {
    ggml_tensor* tensor = ggml_new_tensor_2d(ggml.get(), GGML_TYPE_F16, 32, 4);
    std::memset(tensor->data, 0, ggml_nbytes(tensor));
    ggml_set_name(tensor, name);
    gguf_add_tensor(gguf.get(), tensor);
  }
  EXPECT_TRUE(gguf_write_to_file(gguf.get(), path.c_str(), false));
  return read_bytes(path);
}

RC_GTEST_PROP(GgufInfoProperty, NeverCrashesOnDamage, ()) {
  static const ScratchFolder kFolder;
  static const std::string kWhole = small_file(kFolder / "whole.gguf");
  std::string damaged =
      kWhole.substr(0, *rc::gen::inRange<std::size_t>(kWhole.size() / 2, kWhole.size() + 1));
  for (int i = *rc::gen::inRange(0, 6); i > 0; --i)
    damaged[*rc::gen::inRange<std::size_t>(4, damaged.size())] =
        *rc::gen::element<char>(0, 1, 9, 0x20, 0x7F, -128, -1);
  write_bytes(kFolder / "damaged.gguf", damaged);
  const auto info = read_gguf_info(kFolder / "damaged.gguf");
  if (info) // what it then says must be about this file
    RC_ASSERT(info->file_bytes == damaged.size());
  else
    RC_ASSERT(info.error().starts_with((kFolder / "damaged.gguf").string() + ": "));
}

TEST(GgufInfo, ReadsEveryPrefixOfAFileAsCutShort) {
  const ScratchFolder folder;
  const std::string whole = small_file(folder / "whole.gguf");
  for (std::size_t size = 0; size < whole.size(); ++size) {
    write_bytes(folder / "part.gguf", std::string_view(whole).substr(0, size));
    EXPECT_FALSE(read_gguf_info(folder / "part.gguf")) << size;
  }
  EXPECT_TRUE(read_gguf_info(folder / "whole.gguf"));
}

} // namespace
} // namespace anyclaude::engine
