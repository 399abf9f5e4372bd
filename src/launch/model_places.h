#pragma once

#include "launch/paths.h"

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

/// Where other programs keep models on this machine. Nothing is ever written there.
namespace anyclaude::launch {

enum class ModelFormat { gguf, mlx, safetensors };

struct FoundModel {
  std::string name;       // "unsloth/Qwen3-4B-GGUF/Qwen3-4B-Q4_K_M", "qwen3:8b"
  std::string_view owner; // "LM Studio", "Hugging Face", "llama.cpp", "Ollama"
  ModelFormat format = ModelFormat::gguf;
  std::filesystem::path path; // what --model takes: a GGUF file or a folder
  std::uintmax_t bytes = 0;
};

std::string_view name_of(ModelFormat format);

/// All models in the four programs' folders, by owner and name. Honours LMSTUDIO_HOME,
/// HF_HUB_CACHE, HF_HOME, LLAMA_CACHE and OLLAMA_MODELS. Of a model in several GGUF files the first
/// is named.
std::vector<FoundModel> find_models(const EnvironmentLookup& environment = process_environment);

/// The newest snapshot of `org/name` in Hugging Face's cache; empty when there is none that is
/// whole.
std::filesystem::path
hugging_face_folder(std::string_view repository,
                    const EnvironmentLookup& environment = process_environment);

} // namespace anyclaude::launch
