#include "backend/openai_dialect.h"

#include <algorithm>

namespace anyclaude::backend {

const std::vector<OpenAiDialect>& all_openai_dialects() {
  using D = OpenAiDialect;
  static const std::vector<OpenAiDialect> kDialects{
      {.name = "llama-cpp",
       .title = "llama.cpp's server",
       .start = "start it with: llama-server -m MODEL.gguf -c 65536 -np 1 --jinja",
       .thinking_field = "reasoning_content",
       .thinking_switch = true,
       .parallel_tool_calls = true,
       .images = true,
       .more_sampling = true,
       .reports_cached = true,
       .early_usage = D::EarlyUsage::llama_progress,
       .context = D::Context::llama_props,
       .tokenizer = D::Tokenizer::llama},
      {.name = "mlx-lm",
       .title = "mlx_lm.server",
       .start = "start it with: mlx_lm.server --model /path/to/model --port 8080",
       .model = "default_model",
       .thinking_field = "reasoning",
       .thinking_switch = true,
       .tool_choice = false,
       .json_schema = false,
       .more_sampling = true,
       .reports_cached = true},
      {.name = "vllm",
       .title = "vLLM",
       .start =
           "start it with: vllm serve MODEL --served-model-name NAME --enable-auto-tool-choice "
           "--tool-call-parser PARSER --enable-prompt-tokens-details",
       .thinking_field = "reasoning",
       .thinking_switch = true,
       .reasoning_effort = true,
       .named_tool_choice = true,
       .parallel_tool_calls = true,
       .images = true,
       .more_sampling = true,
       .reports_cached = true,
       .prefill = D::Prefill::continue_final_message,
       .early_usage = D::EarlyUsage::in_every_chunk,
       .context = D::Context::model_list,
       .tokenizer = D::Tokenizer::vllm},
      {.name = "tensorrt-llm",
       .title = "TensorRT-LLM",
       .start = "start it with: trtllm-serve MODEL --tool_parser PARSER --reasoning_parser PARSER",
       .strict = true,
       .named_tool_choice = true,
       .reports_cached = true,
       .context = D::Context::model_list},
      {.name = "lmstudio",
       .title = "LM Studio",
       .start = "start it with: lms server start --port 1234",
       .tool_choice = true,
       .images = true,
       .context = D::Context::lmstudio_models},
      {.name = "mlx-omni",
       .title = "MLX-Omni-Server",
       .start = "start it with: mlx-omni-server --host 127.0.0.1 --port 10240",
       .tool_choice = false,
       .json_schema = false,
       .reports_cached = true},
      {.name = "ollama",
       .title = "Ollama",
       .start = "start it with: OLLAMA_CONTEXT_LENGTH=64000 OLLAMA_KEEP_ALIVE=-1 ollama serve",
       .thinking_field = "reasoning",
       .tool_choice = false,
       .images = true,
       .context = D::Context::ollama_processes,
       .default_context = 4096,
       .cuts_prompts = true},
      {.name = "sglang",
       .title = "SGLang",
       .start =
           "start it with: python -m sglang.launch_server --model-path MODEL --enable-cache-report "
           "--tool-call-parser PARSER --reasoning-parser PARSER",
       .thinking_field = "reasoning_content",
       .thinking_switch = true,
       .reasoning_effort = true,
       .named_tool_choice = true,
       .parallel_tool_calls = true,
       .images = true,
       .more_sampling = true,
       .reports_cached = true,
       .prefill = D::Prefill::continue_final_message,
       .context = D::Context::model_list},
      {.name = "openai",
       .title = "the OpenAI-compatible server",
       .start = "start it, or correct its address",
       .strict = true,
       .named_tool_choice = true,
       .parallel_tool_calls = true,
       .images = true,
       .reports_cached = true,
       .context = D::Context::model_list}};
  return kDialects;
}

const OpenAiDialect* find_openai_dialect(std::string_view name) {
  const auto& all = all_openai_dialects();
  const auto found = std::ranges::find(all, name, &OpenAiDialect::name);
  return found == all.end() ? nullptr : &*found;
}

} // namespace anyclaude::backend
