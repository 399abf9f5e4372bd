#pragma once

#include "engine/job.h"

#include <cstdint>
#include <expected>
#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

struct llama_model;
struct llama_vocab;

namespace anyclaude::engine {

/// How a model remembers what it has read; decides what may be shared between requests.
enum class MemoryKind { full_attention, sliding_window, recurrent, hybrid };

const char* to_string(MemoryKind kind);

struct ModelFacts {
  std::string id;          // file name without ".gguf", fit for a model name in a request
  std::string description; // such as "qwen3 0.6B Q8_0"
  std::string chat_template;
  std::string bos_text; // empty where the model has none
  std::string eos_text;
  int train_context_tokens = 0;
  /// Of models whose rotary embedding changes for contexts longer than this (LongRoPE); 0: none.
  int original_context_tokens = 0;
  std::uint64_t kv_bytes_per_token = 0; // at f16; an estimate from the first layer
  std::uint64_t file_bytes = 0;
  MemoryKind memory = MemoryKind::full_attention;
  int window = 0; // tokens that sliding-window layers look back; 0: there are none
  /// Sampling that the model's makers recommend in its file; what a request leaves open.
  SamplingOptions sampling;
};

struct ModelOptions {
  std::filesystem::path path;
  int gpu_layers = -1; // all that fit, when a GPU backend is there
};

/// Loads ggml's compute backends once; before, no model can be loaded. Thread-safe.
void load_compute_backends();

/// Bytes that are free on all GPUs together; 0 without any. Thread-safe.
std::uint64_t free_accelerator_memory();

/// What the GPUs that libllama computes with call themselves. Thread-safe.
std::vector<std::string> accelerators();

/// Weights and vocabulary of one GGUF file. After loading it is immutable: all functions are
/// thread-safe.
class Model {
 public:
  /// May take minutes. `progress` is called on this thread with 0 … 1; returning false stops.
  /// The error says what is wrong with the file.
  static std::expected<std::unique_ptr<Model>, std::string>
  load(const ModelOptions& options, const std::function<bool(float)>& progress = {});
  ~Model();
  Model(const Model&) = delete;
  Model& operator=(const Model&) = delete;

  const ModelFacts& facts() const { return facts_; }
  llama_model* handle() const { return model_; }
  const llama_vocab* vocab() const;
  int vocab_size() const;
  /// Whether layers may have been put on a GPU.
  bool uses_gpu() const { return uses_gpu_; }
  /// Whether ggml may lay weights out for the kernels of this CPU (its "extra" buffers).
  bool uses_extra_buffers() const { return uses_extra_buffers_; }

  /// Tokens of `text`. With `parse_special` the text of control tokens becomes those tokens;
  /// without, it stays text. No beginning-of-sequence token is added.
  std::vector<Token> tokenize(std::string_view text, bool parse_special) const;

  /// The token that must begin every prompt, -1 for none.
  Token prompt_start() const;

  /// The bytes a token stands for; may be a part of a UTF-8 sequence. Control tokens give their
  /// name.
  std::string piece(Token token) const;
  bool ends_turn(Token token) const;
  bool is_control(Token token) const;
  /// Texts of all control tokens: what must not be read as control when it stands in a message.
  const std::vector<std::string>& control_texts() const { return control_texts_; }

 private:
  explicit Model(llama_model* model) : model_(model) {}
  void read_facts(const std::filesystem::path& path);

  llama_model* model_;
  bool uses_gpu_ = false;
  bool uses_extra_buffers_ = true;
  ModelFacts facts_;
  std::vector<std::string> control_texts_;
};

} // namespace anyclaude::engine
