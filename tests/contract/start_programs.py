"""The programs that start other people's servers, as those document them: they take the real ones' options,
refuse others, write down how they were called (a line of JSON in $START_RECORD), and serve the contract
server of their kind until a signal ends them.

Sources of the options and variables:
- vllm serve: https://docs.vllm.ai/en/latest/cli/serve.html; that --enable-auto-tool-choice and
  --tool-call-parser go together: vllm/entrypoints/openai/cli_args.py
- trtllm-serve: https://nvidia.github.io/TensorRT-LLM/commands/trtllm-serve/trtllm-serve.html
- sglang.launch_server: https://docs.sglang.ai/advanced_features/server_arguments.html
- lms: https://lmstudio.ai/docs/cli/serve/server-start, https://lmstudio.ai/docs/cli/local-models/load
- ollama serve: https://docs.ollama.com/faq (it has no options, only variables)
- mlx_lm.server: mlx_lm/server.py of https://github.com/ml-explore/mlx-lm
- mlx-omni-server: https://github.com/madroidmaq/mlx-omni-server
"""

import argparse
import json
import os
import pathlib
import signal
import subprocess
import sys

from lmstudio_server import LmStudioServer
from mlx_servers import MlxLmServer, MlxOmniServer
from ollama_server import OllamaServer
from sglang_server import SglangServer
from tensorrt_llm_server import TensorRtLlmServer
from vllm_server import VllmServer

VARIABLES = ("HF_HUB_OFFLINE", "OLLAMA_HOST", "OLLAMA_KEEP_ALIVE", "OLLAMA_CONTEXT_LENGTH")
LMS_SERVER = pathlib.Path(os.environ["START_RECORD"]).with_name("lms-server.pid")


def serve(kind, port, model, **more):
    """Until a signal comes."""
    type(kind.__name__, (kind,), {"port": int(port), "model": model})(**more)
    signal.pause()


def options(program):
    return argparse.ArgumentParser(prog=program, allow_abbrev=False)


def vllm(arguments):
    parser = options("vllm")
    parser.add_argument("command", choices=["serve"])
    parser.add_argument("model")
    parser.add_argument("--served-model-name", nargs="+")
    parser.add_argument("--host")
    parser.add_argument("--port", type=int, default=8000)
    parser.add_argument("--max-model-len", type=int, default=40960)
    parser.add_argument("--enable-prompt-tokens-details", action="store_true")
    parser.add_argument("--enable-auto-tool-choice", action="store_true")
    parser.add_argument("--tool-call-parser",
                        choices=["hermes", "llama3_json", "mistral", "qwen3_coder", "deepseek_v3"])
    parser.add_argument("--reasoning-parser", choices=["qwen3", "deepseek_r1"])
    given = parser.parse_args(arguments)
    if given.enable_auto_tool_choice and not given.tool_call_parser:
        parser.error("--enable-auto-tool-choice requires --tool-call-parser")
    serve(VllmServer, given.port, (given.served_model_name or [given.model])[0],
          max_model_len=given.max_model_len, tool_parser=given.enable_auto_tool_choice,
          prompt_tokens_details=given.enable_prompt_tokens_details)


def trtllm_serve(arguments):
    parser = options("trtllm-serve")
    parser.add_argument("model")
    parser.add_argument("--host", default="localhost")
    parser.add_argument("--port", type=int, default=8000)
    parser.add_argument("--max_seq_len", type=int)
    parser.add_argument("--config", "--extra_llm_api_options", type=argparse.FileType())
    parser.add_argument("--tool_parser", choices=["qwen3", "qwen3_coder"])
    parser.add_argument("--reasoning_parser", choices=["qwen3", "deepseek-r1"])
    given = parser.parse_args(arguments)
    if "enable_block_reuse: true" not in given.config.read():
        parser.error("nothing would be reused")
    serve(TensorRtLlmServer, given.port, pathlib.Path(given.model).name)


def sglang(arguments):
    parser = options("sglang.launch_server")
    parser.add_argument("--model-path", "--model", required=True)
    parser.add_argument("--served-model-name")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=30000)
    parser.add_argument("--context-length", type=int, default=32768)
    parser.add_argument("--enable-cache-report", action="store_true")
    parser.add_argument("--tool-call-parser", choices=["qwen", "qwen25", "qwen3_coder", "llama3"])
    parser.add_argument("--reasoning-parser", choices=["qwen3", "deepseek-r1"])
    given = parser.parse_args(arguments)
    serve(SglangServer, given.port, given.served_model_name or given.model_path,
          context=given.context_length, cache_report=given.enable_cache_report)


def lms(arguments):
    """The server is the application's: `server start` returns, and only `server stop` ends it."""
    parser = options("lms")
    commands = parser.add_subparsers(dest="command", required=True)
    server = commands.add_parser("server", allow_abbrev=False).add_subparsers(dest="what", required=True)
    server.add_parser("start", allow_abbrev=False).add_argument("--port", "-p", type=int, default=1234)
    server.add_parser("stop", allow_abbrev=False)
    load = commands.add_parser("load", allow_abbrev=False)
    load.add_argument("path")
    load.add_argument("--yes", "-y", action="store_true")
    load.add_argument("--context-length", "-c", type=int)
    given = parser.parse_args(arguments)
    if given.command == "load":
        if not given.yes:
            parser.error("it would ask, and nobody is there to answer")
        if given.path != LmStudioServer.model:
            parser.error(f"no model {given.path}")
    elif given.what == "start":
        running = subprocess.Popen([sys.executable, __file__, str(given.port)], start_new_session=True,
                                   stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                                   stderr=subprocess.DEVNULL)
        LMS_SERVER.write_text(str(running.pid))
    else:
        os.kill(int(LMS_SERVER.read_text()), signal.SIGTERM)


def ollama(arguments):
    if arguments != ["serve"]:
        sys.exit(f"ollama has no {arguments}")
    host, port = os.environ.get("OLLAMA_HOST", "127.0.0.1:11434").rsplit(":", 1)
    assert host == "127.0.0.1"
    serve(OllamaServer, port, OllamaServer.model, context=int(os.environ["OLLAMA_CONTEXT_LENGTH"]))


def mlx_lm(arguments):
    parser = options("mlx_lm.server")
    parser.add_argument("--model")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=8080)
    given = parser.parse_args(arguments)
    serve(MlxLmServer, given.port, given.model)


class PathTakingOmniServer(MlxOmniServer):
    """Of a version that takes paths as well."""

    def check(self, body):
        pass


def mlx_omni(arguments):
    parser = options("mlx-omni-server")
    parser.add_argument("--host", default="0.0.0.0")
    parser.add_argument("--port", type=int, default=10240)
    given = parser.parse_args(arguments)
    serve(PathTakingOmniServer, given.port, MlxOmniServer.model)


PROGRAMS = {"vllm": vllm, "trtllm-serve": trtllm_serve, "sglang": sglang, "lms": lms, "ollama": ollama,
            "mlx_lm.server": mlx_lm, "mlx-omni-server": mlx_omni}


def main(program, arguments):
    with open(os.environ["START_RECORD"], "a", encoding="utf-8") as record:
        record.write(json.dumps({
            "program": program, "arguments": arguments, "process": os.getpid(),
            "variables": {name: os.environ[name] for name in VARIABLES if name in os.environ}}) + "\n")
    PROGRAMS[program](arguments)


if __name__ == "__main__":  # LM Studio's application
    serve(LmStudioServer, sys.argv[1], LmStudioServer.model)
