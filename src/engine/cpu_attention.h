#pragma once

#include "engine/attention_kernels.h"

#include <memory>
#include <vector>

struct ggml_tensor;

namespace anyclaude::engine {

/// Computes the flash attention of a libllama context on the CPU in place of ggml's kernels, which
/// take three to six times as long (docs/performance.md).
///
/// libllama calls `on_node` for every node of a graph before it is computed
/// (llama_context_params::cb_eval). Those of GGML_OP_FLASH_ATTN_EXT become GGML_OP_CUSTOM, ggml's
/// operation for functions of the caller's, with the same inputs and result; ggml's threads then
/// run it as they run every other. What the kernel does not know (soft caps, ALiBi, several
/// streams) stays with ggml.
class CpuAttention {
 public:
  /// Null where this processor has no kernel.
  static std::unique_ptr<CpuAttention> create(int threads);
  ~CpuAttention();
  CpuAttention(const CpuAttention&) = delete;
  CpuAttention& operator=(const CpuAttention&) = delete;

  /// A ggml_backend_sched_eval_callback; `self` is the CpuAttention. Never asks for the data.
  static bool on_node(ggml_tensor* node, bool ask, void* self);

 private:
  struct Layer;

  CpuAttention(AttentionKernel kernel, int threads);
  void take(ggml_tensor* node);
  static void compute(ggml_tensor* node, int thread, int threads, void* layer);

  AttentionKernel kernel_;
  int threads_;
  std::vector<std::unique_ptr<Layer>> layers_;
  std::vector<std::vector<float>> scratch_; // of each thread
};

} // namespace anyclaude::engine
