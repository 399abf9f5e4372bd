"""vLLM's OpenAI server.

Sources (vLLM documentation and source, 0.9 to 0.11):
- https://docs.vllm.ai/en/latest/serving/openai_compatible_server.html (extra parameters; chat_template_kwargs;
  stream_options.continuous_usage_stats; /tokenize)
- https://docs.vllm.ai/en/latest/features/tool_calling.html (--enable-auto-tool-choice, named and required
  choices)
- https://docs.vllm.ai/en/latest/features/reasoning_outputs.html (delta.reasoning)
- vllm/entrypoints/openai/serving_engine.py: prompt and max_tokens together must fit max_model_len
- --enable-prompt-tokens-details: without it prompt_tokens_details is absent
"""

from contract_server import BYTES_PER_TOKEN, ContractServer, Refusal, Turn, render, script


class VllmServer(ContractServer):
    model = "qwen3"
    reasoning_field = "reasoning"
    adapters = ()  # names that --lora-modules gave

    def __init__(self, max_model_len=40960, tool_parser=True, prompt_tokens_details=True):
        self.max_model_len = max_model_len
        self.tool_parser = tool_parser
        self.reports_cached = prompt_tokens_details
        super().__init__()

    def get(self, path):
        if path == "/v1/models":
            return {"object": "list", "data": [{"id": self.model, "object": "model", "created": 1,
                                                "owned_by": "vllm",
                                                "max_model_len": self.max_model_len}]}
        return None

    def post(self, path, body):
        if path == "/tokenize":
            count = len(render(body)) // BYTES_PER_TOKEN
            return {"count": count, "max_model_len": self.max_model_len, "tokens": [0] * count}
        return None

    def script(self, body):
        turn = script(body)
        if not self.tool_parser and turn.calls:  # the model's own words, as they are
            calls = "".join('\n<tool_call>\n{"name": "%s", "arguments": {"city": "Zürich", "days": 2}}\n'
                            "</tool_call>" % name for name, _ in turn.calls)
            return Turn(text=turn.text + calls)
        return turn

    def error_body(self, status, message):
        return {"error": {"message": message, "type": "BadRequestError", "param": None,
                          "code": status}}

    def check(self, body):
        if body["model"] not in (self.model, *self.adapters):
            raise Refusal(404, self.error_body(404, f"The model `{body['model']}` does not exist."))
        if body.get("tools") and body.get("tool_choice", "auto") == "auto" and not self.tool_parser:
            raise Refusal(400, self.error_body(
                400, '"auto" tool choice requires --enable-auto-tool-choice and --tool-call-parser '
                     "to be set"))
        prompt = len(render(body)) // BYTES_PER_TOKEN
        limit = self.max_model_len
        if prompt >= limit:
            raise Refusal(400, self.error_body(
                400, f"This model's maximum context length is {limit} tokens. However, your request "
                     f"has {prompt} input tokens. Please reduce the length of the input messages."))
        if prompt + body["max_tokens"] > limit:
            raise Refusal(400, self.error_body(
                400, f"'max_tokens' or 'max_completion_tokens' is too large: {body['max_tokens']}. This "
                     f"model's maximum context length is {limit} tokens and your request has {prompt} "
                     f"input tokens ({body['max_tokens']} > {limit} - {prompt})."))
