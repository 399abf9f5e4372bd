#pragma once

#include <cstdint>
#include <expected>
#include <filesystem>
#include <string>
#include <vector>

namespace anyclaude::engine {

/// What a projector's file ("mmproj") says of itself.
struct ProjectorInfo {
  std::string name;
  std::string type; // "qwen3vl_merger", "gemma3", …
  std::uint64_t file_bytes = 0;
};

/// Reads the keys of such a file, and looks for those that libmtmd aborts without. The error names
/// the file. Thread-safe.
std::expected<ProjectorInfo, std::string> read_projector_info(const std::filesystem::path& path);

/// The files beside a model that may be its projector: mmproj*.gguf, those first whose names are
/// most like the model's. Whether one fits is seen when it is loaded. Thread-safe.
std::vector<std::filesystem::path> projectors_beside(const std::filesystem::path& model);

} // namespace anyclaude::engine
