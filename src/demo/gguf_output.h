#pragma once

#include "demo/layers.h"

#include <gguf.h>

#include <cstdint>
#include <expected>
#include <filesystem>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

namespace anyclaude::demo {

struct GgufDeleter {
  void operator()(gguf_context* context) const { gguf_free(context); }
};
using Gguf = std::unique_ptr<gguf_context, GgufDeleter>;

/// Fills `values` with rows [first, first + values.size() / columns) of a tensor.
using FillRows =
    std::function<void(const TensorPlan& tensor, std::int64_t first, std::span<float> values)>;

/// Writes a GGUF file with the keys of `gguf`, which gets the tensors' descriptions, and these
/// tensors. It appears under its name only when it is complete, and never more than a part of one
/// tensor is held in memory. `progress` may be empty; it is called a few times a second at most
/// with bytes written and in all. An error says what went wrong with which path.
std::expected<void, std::string>
write_gguf(gguf_context& gguf, const std::vector<TensorPlan>& tensors, const FillRows& fill,
           const std::filesystem::path& out,
           const std::function<void(std::uint64_t done, std::uint64_t total)>& progress);

} // namespace anyclaude::demo
