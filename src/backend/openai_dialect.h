#pragma once

#include <string_view>
#include <vector>

namespace anyclaude::backend {

/// How one server differs from the others that speak OpenAI's chat completions API.
/// docs/backends.md says where each fact is from.
struct OpenAiDialect {
  std::string_view name;  // "llama-cpp"
  std::string_view title; // "llama.cpp's server"
  std::string_view start; // what to do when nothing answers

  /// Refuses a request with a field that it does not know.
  bool strict = false;
  /// Sent for the model where none is configured; empty: the first of the server's list.
  std::string_view model{};

  /// Where an assistant's thinking goes in its turn; empty: it is left out.
  std::string_view thinking_field{};
  bool thinking_switch = false;  // chat_template_kwargs.enable_thinking
  bool reasoning_effort = false; // "low", "medium", "high"

  /// Obeys tool_choice "required" and "none"; otherwise it is not sent.
  bool tool_choice = true;
  /// Obeys the choice of one tool by name. Otherwise that tool alone is offered.
  bool named_tool_choice = false;
  bool parallel_tool_calls = false; // can be told to make one call at most
  bool json_schema = true;          // response_format json_schema

  bool images = false;         // takes image_url parts, if the model does
  bool more_sampling = false;  // top_k and min_p
  bool reports_cached = false; // usage.prompt_tokens_details.cached_tokens

  /// What the last message of an assistant needs so that the answer goes on with it.
  enum class Prefill { none_needed, continue_final_message };
  Prefill prefill = Prefill::none_needed;

  /// How a server tells the prompt's size before the answer's end.
  enum class EarlyUsage { none, llama_progress, in_every_chunk };
  EarlyUsage early_usage = EarlyUsage::none;

  /// Where the context window is told.
  enum class Context { nowhere, llama_props, model_list, lmstudio_models, ollama_processes };
  Context context = Context::nowhere;
  int default_context = 0;   // tokens, where the server does not say; 0: not known
  bool cuts_prompts = false; // a prompt that is too long is cut without a word

  /// What counts the tokens of a prompt.
  enum class Tokenizer { none, llama, vllm };
  Tokenizer tokenizer = Tokenizer::none;
};

/// Null for a name that is none.
const OpenAiDialect* find_openai_dialect(std::string_view name);

const std::vector<OpenAiDialect>& all_openai_dialects();

} // namespace anyclaude::backend
