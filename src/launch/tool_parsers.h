#pragma once

#include <filesystem>
#include <string_view>

namespace anyclaude::launch {

/// The names that a server has for the reader of a model family's tool calls and thinking. Empty:
/// none is known for the family.
struct ParserNames {
  std::string_view tools;
  std::string_view reasoning;
};

enum class ParserOwner { vllm, sglang, tensorrt_llm };

/// By `model_type` in the folder's config.json, and by the folder's name where families share a
/// type (Qwen3-Coder). Without their flags these servers hand calls on as text, or refuse tools.
/// Sources: docs.vllm.ai (Tool Calling, Reasoning Outputs), docs.sglang.ai (Tool Parser), and
/// `trtllm-serve --help`.
ParserNames parsers_for(ParserOwner owner, const std::filesystem::path& model_folder);

} // namespace anyclaude::launch
