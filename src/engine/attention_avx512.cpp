// Compiled for x86-64-v4 (see CMakeLists.txt).
#if defined(__AVX512F__)
#define ANYCLAUDE_LANES 16
#define ANYCLAUDE_SUMS 16
#include "engine/attention_any.h"

namespace anyclaude::engine {
extern const AttentionKernel kAvx512Attention;
const AttentionKernel kAvx512Attention = attend;
} // namespace anyclaude::engine
#endif
