#include "launch/tool_parsers.h"

#include "anthropic/json.h"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <cctype>
#include <fstream>
#include <string>

namespace anyclaude::launch {

namespace {

struct Family {
  std::string_view type; // `model_type`, or the beginning of it
  bool coder;            // of a folder whose name says "coder"
  ParserNames vllm;
  ParserNames sglang;
  ParserNames tensorrt_llm;
};

// The first that fits counts.
constexpr Family kFamilies[] = {
    {"qwen3", true, {"qwen3_coder", ""}, {"qwen3_coder", ""}, {"qwen3_coder", ""}},
    {"qwen3_5",
     false,
     {"qwen3_coder", "qwen3"},
     {"qwen3_coder", "qwen3"},
     {"qwen3_coder", "qwen3"}},
    {"qwen3", false, {"hermes", "qwen3"}, {"qwen25", "qwen3"}, {"qwen3", "qwen3"}},
    {"qwen2", false, {"hermes", ""}, {"qwen25", ""}, {"", ""}},
    {"llama", false, {"llama3_json", ""}, {"llama3", ""}, {"", ""}},
    {"mistral", false, {"mistral", ""}, {"mistral", ""}, {"", ""}},
    {"gpt_oss", false, {"openai", "openai_gptoss"}, {"gpt-oss", "gpt-oss"}, {"", ""}},
    {"glm4_moe", false, {"glm45", "glm45"}, {"glm45", "glm45"}, {"", ""}},
    {"deepseek_v3", false, {"deepseek_v3", "deepseek_r1"}, {"deepseekv3", "deepseek-r1"}, {"", ""}},
    {"kimi_k2", false, {"kimi_k2", ""}, {"kimi_k2", ""}, {"", ""}},
    {"minimax_m2", false, {"minimax_m2", "minimax_m2"}, {"minimax-m2", "minimax"}, {"", ""}},
};

std::string model_type(const std::filesystem::path& folder) {
  std::ifstream file(folder / "config.json");
  const Json config = Json::parse(file, nullptr, false);
  if (!config.is_object() || !config.contains("model_type") || !config["model_type"].is_string())
    return {};
  return config["model_type"].get<std::string>();
}

bool is_coder(const std::filesystem::path& folder) {
  std::string path = folder.native(); // of a hub's cache, the name is further up
  std::ranges::transform(path, path.begin(), [](unsigned char letter) {
    return static_cast<char>(std::tolower(letter));
  });
  return path.contains("coder");
}

} // namespace

ParserNames parsers_for(ParserOwner owner, const std::filesystem::path& folder) {
  const std::string type = model_type(folder);
  const bool coder = is_coder(folder);
  for (const Family& family : kFamilies) {
    if (!type.starts_with(family.type) || (family.coder && !coder))
      continue;
    switch (owner) {
    case ParserOwner::vllm:
      return family.vllm;
    case ParserOwner::sglang:
      return family.sglang;
    case ParserOwner::tensorrt_llm:
      return family.tensorrt_llm;
    }
  }
  return {};
}

} // namespace anyclaude::launch
