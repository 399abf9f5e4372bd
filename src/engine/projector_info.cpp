#include "engine/projector_info.h"

#include <gguf.h>

#include <algorithm>
#include <cctype>
#include <format>
#include <fstream>
#include <memory>
#include <string_view>
#include <system_error>

namespace anyclaude::engine {
namespace fs = std::filesystem;

namespace {

struct Free {
  void operator()(gguf_context* context) const { gguf_free(context); }
};

std::string text(const gguf_context* gguf, const char* key) {
  const auto id = gguf_find_key(gguf, key);
  return id >= 0 && gguf_get_kv_type(gguf, id) == GGUF_TYPE_STRING ? gguf_get_val_str(gguf, id)
                                                                   : "";
}

bool is_set(const gguf_context* gguf, const char* key) {
  const auto id = gguf_find_key(gguf, key);
  return id >= 0 && gguf_get_kv_type(gguf, id) == GGUF_TYPE_BOOL && gguf_get_val_bool(gguf, id);
}

/// Three numbers, one for each colour.
bool has_colours(const gguf_context* gguf, const char* key) {
  const auto id = gguf_find_key(gguf, key);
  return id >= 0 && gguf_get_kv_type(gguf, id) == GGUF_TYPE_ARRAY &&
         gguf_get_arr_type(gguf, id) == GGUF_TYPE_FLOAT32 && gguf_get_arr_n(gguf, id) == 3;
}

std::string small_letters(std::string_view name) {
  std::string small;
  for (const char c : name)
    if (std::isalnum(static_cast<unsigned char>(c)))
      small += static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return small;
}

/// Letters that two names have in common, in the longest run.
std::size_t likeness(std::string_view a, std::string_view b) {
  std::size_t longest = 0;
  for (std::size_t i = 0; i < a.size(); ++i)
    for (std::size_t j = 0; j < b.size(); ++j) {
      const auto [end, ignored] = std::ranges::mismatch(a.substr(i), b.substr(j));
      longest = std::max(longest, static_cast<std::size_t>(end - a.begin()) - i);
    }
  return longest;
}

} // namespace

std::expected<ProjectorInfo, std::string> read_projector_info(const fs::path& path) {
  const auto fail = [&](std::string_view why) {
    return std::unexpected(std::format("{}: {}", path.native(), why));
  };
  std::error_code error;
  if (!fs::is_regular_file(path, error))
    return fail("there is no such file");
  std::string magic(4, '\0');
  if (!std::ifstream(path, std::ios::binary).read(magic.data(), 4) || magic != "GGUF")
    return fail("this is not a GGUF file");
  const std::unique_ptr<gguf_context, Free> gguf(
      gguf_init_from_file(path.c_str(), {.no_alloc = true, .ctx = nullptr}));
  if (!gguf)
    return fail("the file's header is damaged or cut short; download it again");
  if (text(gguf.get(), "general.architecture") != "clip")
    return fail("this is no projector (mmproj) but a model");
  if (!is_set(gguf.get(), "clip.has_vision_encoder"))
    return fail("it is not for images");
  ProjectorInfo info;
  info.name = text(gguf.get(), "general.name");
  info.type = text(gguf.get(), "clip.projector_type");
  if (info.type.empty())
    info.type = text(gguf.get(), "clip.vision.projector_type");
  if (info.type.empty() || !has_colours(gguf.get(), "clip.vision.image_mean") ||
      !has_colours(gguf.get(), "clip.vision.image_std"))
    return fail("it lacks keys that every projector for images has");
  info.file_bytes = fs::file_size(path, error);
  return info;
}

std::vector<fs::path> projectors_beside(const fs::path& model) {
  std::vector<std::pair<std::size_t, fs::path>> found;
  const std::string name = small_letters(model.stem().native());
  std::error_code error;
  for (fs::directory_iterator entry(model.parent_path(), error), end; !error && entry != end;
       entry.increment(error)) {
    const fs::path& path = entry->path();
    const std::string stem = small_letters(path.stem().native());
    constexpr std::string_view kPrefix = "mmproj";
    if (path.extension() == ".gguf" && stem.starts_with(kPrefix))
      found.emplace_back(likeness(stem.substr(kPrefix.size()), name), path);
  }
  std::ranges::sort(found, [](const auto& a, const auto& b) {
    return a.first != b.first ? a.first > b.first : a.second < b.second;
  });
  std::vector<fs::path> paths;
  for (auto& [ignored, path] : found)
    paths.push_back(std::move(path));
  return paths;
}

} // namespace anyclaude::engine
