#include "launch/model_places.h"

#include "anthropic/json.h"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <format>
#include <fstream>
#include <regex>
#include <set>
#include <tuple>

namespace anyclaude::launch {
namespace fs = std::filesystem;

namespace {

constexpr std::size_t kFiles = 20'000; // looked at in one folder, at most

fs::path home(const EnvironmentLookup& environment) {
  return environment("HOME").value_or("/");
}

fs::path either(const EnvironmentLookup& environment, const char* name, const fs::path& otherwise) {
  const auto value = environment(name);
  return value && !value->empty() ? fs::path(*value) : otherwise;
}

fs::path hub_folder(const EnvironmentLookup& environment) {
  const fs::path own = either(environment, "HF_HOME", home(environment) / ".cache/huggingface");
  return either(environment, "HF_HUB_CACHE", own / "hub");
}

/// Every regular file below `folder`, links followed to files only.
template <typename Function>
void for_each_file(const fs::path& folder, Function function) {
  std::error_code failed;
  std::size_t seen = 0;
  for (auto at = fs::recursive_directory_iterator(
           folder, fs::directory_options::skip_permission_denied, failed);
       !failed && at != fs::recursive_directory_iterator() && seen < kFiles;
       at.increment(failed), ++seen)
    if (std::error_code ignored; at->is_regular_file(ignored))
      function(at->path());
}

std::uintmax_t size_of(const fs::path& file) {
  std::error_code failed;
  const auto size = fs::file_size(file, failed);
  return failed ? 0 : size;
}

/// A later part of a model in several files, or an image projector: no model by itself.
bool is_part(const std::string& name) {
  static const std::regex later("-(?!00001)\\d{5}-of-\\d{5}\\.gguf$");
  return name.starts_with("mmproj") || std::regex_search(name, later);
}

/// MLX's converters write their tensors so; other folders of safetensors are for PyTorch servers.
bool is_mlx(const fs::path& folder) {
  std::ifstream file(folder / "config.json");
  const Json config = Json::parse(file, nullptr, false);
  if (config.is_object() && config.contains("quantization"))
    return true;
  std::string path = folder.native();
  return path.contains("mlx") || path.contains("MLX");
}

std::string shown_name(const fs::path& root, const fs::path& path) {
  fs::path relative = path.lexically_relative(root);
  return relative.extension() == ".gguf" ? relative.replace_extension().string()
                                         : relative.string();
}

/// GGUF files and model folders below `root`.
void add_from(const fs::path& root, std::string_view owner, std::vector<FoundModel>& models) {
  std::set<fs::path> folders;
  for_each_file(root, [&](const fs::path& file) {
    const std::string name = file.filename().string();
    if (file.extension() == ".gguf" && !is_part(name))
      models.push_back({shown_name(root, file), owner, ModelFormat::gguf, file, size_of(file)});
    else if (file.extension() == ".safetensors")
      folders.insert(file.parent_path());
  });
  for (const fs::path& folder : folders) {
    std::error_code failed;
    if (!fs::exists(folder / "config.json", failed))
      continue;
    FoundModel model{shown_name(root, folder), owner,
                     is_mlx(folder) ? ModelFormat::mlx : ModelFormat::safetensors, folder, 0};
    for (const auto& entry : fs::directory_iterator(folder, failed))
      if (entry.path().extension() == ".safetensors")
        model.bytes += size_of(entry.path());
    models.push_back(std::move(model));
  }
}

/// "models--org--name/snapshots/<hash>/…" as "org/name/…".
std::string hub_name(std::string name) {
  static const std::regex snapshot("^models--(.+?)/snapshots/[0-9a-f]+");
  std::smatch match;
  if (!std::regex_search(name, match, snapshot))
    return name;
  std::string repository = match[1];
  for (std::size_t at = repository.find("--"); at != std::string::npos;
       at = repository.find("--", at))
    repository.replace(at, 2, "/");
  return repository + match.suffix().str();
}

/// Ollama's manifests name the blob that is the GGUF file.
void add_ollama(const fs::path& root, std::vector<FoundModel>& models) {
  const fs::path manifests = root / "manifests/registry.ollama.ai";
  for_each_file(manifests, [&](const fs::path& file) {
    std::ifstream stream(file);
    const Json manifest = Json::parse(stream, nullptr, false);
    if (!manifest.is_object() || !manifest.contains("layers") || !manifest["layers"].is_array())
      return;
    for (const Json& layer : manifest["layers"]) {
      if (!layer.is_object() ||
          layer.value("mediaType", "") != "application/vnd.ollama.image.model")
        continue;
      std::string digest = layer.value("digest", "");
      std::ranges::replace(digest, ':', '-');
      const fs::path blob = root / "blobs" / digest;
      std::string name = file.parent_path().lexically_relative(manifests).string();
      if (name.starts_with("library/"))
        name.erase(0, 8);
      models.push_back({std::format("{}:{}", name, file.filename().string()), "Ollama",
                        ModelFormat::gguf, blob, size_of(blob)});
    }
  });
}

} // namespace

std::string_view name_of(ModelFormat format) {
  switch (format) {
  case ModelFormat::gguf:
    return "GGUF";
  case ModelFormat::mlx:
    return "MLX";
  case ModelFormat::safetensors:
    return "safetensors";
  }
  return "";
}

std::vector<FoundModel> find_models(const EnvironmentLookup& environment) {
  std::vector<FoundModel> models;
  const fs::path user = home(environment);
  add_from(either(environment, "LMSTUDIO_HOME", user / ".lmstudio") / "models", "LM Studio",
           models);
  add_from(user / ".cache/lm-studio/models", "LM Studio", models);
  const std::size_t before_hub = models.size();
  add_from(hub_folder(environment), "Hugging Face", models);
  for (std::size_t i = before_hub; i < models.size(); ++i)
    models[i].name = hub_name(models[i].name);
#ifdef __APPLE__
  const fs::path llama = user / "Library/Caches/llama.cpp";
#else
  const fs::path llama = user / ".cache/llama.cpp";
#endif
  add_from(either(environment, "LLAMA_CACHE", llama), "llama.cpp", models);
  add_ollama(either(environment, "OLLAMA_MODELS", user / ".ollama/models"), models);
  std::ranges::stable_sort(models, {}, [](const FoundModel& model) {
    return std::tuple(model.owner, std::string_view(model.name));
  });
  return models;
}

fs::path hugging_face_folder(std::string_view repository, const EnvironmentLookup& environment) {
  std::string name = "models--" + std::string(repository);
  for (std::size_t at = name.find('/'); at != std::string::npos; at = name.find('/', at))
    name.replace(at, 1, "--");
  fs::path newest;
  fs::file_time_type newest_time;
  std::error_code failed;
  for (const auto& entry :
       fs::directory_iterator(hub_folder(environment) / name / "snapshots", failed)) {
    std::error_code ignored;
    if (!fs::exists(entry.path() / "config.json", ignored))
      continue;
    const auto time = entry.last_write_time(ignored);
    if (newest.empty() || time > newest_time) {
      newest = entry.path();
      newest_time = time;
    }
  }
  return newest;
}

} // namespace anyclaude::launch
