"""LM Studio's server.

Sources:
- https://lmstudio.ai/docs/app/api/endpoints/openai (parameters; tools)
- https://lmstudio.ai/docs/app/api/endpoints/rest (/api/v0/models: state, loaded_context_length, type)
- https://lmstudio.ai/docs/app/api/tools (calls; tool_choice as text only)
- usage without cached tokens; a prompt over the loaded context is refused in the words below
"""

from contract_server import BYTES_PER_TOKEN, ContractServer, Refusal, render


class LmStudioServer(ContractServer):
    model = "qwen3-coder-30b"
    reports_cached = False

    def __init__(self, context=32768):
        self.context = context
        super().__init__()

    def get(self, path):
        if path == "/v1/models":  # everything that is on the disk
            return {"object": "list", "data": [
                {"id": "text-embedding-nomic-embed-text-v1.5", "object": "model"},
                {"id": "gemma-3-4b", "object": "model"}, {"id": self.model, "object": "model"}]}
        if path == "/api/v0/models":
            return {"object": "list", "data": [
                {"id": "text-embedding-nomic-embed-text-v1.5", "type": "embeddings", "state": "loaded"},
                {"id": "gemma-3-4b", "type": "vlm", "state": "not-loaded", "max_context_length": 131072},
                {"id": self.model, "type": "llm", "state": "loaded", "max_context_length": 262144,
                 "loaded_context_length": self.context}]}
        return None

    def check(self, body):
        if not isinstance(body.get("tool_choice", "auto"), str):
            raise Refusal(400, {"error": "Invalid tool_choice type: 'object'. Supported string values: "
                                         "none, auto, required"})
        prompt = len(render(body)) // BYTES_PER_TOKEN
        if prompt > self.context:
            raise Refusal(400, {"error": f"Trying to keep the first {prompt} tokens when context the "
                                         "overflows. However, the model is loaded with context length "
                                         f"of only {self.context} tokens, which is not enough."})
