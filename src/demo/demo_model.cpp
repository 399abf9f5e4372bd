#include "demo/demo_model.h"

#include "demo/chat_template.h"
#include "demo/gguf_output.h"
#include "demo/vocabulary.h"
#include "demo/weights.h"

#include <gguf.h>

#include <format>
#include <utility>
#include <vector>

namespace anyclaude::demo {

namespace {

constexpr std::string_view kNamePrefix = "anyclaude demo ";

Shape shape_of(Size size, Architecture architecture) {
  switch (size) {
  case Size::nano:
    return {architecture, 2, 256, 2, 1, 64, 256, 32, GGML_TYPE_F16, 0};
  case Size::tiny:
    return {architecture, 4, 256, 4, 2, 64, 768, 32, GGML_TYPE_F16, 0};
  case Size::small:
    return {architecture, 8, 512, 8, 4, 64, 1536, 512, GGML_TYPE_F16, 0};
  case Size::qwen3_0_6b:
    return {architecture, 28, 1024, 16, 8, 128, 3072, 1024, GGML_TYPE_Q8_0, 151'936};
  }
  std::unreachable();
}

void set_string(gguf_context* gguf, const char* key, const std::string& value) {
  gguf_set_val_str(gguf, key, value.c_str());
}

void set_strings(gguf_context* gguf, const char* key, const std::vector<std::string>& values) {
  std::vector<const char*> pointers;
  pointers.reserve(values.size());
  for (const std::string& value : values)
    pointers.push_back(value.c_str());
  gguf_set_arr_str(gguf, key, pointers.data(), pointers.size());
}

void describe_model(gguf_context* gguf, const ModelOptions& options, const Shape& shape) {
  // LLAMA_FTYPE_MOSTLY_F16 and LLAMA_FTYPE_MOSTLY_Q8_0.
  const std::uint32_t file_type = shape.weight_type == GGML_TYPE_F16 ? 1 : 7;
  const char* kind = options.random ? "random" : "scripted";
  const std::string architecture(architecture_name(options.architecture));
  // The first architecture's name goes without saying.
  const bool is_first = options.architecture == Architecture::qwen3;
  set_string(gguf, "general.architecture", architecture);
  set_string(gguf, "general.type", "model");
  set_string(gguf, "general.name",
             std::format("{}{}{} ({})", kNamePrefix, size_name(options.size),
                         is_first ? "" : " " + architecture, kind));
  set_string(gguf, "general.description",
             "A stand-in for a language model: it has learned nothing.");
  gguf_set_val_u32(gguf, "general.file_type", file_type);
  gguf_set_val_u32(gguf, "general.quantization_version", GGML_QNT_VERSION);
  describe_shape(gguf, shape, options.context_length);
}

void describe_tokenizer(gguf_context* gguf, const Vocabulary& vocabulary,
                        const ScriptFile* scripts) {
  std::vector<std::int32_t> types;
  for (const TokenType type : vocabulary.types)
    types.push_back(std::to_underlying(type));
  set_string(gguf, "tokenizer.ggml.model", "gpt2");
  set_string(gguf, "tokenizer.ggml.pre", "qwen2");
  set_strings(gguf, "tokenizer.ggml.tokens", vocabulary.texts);
  gguf_set_arr_data(gguf, "tokenizer.ggml.token_type", GGUF_TYPE_INT32, types.data(), types.size());
  set_strings(gguf, "tokenizer.ggml.merges", vocabulary.merges);
  gguf_set_val_u32(gguf, "tokenizer.ggml.bos_token_id", vocabulary.end_of_text);
  gguf_set_val_u32(gguf, "tokenizer.ggml.eos_token_id", vocabulary.end_of_turn);
  gguf_set_val_u32(gguf, "tokenizer.ggml.eot_token_id", vocabulary.end_of_turn);
  gguf_set_val_u32(gguf, "tokenizer.ggml.padding_token_id", vocabulary.end_of_text);
  gguf_set_val_bool(gguf, "tokenizer.ggml.add_bos_token", false);
  set_string(gguf, "tokenizer.chat_template", chat_template(scripts));
}

} // namespace

std::optional<Size> parse_size(std::string_view name) {
  for (const Size size : {Size::nano, Size::tiny, Size::small, Size::qwen3_0_6b}) {
    if (size_name(size) == name)
      return size;
  }
  return std::nullopt;
}

std::string_view size_name(Size size) {
  switch (size) {
  case Size::nano:
    return "nano";
  case Size::tiny:
    return "tiny";
  case Size::small:
    return "small";
  case Size::qwen3_0_6b:
    return "0.6b";
  }
  std::unreachable();
}

std::uint32_t embedding_width(Size size) {
  return shape_of(size, Architecture::qwen3).embedding;
}

std::optional<Architecture> parse_architecture(std::string_view name) {
  for (const Architecture architecture : kArchitectures) {
    if (architecture_name(architecture) == name)
      return architecture;
  }
  return std::nullopt;
}

std::string_view architecture_name(Architecture architecture) {
  switch (architecture) {
  case Architecture::qwen3:
    return "qwen3";
  case Architecture::qwen3vl:
    return "qwen3vl";
  case Architecture::gemma3:
    return "gemma3";
  case Architecture::mamba:
    return "mamba";
  case Architecture::lfm2:
    return "lfm2";
  }
  std::unreachable();
}

std::expected<void, std::string> write_demo_model(const ModelOptions& options,
                                                  const std::filesystem::path& out) {
  if (options.random && options.script) {
    return std::unexpected(
        "a model with random weights cannot follow a script; choose one of the two");
  }
  if (options.context_length == 0)
    return std::unexpected("the context length must be at least 1");
  std::optional<ScriptFile> script = options.script;
  if (!options.random && !script)
    script = default_script();
  const ScriptFile* scripts = script ? &*script : nullptr;

  Shape shape = shape_of(options.size, options.architecture);
  if (options.architecture == Architecture::lfm2) // has no key for another size
    shape.head_dim = shape.embedding / shape.heads;
  const auto vocabulary = make_vocabulary(scripts, shape.padded_vocabulary);
  if (!vocabulary)
    return std::unexpected(vocabulary.error());
  const auto weights = Weights::make(shape, *vocabulary, options.random, options.seed);
  if (!weights)
    return std::unexpected(weights.error());

  const Gguf gguf(gguf_init_empty());
  describe_model(gguf.get(), options, shape);
  describe_tokenizer(gguf.get(), *vocabulary, scripts);
  return write_gguf(
      *gguf, weights->tensors(),
      [&](const TensorPlan& tensor, std::int64_t first, std::span<float> values) {
        weights->rows(tensor, first, values);
      },
      out, options.progress);
}

bool is_demo_model(std::string_view name) {
  return name.starts_with(kNamePrefix);
}

} // namespace anyclaude::demo
