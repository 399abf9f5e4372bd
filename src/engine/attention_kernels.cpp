#include "engine/attention_kernels.h"

namespace anyclaude::engine {

#if defined(__x86_64__)
extern const AttentionKernel kAvx512Attention;
extern const AttentionKernel kAvx2Attention;

std::vector<NamedKernel> attention_kernels() {
  std::vector<NamedKernel> kernels;
  if (__builtin_cpu_supports("x86-64-v4"))
    kernels.push_back({"avx512", kAvx512Attention});
  if (__builtin_cpu_supports("x86-64-v3")) // with F16C and FMA
    kernels.push_back({"avx2", kAvx2Attention});
  return kernels;
}
#else
std::vector<NamedKernel> attention_kernels() {
  return {};
}
#endif

} // namespace anyclaude::engine
