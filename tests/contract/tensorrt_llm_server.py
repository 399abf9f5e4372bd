"""TensorRT-LLM's trtllm-serve.

Sources (TensorRT-LLM 1.0 to 1.2):
- https://nvidia.github.io/TensorRT-LLM/commands/trtllm-serve/trtllm-serve.html
- tensorrt_llm/serve/openai_protocol.py: OpenAIBaseModel has model_config extra="forbid", so a field outside
  the schema is a 400; ChatCompletionRequest's fields are those below; cached tokens in
  usage.prompt_tokens_details
- reasoning in delta.reasoning_content with --reasoning_parser; calls with --tool_parser
"""

from contract_server import ContractServer, Refusal

FIELDS = {
    "messages", "model", "prompt_token_ids", "frequency_penalty", "logit_bias", "logprobs",
    "top_logprobs", "max_completion_tokens", "max_tokens", "n", "presence_penalty", "response_format",
    "seed", "stop", "stream", "stream_options", "temperature", "top_p", "tools", "tool_choice", "user",
    "reasoning_effort", "best_of", "use_beam_search", "top_k", "top_p_min", "min_p",
    "repetition_penalty", "length_penalty", "early_stopping", "stop_token_ids",
    "include_stop_str_in_output", "ignore_eos", "min_tokens", "skip_special_tokens",
    "spaces_between_special_tokens", "truncate_prompt_tokens", "echo", "add_generation_prompt",
    "add_special_tokens", "documents", "chat_template", "chat_template_kwargs",
    "disaggregated_params", "cache_salt", "lora_request", "mm_processor_kwargs",
}
STREAM_FIELDS = {"include_usage", "continuous_usage_stats"}
MESSAGE_FIELDS = {  # the TypedDicts of OpenAI's own library, which pydantic checks by role
    "system": {"role", "content", "name"},
    "user": {"role", "content", "name"},
    "assistant": {"role", "content", "name", "refusal", "tool_calls", "audio", "function_call",
                  "reasoning_content"},
    "tool": {"role", "content", "tool_call_id"},
}


class TensorRtLlmServer(ContractServer):
    model = "Qwen3-30B-A3B"

    def error_body(self, status, message):
        return {"object": "error", "message": message, "type": "BadRequestError", "param": None,
                "code": status}

    def check(self, body):
        wrong = [f"body.{name}" for name in body if name not in FIELDS]
        wrong += [f"body.stream_options.{name}" for name in body.get("stream_options", {})
                  if name not in STREAM_FIELDS]
        for i, message in enumerate(body["messages"]):
            wrong += [f"body.messages.{i}.{name}" for name in message
                      if name not in MESSAGE_FIELDS[message["role"]]]
        for tool in body.get("tools", []):
            wrong += [f"body.tools.{name}" for name in tool if name not in {"type", "function"}]
            wrong += [f"body.tools.function.{name}" for name in tool["function"]
                      if name not in {"name", "description", "parameters", "strict"}]
        if wrong:
            raise Refusal(400, self.error_body(
                400, "; ".join(f"{place}: Extra inputs are not permitted" for place in wrong)))
