"""mlx_lm.server and MLX-Omni-Server where the real ones cannot run.

Sources:
- https://github.com/ml-explore/mlx-lm/blob/main/mlx_lm/SERVER.md, mlx_lm/server.py: delta.reasoning; calls
  whole; SSE comments "keepalive DONE/TOTAL" while a prompt is computed; usage only with include_usage;
  max_tokens is 512 by default; any model but "default_model" is loaded, or fetched from the hub
- https://github.com/madroidmaq/mlx-omni-server: reasoning is part of content; calls in one last chunk;
  cached_tokens left out when 0; versions that know hub names only answer a path in the words below
"""

from contract_server import ContractServer, Refusal, Turn, script


class MlxLmServer(ContractServer):
    model = "mlx-community/Qwen3-4B-4bit"
    reasoning_field = "reasoning"
    calls_come_whole = True

    def extra_first(self, body, prompt, reused):
        return f": keepalive {reused}/{prompt}\n\n: keepalive {prompt}/{prompt}\n\n"

    def check(self, body):
        if body["model"] != "default_model":
            raise Refusal(404, {"error": f"Failed to load {body['model']}"})


class MlxOmniServer(ContractServer):
    model = "mlx-community/Qwen3-4B-4bit"
    calls_come_whole = True

    def script(self, body):
        turn = script(body)
        if turn.reasoning:
            return Turn(text=f"<think>{turn.reasoning}</think>{turn.text}")
        return turn

    def usage(self, prompt, reused, output):
        usage = super().usage(prompt, reused, output)
        if reused == 0:
            del usage["prompt_tokens_details"]
        return usage

    def check(self, body):
        if body["model"].startswith("/"):
            raise Refusal(500, {"detail": "401 Client Error. (Request ID: Root=1-6)\n\nRepository Not "
                                          "Found for url: https://huggingface.co/api/models/"
                                          f"{body['model']}/revision/main.\nPlease make sure you "
                                          "specified the correct `repo_id` and `repo_type`."})
