"""Memory: without a model next to none, and with one as much as llama-server takes."""

import json
import shutil
import socket
import subprocess
import urllib.error
import urllib.request

import pytest

from daemon import process_memory_kib, wait_for

BATCH = 512


def test_without_a_model_it_is_small(start_daemon):
    daemon = start_daemon()
    question = {"model": "m", "max_tokens": 9, "messages": [{"role": "user", "content": "x" * 10_000}]}
    for _ in range(20):
        assert daemon.ask(question).status == 529
        assert daemon.request("GET", "/health").status == 503
    assert daemon.memory_kib("VmHWM") * 1024 < 60_000_000


class LlamaServer:
    """The llama-server of the llama.cpp that we are linked with."""

    def __init__(self, model, context, log):
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        self._address = f"http://127.0.0.1:{port}"
        self._process = subprocess.Popen(
            ["llama-server", "-m", model, "-c", str(context), "-np", "1", "-b", str(BATCH),
             "-ub", str(BATCH), "-t", "1", "-tb", "1", "--no-webui", "--port", str(port)],
            stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT)
        self.pid = self._process.pid

    def __enter__(self):
        wait_for(self._ready, "llama-server is ready", 90)
        return self

    def __exit__(self, *_):
        self._process.terminate()
        self._process.wait(timeout=20)

    def ask(self, body):
        request = urllib.request.Request(self._address + "/v1/messages", json.dumps(body).encode(),
                                         {"content-type": "application/json"})
        with urllib.request.urlopen(request, timeout=140) as reply:
            return json.load(reply)

    def _ready(self):
        assert self._process.poll() is None, "llama-server ended by itself"
        try:
            with urllib.request.urlopen(self._address + "/health", timeout=5) as reply:
                return reply.status == 200
        except (urllib.error.URLError, ConnectionError):
            return False


@pytest.mark.skipif(not shutil.which("llama-server"), reason="there is no llama-server to compare with")
@pytest.mark.parametrize("size, context, words", [("tiny", 16384, 400), ("0.6b", 2048, 120)])
def test_peak_memory_is_llama_servers(start_daemon, demo_models, tmp_path, size, context, words):
    """Same file, context, batch and prompt, which fills more than one batch. Nothing is kept on the
    disk, as there: a block on its way would count, 28 MB of it with 0.6b. Nor is a projector loaded
    that another test put beside the model."""
    model = demo_models.random(size)
    prompt = " ".join(f"w{n * 7919 % 10007}" for n in range(words))
    body = {"model": "m", "max_tokens": 16, "messages": [{"role": "user", "content": prompt}]}
    daemon = start_daemon(model, "--ctx", context, "--batch", BATCH, "--threads", 1, "--no-store",
                          "--mmproj", "none")
    with open(tmp_path / "llama-server.log", "wb") as log, LlamaServer(model, context, log) as llama:
        theirs = llama.ask(body)["usage"]
        ours = daemon.ask(body, timeout=140).json()["usage"]
        assert BATCH < ours["input_tokens"] < context
        assert abs(ours["input_tokens"] - theirs["input_tokens"]) < 50
        peak, reference = daemon.memory_kib("VmHWM"), process_memory_kib(llama.pid, "VmHWM")
    print(f"{size}: {peak} KiB, llama-server {reference} KiB: {peak / reference:.3f}")
    assert peak <= 1.05 * reference
