"""Servers that anyclaude answers with die, stall, send nonsense and break off: what is begun ends with an
error, never with half an answer, and what comes next is right again."""

import json
import socket
import subprocess
import sys
import threading

import moody_server
import pytest
from harness import CLIENTS, Harness, question
from moody_server import MoodyServer

from clients import ask
from daemon import Daemon, wait_for
from faulty_server import STREAM, events, http

QUESTIONS = [question(f"Question {number}?") for number in range(3)]


def reset(connection):
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    connection.close()


def in_two_parts(connection, good):
    """Cut within a letter of two bytes."""
    at = good.index("ü".encode()) + 1
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    connection.sendall(good[:at])
    threading.Event().wait(0.05)
    connection.sendall(good[at:])


def stalled(connection, good, begun=True):
    """Nothing more for a second, and then the end."""
    if begun:
        connection.sendall(good[: len(good) // 2])
    threading.Event().wait(1)


def half(good):
    return good[: good.index(b" always")]


SPOILED = [  # name, mood, what the client is told
    ("the server sends HTML in its stream", lambda c, g: c.sendall(STREAM + b"data: <html>\n\n"), "500"),
    ("the server sends bytes that are no stream", lambda c, g: c.sendall(STREAM + bytes(range(256)) * 99),
     "500"),
    ("the server's answer is no HTTP", lambda c, g: c.sendall(b"220 smtp ready\r\n"), "500"),
    ("the server closes in mid-stream", lambda c, g: c.sendall(half(g)), "error event"),
    ("the server resets in mid-stream", lambda c, g: (c.sendall(half(g)), reset(c)), "error event"),
    ("the server closes within a letter", lambda c, g: c.sendall(g[: g.index("ü".encode()) + 1]),
     "error event"),
    ("the server closes without an answer", lambda c, g: None, "5"),
    ("the server stalls and then closes", stalled, "error event"),
    ("the server never answers and then closes", lambda c, g: stalled(c, g, False), "5"),
    ("the server answers 500", lambda c, g: c.sendall(http(500, '{"error":"out of memory"}')), "500"),
    ("the server answers 429", lambda c, g: c.sendall(http(429, '{"error":"busy"}', "Retry-After: 0")),
     "429"),
    ("the server sends an event of 20 MB",
     lambda c, g: c.sendall(STREAM + b"data: " + b"x" * 20_000_000 + b"\n\n"), "500"),
]


@pytest.fixture(scope="module")
def server():
    server = MoodyServer()
    yield server
    server.stop()


@pytest.fixture(scope="module")
def harness(program, ledger, server, tmp_path_factory):
    daemon = Daemon(program, tmp_path_factory.mktemp("daemon"), None,
                    ["--backend-url", server.url, "--backend-dialect", "openai"])
    try:
        daemon.wait_until_ready()
        yield Harness(daemon, QUESTIONS, ledger)
    finally:
        daemon.stop()


def told(daemon):
    """Status or "error event", and the words, of a stream that is asked for."""
    reply = daemon.ask({**ask("Question 0?"), "stream": True})
    if reply.status != 200:
        return f"{reply.status} {reply.error()['message']}"
    last, data = events(reply)[-1]
    assert last == "error", (last, data)
    return f"error event: {data['error']['message']}"


@pytest.mark.parametrize("name, mood, expected", SPOILED)
def test_a_server_in_a_mood(harness, server, name, mood, expected):
    with harness.fault(name) as fault:
        server.mood = mood
        fault.told = told(harness.daemon).replace(server.url, "URL")[:150]
        assert fault.told.startswith(expected), fault.told
        server.mood = None


def test_a_letter_in_two_pieces(harness, server):
    with harness.fault("the server's pieces end within a letter") as fault:
        server.mood = in_two_parts
        reply = harness.daemon.ask(json.loads(QUESTIONS[0]))
        assert reply.json()["content"][0]["text"] == harness.expected[QUESTIONS[0]]
        server.mood = None
        fault.told = "nothing: it is put together again"


class ServerProcess:
    """A moody server in a process of its own, which can be killed and come back at its address."""

    def __init__(self):
        self.url = None
        self.start()

    def start(self):
        port = self.url.rsplit(":", 1)[1] if self.url else "0"
        self._process = subprocess.Popen([sys.executable, moody_server.__file__, port],
                                         stdout=subprocess.PIPE, text=True)
        self.url = self._process.stdout.readline().strip()

    def kill(self):
        """SIGKILL: its connections are reset by the kernel, whatever was under way."""
        self._process.kill()
        self._process.wait()
        self._process.stdout.close()


@pytest.fixture
def pair(program, tmp_path):
    """Two servers of one kind, and a daemon with both as replicas."""
    servers = [ServerProcess(), ServerProcess()]
    (tmp_path / "config.toml").write_text(
        f'mode = "pair"\n[backends.pair]\nkind = "openai"\nurl = "{servers[0].url}"\n'
        f'replicas = ["{servers[1].url}"]\n')
    daemon = Daemon(program, tmp_path, None)
    daemon.wait_until_ready()
    yield servers, daemon
    daemon.stop()
    for one in servers:
        one.kill()


def test_servers_that_are_killed(pair, ledger):
    servers, daemon = pair
    harness = Harness(daemon, QUESTIONS, ledger)
    with harness.fault("one of two servers is killed") as fault:
        servers[0].kill()
        wait_for(lambda: fault.right >= 20, "answers go on")
        assert fault.errors <= CLIENTS, "at most the answers that were under way"
        fault.told = "nothing, but where an answer was under way: the other one answers"
    with harness.fault("the other one is killed as well, and both come back", seconds=10) as fault:
        servers[1].kill()
        fault.told = wait_for(lambda: told_if_refused(daemon), "it says that nobody answers")
        for one in servers:
            one.start()


def told_if_refused(daemon):
    reply = daemon.ask(ask("Question 0?"))
    return reply.status == 529 and f"529 {reply.error()['message'][:150]}"
