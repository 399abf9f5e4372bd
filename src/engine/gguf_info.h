#pragma once

#include "engine/model.h"

#include <cstddef>
#include <cstdint>
#include <expected>
#include <filesystem>
#include <string>
#include <vector>

namespace anyclaude::engine {

/// What a GGUF file says about its model, without loading the weights. Numbers that the file does
/// not give are 0, texts empty.
struct GgufInfo {
  std::string architecture;
  std::string name;
  std::string quantization; ///< The type of most weights: "Q8_0".
  std::uint64_t file_bytes = 0;
  std::uint64_t parameters = 0;  ///< Elements of all tensors in this file.
  std::uint32_t split_count = 1; ///< Files that the model is split into; sizes are this one's.

  std::uint64_t context_tokens = 0; ///< That the model was trained for.
  std::uint64_t layers = 0;
  std::uint64_t embedding = 0;
  std::uint64_t heads = 0;    ///< The most in any layer.
  std::uint64_t kv_heads = 0; ///< The most in any layer.

  /// Judged by the architecture and its keys; libllama knows for certain once the model is loaded.
  MemoryKind memory = MemoryKind::full_attention;
  std::uint64_t sliding_window = 0; ///< Tokens; 0 unless some layers look no further back.
  /// Keys and values at f16, summed over the layers that keep them. For sliding-window models this
  /// holds within the window. Recurrent state is of a fixed size and not counted.
  std::uint64_t kv_bytes_per_token = 0;
  std::uint64_t attention_layers = 0; ///< Layers that keep keys and values.

  std::string tokenizer; ///< "gpt2", "llama", … and the pre-tokenizer: "gpt2 (qwen2)".
  std::uint64_t vocabulary = 0;
  std::vector<std::string> stop_tokens; ///< Texts of the tokens that end a turn.

  std::string chat_template;
  bool template_has_tools = false; ///< Judged by the template's text.
  bool template_has_thinking = false;
};

/// Reads the metadata of a GGUF file. Fails with a sentence that names the file and says what is
/// wrong with it (missing, not a file, not GGUF, another byte order, damaged, cut short, no
/// language model). Safe on any bytes. Thread-safe.
std::expected<GgufInfo, std::string> read_gguf_info(const std::filesystem::path& path);

} // namespace anyclaude::engine
