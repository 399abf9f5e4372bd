"""The network between the program and a server, or a client, loses everything, is slow, and is lossy: two
namespaces and a wire (wire.py). Nobody is told when a wire is cut; what is half open must be found out."""

import json
import threading
import time

import pytest
import wire as wires
from harness import Fault
from moody_server import MoodyServer, chunk
from test_servers import QUESTIONS, harness  # noqa: F401 (a fixture: before this module's server)

from clients import ask
from daemon import Daemon, wait_for
from faulty_server import STREAM, events
from raw_http import RawConnection

MISSING = wires.whats_missing()
pytestmark = pytest.mark.skipif(bool(MISSING), reason=MISSING)
NOTICED_SECONDS = 75  # the minute after which a peer is given up, and what a busy machine adds


@pytest.fixture(scope="module")
def wire():
    """This thread, and with it every client and daemon, is at the near end."""
    wire = wires.Wire()
    with wire.near.inside():
        yield wire
    wire.close()


@pytest.fixture(autouse=True)
def mended(wire):
    yield
    wire.mend()


@pytest.fixture(scope="module")
def server(wire):
    """At the far end."""
    with wire.far.inside():
        server = MoodyServer(host=wires.FAR)
    yield server
    server.stop()


class Asking(threading.Thread):
    """A request in a thread of its own; `reply` when it is over, and the seconds that it took."""

    def __init__(self, daemon, body):
        super().__init__(daemon=True)
        self._daemon, self._body = daemon, body
        self.reply = None
        self.start()

    def run(self):
        began = time.monotonic()
        self.reply = self._daemon.ask(self._body, timeout=2 * NOTICED_SECONDS)
        self.seconds = time.monotonic() - began


def test_a_slow_network(harness, wire):
    with harness.fault("the network to the server takes 300 ms each way") as fault:
        wire.set(delay=0.3)
        wait_for(lambda: fault.right >= 4, "answers come")
        wire.mend()
        assert fault.errors == 0
        fault.told = "nothing: answers are late"


def test_a_lossy_network(harness, wire):
    with harness.fault("the network to the server loses a tenth of all packets", seconds=10) as fault:
        wire.set(loss=0.1)
        wait_for(lambda: fault.right >= 20 and wire.lost >= 20, "answers come, and packets are lost", 60)
        wire.mend()
        assert fault.errors == 0
        fault.told = "nothing: TCP sends again"


class Halves:
    """A mood: half an answer, and the rest when it is to go on."""

    def __init__(self):
        self.begun, self.go_on = threading.Event(), threading.Event()

    def __call__(self, connection, good):
        middle = good.index(b" always")
        connection.sendall(good[:middle])
        self.begun.set()
        self.go_on.wait(2 * NOTICED_SECONDS)
        connection.sendall(good[middle:])


def text_of(reply):
    return "".join(data["delta"]["text"] for name, data in events(reply) if name == "content_block_delta")


def test_a_network_that_is_gone_for_two_seconds(harness, server, wire):
    with harness.fault("the network to the server is gone for 2 s in mid-stream", seconds=15) as fault:
        server.mood = halves = Halves()
        asking = Asking(harness.daemon, {**json.loads(QUESTIONS[0]), "stream": True})
        assert halves.begun.wait(10)
        server.mood = None
        wire.cut()
        halves.go_on.set()
        time.sleep(2)  # the fault's own length
        assert wire.lost > 0 and asking.reply is None
        wire.mend()
        asking.join(20)
        # Other clients were answered in halves as well.
        assert text_of(asking.reply) == harness.expected[QUESTIONS[0]]
        fault.told = "nothing: TCP sends again, and the answer goes on"


class Trickle:
    """A mood: an answer without end, as long as somebody listens."""

    def __init__(self):
        self.answers = 0

    def __call__(self, connection, good):
        self.answers += 1
        try:
            connection.sendall(STREAM)
            while True:
                connection.sendall(chunk("more "))
                time.sleep(0.05)  # what makes it slow
        finally:
            self.answers -= 1


@pytest.fixture
def clients_far_away(program, wire, tmp_path):
    """A daemon and its server at the near end, and two clients at the far end that are being answered: one in
    a stream, one that will get all at once. What it yields counts the answers that are being made."""
    server = MoodyServer()
    daemon = Daemon(program, tmp_path, None, ["--host", "0.0.0.0", "--backend-url", server.url,
                                              "--backend-dialect", "openai"])
    daemon.wait_until_ready()
    server.mood = trickle = Trickle()
    with wire.far.inside():
        clients = [RawConnection(daemon, host=wires.NEAR) for _ in range(2)]
    for client, stream in zip(clients, (True, False)):
        client.post({**ask("Question 0?"), "stream": stream})
    clients[0].receive_until(b"content_block_delta")
    wait_for(lambda: trickle.answers == 2, "both are being answered")
    yield trickle
    for client in clients:
        client.socket.close()
    daemon.stop()
    server.stop()


def test_a_network_that_is_gone_for_good(harness, server, wire, ledger, clients_far_away):
    """One wait for all of them: an answer under way from a server, a server that has yet to begin, a client in
    mid-stream, and one that waits for its whole answer."""
    with harness.fault("the network to the server is gone for good in mid-stream", seconds=30) as fault:
        server.mood = halves = Halves()
        stream = Asking(harness.daemon, {**json.loads(QUESTIONS[0]), "stream": True})
        assert halves.begun.wait(10)
        server.mood = silence = Silence()
        silent = Asking(harness.daemon, {**json.loads(QUESTIONS[1]), "stream": True})
        wait_for(lambda: silence.begun, "the server computes")
        server.mood = None
        wire.cut()
        began = time.monotonic()
        vanished = Fault("two clients' network is gone for good, in mid-stream and before the answer",
                         NOTICED_SECONDS)
        wait_for(lambda: clients_far_away.answers == 0, "nothing is computed for them", NOTICED_SECONDS)
        vanished.told = ("nobody is left to be told; their work ends "
                         f"{time.monotonic() - began:.0f} s after the last word from them")
        for asking in (stream, silent):
            asking.join(NOTICED_SECONDS)
            assert asking.reply, "somebody must be told within about a minute"
        name, data = events(stream.reply)[-1]
        assert name == "error", (name, data)
        fault.told = f"after {stream.seconds:.0f} s: {data['error']['message'].replace(server.url, 'URL')[:110]}"
        halves.go_on.set()
        silence.over.set()
        wire.mend()
    ledger.faults.append(vanished)


class Silence:
    """A mood: nothing comes."""

    def __init__(self):
        self.begun, self.over = 0, threading.Event()

    def __call__(self, connection, good):
        self.begun += 1
        self.over.wait(2 * NOTICED_SECONDS)
