// Compiled for x86-64-v3 (see CMakeLists.txt).
#if defined(__AVX2__)
#define ANYCLAUDE_LANES 8
#define ANYCLAUDE_SUMS 8
#include "engine/attention_any.h"

namespace anyclaude::engine {
extern const AttentionKernel kAvx2Attention;
const AttentionKernel kAvx2Attention = attend;
} // namespace anyclaude::engine
#endif
