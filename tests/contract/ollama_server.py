"""Ollama's OpenAI-compatible API.

Sources:
- https://docs.ollama.com/api/openai-compatibility (supported fields; tool_choice is not among them)
- https://docs.ollama.com/context-length (4,096 tokens by default below 24 GiB of VRAM)
- https://docs.ollama.com/api/ps (context_length of what is loaded)
- openai/openai.go: delta.reasoning; calls whole, each with an index; finish_reason "tool_calls"
- a prompt over the context is cut without a word; usage has no cached tokens
"""

from contract_server import ContractServer


class OllamaServer(ContractServer):
    model = "qwen3:4b"
    reasoning_field = "reasoning"
    calls_come_whole = True
    reports_cached = False

    def __init__(self, context=4096):
        self.context = context
        super().__init__()

    def get(self, path):
        if path == "/api/version":
            return {"version": "0.12.6"}
        if path == "/api/ps":
            return {"models": [{"name": self.model, "model": self.model,
                                "context_length": self.context}]}
        return super().get(path)

    def usage(self, prompt, reused, output):
        prompt = min(prompt, self.context)
        return super().usage(prompt, reused, output)
