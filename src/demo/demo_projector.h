#pragma once

#include "demo/demo_model.h"

#include <cstdint>
#include <expected>
#include <filesystem>
#include <string>
#include <string_view>

namespace anyclaude::demo {

struct ProjectorOptions {
  Size size = Size::tiny; ///< Of the model that it goes with.
  /// Of that model. gemma3's projector makes 16 tokens of every image, and they see each other;
  /// that of the others is Qwen2-VL's, which makes one of each 28 x 28 pixels.
  Architecture architecture = Architecture::qwen3;
  std::uint64_t seed = 1;
};

/// Writes the file that lets a demo model see images (an "mmproj"): a small vision transformer of
/// random weights, in the form that libmtmd reads. What it makes of an image depends on every pixel
/// and means nothing. Otherwise as write_demo_model().
std::expected<void, std::string> write_demo_projector(const ProjectorOptions& options,
                                                      const std::filesystem::path& out);

} // namespace anyclaude::demo
