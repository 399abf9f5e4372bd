#pragma once

#include "engine/decoder.h"
#include "engine/token_bytes.h"

#include <memory>

struct llama_context;

namespace anyclaude::engine {

/// Draws tokens from a context's logits. Where the options have a constraint, `bytes` must be the
/// vocabulary's and outlive the sampler; otherwise it may be null.
std::unique_ptr<Sampler> make_llama_sampler(llama_context* context, const SamplingOptions& options,
                                            const TokenBytes* bytes);

} // namespace anyclaude::engine
