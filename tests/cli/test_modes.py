"""Modes without a server of their own to try: what is said when something is in the way, and who stays."""

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from person import PROGRAM, run


def anyclaude(person, *arguments, **environment):
    return run([PROGRAM, *arguments], env=person.environment | environment, cwd=person.project)


def test_an_unknown_mode_is_named_with_those_that_there_are(person):
    done = anyclaude(person, "-p", "x", ANYCLAUDE_MODE="mlxlm")
    assert done.returncode == 2
    assert 'no mode "mlxlm"; there are local, mlx-lm, lmstudio, vllm, llama-cpp' in done.stderr


def test_a_server_that_is_not_installed_says_how_to_get_it(person, tmp_path):
    (tmp_path / "config.json").write_text('{"model_type": "qwen3"}')
    done = anyclaude(person, "--claude", "/bin/true", "--model", tmp_path, "-p", "x",
                     ANYCLAUDE_MODE="vllm", PATH="/usr/bin:/bin")
    assert done.returncode == 1
    assert "pip install vllm" in done.stderr, done.stderr


def test_a_model_that_is_none_says_what_is_wanted(person):
    done = anyclaude(person, "--mode", "mlx-lm", "--model", person.model, "-p", "x")
    assert done.returncode == 2
    assert "serves folders. For a GGUF file: --mode local" in done.stderr, done.stderr


def test_another_mode_than_the_daemons_is_named(same_person):
    done = anyclaude(same_person, "--claude", "/bin/true", "--mode", "claude", "-p", "x")
    assert done.returncode == 1
    assert "is in mode local, not claude. Stop it with `anyclaude stop`" in done.stderr, done.stderr


class Trap(BaseHTTPRequestHandler):
    """A vLLM with every trap: a small context, no parser for tools, nothing reused."""

    protocol_version = "HTTP/1.1"
    refuses_tools = False

    def log_message(self, *_):
        pass

    def reply(self, status, body, kind="application/json"):
        data = body.encode()
        self.send_response(status)
        self.send_header("content-type", kind)
        self.send_header("content-length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def do_GET(self):
        if self.path == "/v1/models":
            self.reply(200, json.dumps({"object": "list", "data": [
                {"id": "qwen3", "owned_by": "vllm", "root": "/m/qwen3", "max_model_len": 8192}]}))
        elif self.path == "/version":
            self.reply(200, '{"version": "0.11.0"}')
        else:
            self.reply(404, "{}")

    def do_POST(self):
        self.rfile.read(int(self.headers["content-length"]))
        if type(self).refuses_tools:
            self.reply(400, json.dumps({"error": {"message": '"auto" tool choice requires '
                       "--enable-auto-tool-choice and --tool-call-parser to be set"}}))
            return
        chunks = [{"choices": [{"index": 0, "delta": {"content": "Yes."}}]},
                  {"choices": [], "usage": {"prompt_tokens": 2000, "completion_tokens": 1,
                                            "prompt_tokens_details": {"cached_tokens": 0}}}]
        self.reply(200, "".join(f"data: {json.dumps(chunk)}\n\n" for chunk in chunks)
                   + "data: [DONE]\n\n", "text/event-stream")


@pytest.fixture(params=[False, True])
def trap(request):
    kind = type("ThisTrap", (Trap,), {"refuses_tools": request.param})
    server = ThreadingHTTPServer(("127.0.0.1", 0), kind)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server.server_address[1], request.param
    server.shutdown()


def test_the_doctor_names_traps_and_their_fixes(person, trap):
    port, refuses_tools = trap
    done = anyclaude(person, "doctor", "--url", f"http://127.0.0.1:{port}", "--tokens", "200")
    assert done.returncode == 1
    assert f"vLLM at http://127.0.0.1:{port}, 0.11.0" in done.stdout
    assert "WRONG a context of 8192 tokens is too small" in done.stdout
    assert "--max-model-len 65536" in done.stdout
    if refuses_tools:
        assert "WRONG it refuses tools: start it with --enable-auto-tool-choice" in done.stdout
    else:
        assert "WRONG it computes everything again" in done.stdout


def test_the_doctor_asks_no_other_machine(person):
    (person.files / "config.toml").write_text('[backends.vllm]\nurl = "http://192.0.2.1:8000"\n')
    done = anyclaude(person, "doctor", "--no-measure")
    assert "http://192.0.2.1:8000 is not on this machine: not asked" in done.stdout


def test_config_is_checked_and_shown_without_secrets(person):
    config = person.files / "config.toml"
    config.write_text('token = "hush"\n[backends.vllm]\nurl = "http://127.0.0.1:1"\n'
                      'api_key_env = "NO_SUCH_KEY"\n[[routes]]\nto = "vllm"\nbackground = true\n')
    shown = anyclaude(person, "config", "show")
    assert shown.returncode == 0 and "hush" not in shown.stdout
    assert '[backends.vllm]\nkind = "vllm"\nurl = "http://127.0.0.1:1"' in shown.stdout
    checked = anyclaude(person, "config", "check")
    assert checked.returncode == 1 and "NO_SUCH_KEY is not set" in checked.stderr
    assert anyclaude(person, "config", "check", NO_SUCH_KEY="x").returncode == 0
    config.write_text("menu = 1\n")
    wrong = anyclaude(person, "config", "check")
    assert wrong.returncode == 1 and 'config.toml:1: "menu" must be true or false' in wrong.stderr


@pytest.mark.parametrize("mode, why", [("llama-cpp", "the server has settings of its own"),
                                       ("claude", "the real Claude answers")])
@pytest.mark.parametrize("options, named", [
    (("--mmproj", "none"), "--mmproj is only for mode local"), (("--threads", 2), "--threads is only for"),
    (("--parallel", 2), "--parallel is only for"), (("--kv-type", "q8_0"), "--kv-type is only for"),
    (("--cache-size", "1GiB", "--batch", 64), "--batch, --cache-size are only for mode local")])
def test_what_only_our_engine_knows_is_refused_elsewhere(person, mode, why, options, named):
    for command in ((), ("serve",)):
        done = anyclaude(person, *command, "--mode", mode, *options)
        assert done.returncode == 2
        assert named in done.stderr and why in done.stderr, done.stderr


def test_options_that_a_running_daemon_does_not_take_are_named(same_person):
    done = anyclaude(same_person, "--claude", "/bin/true", "--threads", "1", "-p", "x")
    assert done.returncode == 0
    assert "the running daemon goes on as it was started; --threads counts for the next" in done.stderr
