"""The servers that a benchmark compares, and one streaming request to either."""

import contextlib
import dataclasses
import http.client
import json
import os
import pathlib
import socket
import subprocess
import sys
import time

REPOSITORY = pathlib.Path(__file__).resolve().parent.parent
sys.path.insert(0, str(REPOSITORY / "tests"))
from daemon import Daemon, wait_for  # noqa: E402

PROGRAM = REPOSITORY / "build/bin/anyclaude"


@dataclasses.dataclass
class Setting:
    """What both servers are started with."""

    model: pathlib.Path
    context: int  # tokens, of all requests together
    parallel: int
    threads: int = os.cpu_count()
    batch: int = 512  # tokens
    kv_type: str = "f16"


class Ours:
    """`anyclaude serve`, ready. `home` must be a folder that no other one uses."""

    who = "anyclaude"

    def __init__(self, home, model=None, options=(), **more):
        self._daemon = Daemon(PROGRAM, home, model, options, **more)
        self._daemon.wait_until_ready(120)
        self.port = self._daemon.port
        self.token = self._daemon.token

    def metrics(self):
        """The numbers of GET /metrics by their names, without "anyclaude_"."""
        return {name.removeprefix("anyclaude_"): value
                for name, value in self._daemon.metrics().items()}

    def stop(self):
        self._daemon.stop()

    def kill(self):
        self._daemon.kill()


class Anyclaude(Ours):
    """On our own engine."""

    def __init__(self, setting, folder, options=()):
        super().__init__(folder / "anyclaude", setting.model,
                         ("--ctx", setting.context, "--parallel", setting.parallel,
                          "--threads", setting.threads, "--batch", setting.batch,
                          "--kv-type", setting.kv_type, *options))


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Theirs:
    """A server of somebody else's at self.port, which subclasses set, ready."""

    token = ""

    def __init__(self, command, log, environment=None):
        self._log = log
        with open(log, "wb") as out:
            self._process = subprocess.Popen([str(part) for part in command], stdout=out,
                                             stderr=subprocess.STDOUT,
                                             env={**os.environ, **(environment or {})})
        wait_for(self._ready, f"{self.who} is ready", 120)

    def answers(self):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=5)
        connection.request("GET", "/health")
        return connection.getresponse().status == 200

    def _ready(self):
        assert self._process.poll() is None, self._log.read_text(errors="replace")[-2000:]
        try:
            return self.answers()
        except OSError:
            return False

    def stop(self):
        self._process.terminate()
        self._process.wait(timeout=30)

    def kill(self):
        self._process.kill()
        self._process.wait()


class LlamaServer(Theirs):
    who = "llama-server"

    def __init__(self, setting, folder):
        self.port = free_port()
        super().__init__(["llama-server", "-m", setting.model, "-c", setting.context,
                          "-np", setting.parallel, "-t", setting.threads, "-b", setting.batch,
                          "-ub", setting.batch, "-ctk", setting.kv_type, "-ctv", setting.kv_type,
                          "--jinja", "--host", "127.0.0.1", "--port", self.port],
                         folder / "llama-server.log")


SERVERS = {server.who: server for server in (Anyclaude, LlamaServer)}


@contextlib.contextmanager
def side_by_side(peer, setting, folder):
    """Our server, and the one named `peer` unless it is None; both are stopped at the end."""
    with contextlib.ExitStack() as running:
        servers = []
        for who in ("anyclaude", peer) if peer else ("anyclaude",):
            servers.append(SERVERS[who](setting, folder))
            running.callback(servers[-1].stop)
        yield servers


def progress(what):
    """Says what is measured now; on a terminal in place of what was said before."""
    if sys.stderr.isatty():
        print(f"\r{what}\x1b[K", end="", file=sys.stderr, flush=True)
    else:
        print(what, file=sys.stderr, flush=True)


def post(server, path, body, timeout=3600):
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=timeout)
    connection.request("POST", path, json.dumps(body).encode(), {
        "content-type": "application/json", "anthropic-version": "2023-06-01",
        "authorization": f"Bearer {server.token}"})
    response = connection.getresponse()
    if response.status != 200:
        raise RuntimeError(f"{server.who} {path}: {response.status} {response.read()[:500]}")
    return response


def count_tokens(server, body):
    counted = {key: value for key, value in body.items() if key not in ("max_tokens", "stream")}
    return json.loads(post(server, "/v1/messages/count_tokens", counted).read())["input_tokens"]


@dataclasses.dataclass
class Answer:
    ttft: float  # seconds from the request's sending to the first text
    total: float  # seconds to the end
    arrivals: list  # seconds, of each piece of text
    text: str
    computed: int  # prompt tokens
    reused: int
    output: int  # tokens; 0 of an answer that was given up
    sent: float = 0  # when the request was sent, on time.perf_counter()

    @property
    def times(self):
        """The arrivals on time.perf_counter(), to compare them with those of other answers."""
        return [self.sent + arrival for arrival in self.arrivals]


def ask(server, body, go_on=lambda arrivals: True):
    """One streaming request for a message. Gives it up, and closes the connection, when
    `go_on(arrivals)` says no behind a piece of text."""
    began = time.perf_counter()
    response = post(server, "/v1/messages", {**body, "stream": True})
    arrivals, text, usage = [], "", {}
    for line in response:
        if not line.startswith(b"data:"):
            continue
        event = json.loads(line[5:])
        if event["type"] == "message_start":
            usage.update(event["message"]["usage"])
        elif event["type"] == "content_block_delta":
            piece = next((event["delta"][key] for key in ("text", "thinking", "partial_json")
                          if event["delta"].get(key)), "")
            if piece:
                arrivals.append(time.perf_counter() - began)
                text += piece
                if not go_on(arrivals):
                    break
        elif event["type"] == "message_delta":
            usage.update(event["usage"])
        elif event["type"] == "error":
            raise RuntimeError(f"{server.who}: {event['error']}")
    response.close()
    return Answer(arrivals[0], time.perf_counter() - began, arrivals, text,
                  usage.get("input_tokens", 0) + usage.get("cache_creation_input_tokens", 0),
                  usage.get("cache_read_input_tokens", 0), usage.get("output_tokens", 0), began)
