#pragma once

#include "engine/cpu_attention.h"
#include "engine/decoder.h"
#include "engine/image_positions.h"
#include "engine/model.h"
#include "engine/token_bytes.h"

#include <atomic>
#include <cstdint>
#include <expected>
#include <memory>
#include <string>
#include <vector>

struct ggml_tensor;
struct llama_batch;
struct llama_context;
struct llama_memory_i;

namespace anyclaude::engine {

struct ContextOptions {
  int context_tokens = 0; // cells of the pool
  int batch_tokens = 512;
  int image_tokens = 0;          // of the largest image; 0: there are none
  bool undivided_images = false; // their tokens see each other
  int max_outputs = 16;          // tokens of one batch whose logits are wanted
  int sequences = 64;
  int threads = 0;             // 0: one for each physical core
  std::string kv_type = "f16"; // or "q8_0"
  bool own_attention = true;   // CpuAttention instead of ggml's kernels, where there is one
  bool moves_blocks = false;   // cells are exported and imported: one more sequence of its own
};

/// A libllama context. Everything is used by one thread but interrupt().
class LlamaDecoder : public Decoder {
 public:
  /// `model` must outlive the decoder. The error says what does not fit.
  static std::expected<std::unique_ptr<LlamaDecoder>, std::string>
  create(const Model& model, const ContextOptions& options);
  ~LlamaDecoder() override;

  DecodeStatus decode(std::span<const BatchToken> batch) override;
  DecodeStatus decode_image(SequenceId sequence, int begin, const ImageInput& image) override;
  std::size_t span() const override { return span_; }
  void truncate(SequenceId sequence, int length) override;
  std::span<const float> logits(int index) override;
  std::unique_ptr<Sampler> make_sampler(const SamplingOptions& options) override;
  bool ends_turn(Token token) const override { return model_.ends_turn(token); }
  bool is_control(Token token) const override { return model_.is_control(token); }
  std::string piece(Token token) const override { return model_.piece(token); }

  void share(SequenceId from, SequenceId to, int begin, int end) override;
  void remove(SequenceId sequence, int begin, int end) override;
  void clear(SequenceId sequence) override;
  std::vector<std::byte> save(SequenceId sequence) override;
  bool restore(SequenceId sequence, std::span<const std::byte> state, int length) override;
  bool export_cells(SequenceId sequence, int begin, int end,
                    std::vector<std::byte>& bytes) override;
  bool import_cells(SequenceId sequence, int begin, int end, int first, int last,
                    std::span<const std::byte> bytes, std::span<const Token> tokens) override;

  /// Makes the running and every later decode return `aborted`. From any thread. Works on the CPU
  /// only; elsewhere a batch runs to its end.
  void interrupt() { interrupted_ = true; }

  int context_tokens() const;
  /// Whether CpuAttention computes the attention.
  bool uses_own_attention() const { return attention_ != nullptr; }

  /// Bytes of the state that one sequence of this model can have, beside its cells of full
  /// attention: what every further sequence costs, and about the size of a checkpoint. Computes one
  /// token in a small context of its own; 0 when that cannot be made.
  static std::uint64_t state_bytes(const Model& model, const std::string& kv_type);

 private:
  struct Batch;
  LlamaDecoder(const Model& model, const ContextOptions& options);
  static bool see(ggml_tensor* node, bool ask, void* self);
  static bool ends_at(const ImagePositions& positions, int length, int last);
  bool passing_holds(const ImagePositions& positions, int begin, int end, int offset) const;
  bool export_passing(std::vector<std::byte>& bytes) const;
  bool export_passing_cells(int cells, int position, std::vector<std::byte>& bytes);
  DecodeStatus compute(const llama_batch& batch);

  const Model& model_;
  llama_context* context_ = nullptr;
  llama_memory_i* memory_ = nullptr;
  std::unique_ptr<Batch> batch_;
  std::size_t span_ = 0;                    // of the last batch
  std::unique_ptr<CpuAttention> attention_; // null where ggml computes it
  SequenceId passing_ = -1;                 // what cells pass through on their way out and in
  std::vector<std::byte> no_state_;         // of an empty sequence, where the model has states
  std::vector<ImagePositions> positions_;   // by sequence
  int image_tokens_ = 0;                    // the most that an image may have
  std::unique_ptr<const TokenBytes> token_bytes_; // made when a constraint first needs it
  std::atomic<bool> interrupted_ = false;
};

} // namespace anyclaude::engine
