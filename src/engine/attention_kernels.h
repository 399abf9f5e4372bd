#pragma once

#include "engine/attention_kernel.h"

#include <vector>

namespace anyclaude::engine {

struct NamedKernel {
  const char* name;
  AttentionKernel attend;
};

/// Those that this processor can run, the fastest first. Empty on other architectures than x86-64.
std::vector<NamedKernel> attention_kernels();

} // namespace anyclaude::engine
