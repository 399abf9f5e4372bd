"""SGLang's OpenAI server.

Sources:
- https://docs.sglang.ai/basic_usage/openai_api_completions.html (chat_template_kwargs, separate_reasoning)
- https://docs.sglang.ai/advanced_features/tool_parser.html (tool_choice auto, none, required, named)
- --enable-cache-report: usage.prompt_tokens_details.cached_tokens; null without it
- managers/tokenizer_manager.py: the words of a refusal for length
"""

from contract_server import BYTES_PER_TOKEN, ContractServer, Refusal, render


class SglangServer(ContractServer):
    model = "Qwen/Qwen3-8B"

    def __init__(self, context=32768, cache_report=True):
        self.context = context
        self.cache_report = cache_report
        super().__init__()

    def get(self, path):
        if path == "/v1/models":
            return {"object": "list", "data": [{"id": self.model, "object": "model", "created": 1,
                                                "owned_by": "sglang", "root": self.model,
                                                "max_model_len": self.context}]}
        return None

    def usage(self, prompt, reused, output):
        usage = super().usage(prompt, reused, output)
        if not self.cache_report:
            usage["prompt_tokens_details"] = None
        return usage

    def error_body(self, status, message):
        return {"object": "error", "message": message, "type": "BadRequestError", "param": None,
                "code": status}

    def check(self, body):
        prompt = len(render(body)) // BYTES_PER_TOKEN
        if prompt >= self.context:
            raise Refusal(400, self.error_body(
                400, f"The input ({prompt} tokens) is longer than the model's context length "
                     f"({self.context} tokens)."))
        total = prompt + body["max_tokens"]
        if total > self.context:
            raise Refusal(400, self.error_body(
                400, "Requested token count exceeds the model's maximum context length of "
                     f"{self.context} tokens. You requested a total of {total} tokens: {prompt} tokens "
                     f"from the input messages and {body['max_tokens']} tokens for the completion. "
                     "Please reduce the number of tokens in the input messages or the completion to "
                     "fit within the limit."))
