"""Servers that cannot run here: each is started as its documentation says, by programs that take nothing else
(tests/contract/start_programs.py names the sources), answers through anyclaude, and is ended."""

import json
import os
import pathlib
import re
import sys

import pytest

from daemon import wait_for
from person import PROGRAM, run

CONTRACT = pathlib.Path(__file__).resolve().parent.parent / "contract"
RUN = f"import sys; sys.path.insert(0, {str(CONTRACT)!r}); from start_programs import main; "

# Instead of Claude Code: one question to where the settings say.
STAND_IN = f"""#!{sys.executable}
import json, os, sys, urllib.request
os.environ.update(json.load(open(sys.argv[sys.argv.index("--settings") + 1]))["env"])
request = urllib.request.Request(
    os.environ["ANTHROPIC_BASE_URL"] + "/v1/messages",
    json.dumps({{"model": "m", "max_tokens": 50, "messages": [{{"role": "user", "content": "Hello?"}}]}}).encode(),
    {{"authorization": "Bearer " + os.environ["ANTHROPIC_AUTH_TOKEN"], "content-type": "application/json"}})
print(json.load(urllib.request.urlopen(request))["content"][0]["text"])
"""

OFFLINE = {"HF_HUB_OFFLINE": "1"}
FOLDER = "qwen3-tiny"

# Mode: the model, then each call in its order, as MODEL, PORT and FILE have it, and its variables.
EXPECTED = {
    "vllm": (FOLDER, [(
        "vllm", "serve MODEL --served-model-name qwen3-tiny --host 127.0.0.1 --port PORT "
        "--enable-prompt-tokens-details --enable-auto-tool-choice --tool-call-parser hermes "
        "--reasoning-parser qwen3 --max-model-len 32768", OFFLINE)]),
    "tensorrt-llm": (FOLDER, [(
        "trtllm-serve", "MODEL --host 127.0.0.1 --port PORT --extra_llm_api_options FILE "
        "--tool_parser qwen3 --reasoning_parser qwen3 --max_seq_len 32768", OFFLINE)]),
    "sglang": (FOLDER, [(
        "sglang", "--model-path MODEL --served-model-name qwen3-tiny --host 127.0.0.1 --port PORT "
        "--enable-cache-report --tool-call-parser qwen25 --reasoning-parser qwen3 --context-length 32768",
        OFFLINE)]),
    "lmstudio": ("qwen3-coder-30b", [
        ("lms", "server start --port PORT", {}),
        ("lms", "load MODEL --yes --context-length 32768", {}),
        ("lms", "server stop", {})]),
    "ollama": ("qwen3:4b", [(
        "ollama", "serve", {"OLLAMA_HOST": "127.0.0.1:PORT", "OLLAMA_KEEP_ALIVE": "-1",
                            "OLLAMA_CONTEXT_LENGTH": "32768"})]),
}


def executable(path, text):
    path.write_text(text)
    path.chmod(0o755)
    return path


@pytest.fixture
def programs(tmp_path):
    """A folder for PATH, and one for PYTHONPATH."""
    folder = tmp_path / "programs"
    folder.mkdir()
    for name in ("vllm", "trtllm-serve", "lms", "ollama"):
        executable(folder / name, f"#!{sys.executable}\n{RUN}main({name!r}, sys.argv[1:])\n")
    package = tmp_path / "python/sglang"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text("")
    (package / "launch_server.py").write_text(f"{RUN}main('sglang', sys.argv[1:])\n")
    return {"PATH": f"{folder}:{os.environ['PATH']}", "PYTHONPATH": str(package.parent)}


def is_alive(process):
    try:
        os.kill(process, 0)
        return "State:\tZ" not in pathlib.Path(f"/proc/{process}/status").read_text()
    except (ProcessLookupError, FileNotFoundError):
        return False


@pytest.mark.parametrize("mode", EXPECTED)
def test_it_is_started_as_documented_answers_and_is_ended(person, programs, tmp_path, mode):
    model, calls = EXPECTED[mode]
    if model == FOLDER:
        model = tmp_path / FOLDER
        model.mkdir()
        (model / "config.json").write_text('{"model_type": "qwen3"}')
    record = tmp_path / "record.jsonl"
    done = run([PROGRAM, "--claude", executable(tmp_path / "claude", STAND_IN), "--mode", mode, "--model",
                model, "--ctx", 32768, "-p", "Hello?"], cwd=person.project,
               env=person.environment | programs | {"START_RECORD": str(record)})
    assert done.returncode == 0, done.stderr + person.log()
    assert done.stdout == "Hello from the model.\n"

    wait_for(lambda: len(record.read_text().splitlines()) == len(calls), "all calls were made")
    made = [json.loads(line) for line in record.read_text().splitlines()]
    (url,) = set(re.findall(r"\(process \d+\) at (http://127\.0\.0\.1:\d+)", person.log()))
    names = {"MODEL": str(model), "PORT": url.rsplit(":", 1)[1],
             "FILE": str(person.files / "state/tensorrt-llm.yml")}

    def filled(text):
        return re.sub("MODEL|PORT|FILE", lambda name: names[name.group()], text)

    for call, (program, arguments, variables) in zip(made, calls):
        assert call["program"] == program
        assert call["arguments"] == filled(arguments).split()
        assert call["variables"] == {name: filled(value) for name, value in variables.items()}
    server = int((tmp_path / "lms-server.pid").read_text()) if mode == "lmstudio" else made[0]["process"]
    wait_for(lambda: not is_alive(server), "it has ended with the last launcher")
