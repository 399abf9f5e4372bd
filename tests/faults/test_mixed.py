"""The same faults while the real Claude Code and clients of the SDK ask one daemon."""

import errno
import json
import os
import pathlib
import signal
import subprocess
import sys
import threading
import time

import pytest
from harness import Harness, Shim, question

from clients import ask
from daemon import Daemon, wait_for
from raw_http import RawConnection

sys.path.insert(0, str(pathlib.Path(__file__).parent.parent / "cli"))
from person import CLAUDE, LAST_WORDS, SCRIPT, Person  # noqa: E402

pytestmark = pytest.mark.skipif(not CLAUDE, reason="Claude Code is not installed")

TALKS = 3
ENDLESS = {**ask("LONG-STORY", max_tokens=4000), "stream": True}


class Talker(threading.Thread):
    """Somebody who asks the real Claude Code, one question after the other, until it is over."""

    def __init__(self, person):
        super().__init__()
        self._person = person
        self._over = threading.Event()
        self.right, self.wrong = 0, []

    def run(self):
        first = True
        while not self._over.is_set():
            try:
                said = self._person.ask(f"Question {self.right}", *([] if first else ["--continue"]))["result"]
            except (AssertionError, subprocess.TimeoutExpired) as error:
                said = str(error)
            if said == LAST_WORDS:
                self.right += 1
                first = False
            else:
                self.wrong.append(said)

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        self._over.set()
        self.join()


class Place:
    """A daemon behind a shim, and a person whose Claude Code goes to it."""

    def __init__(self, program, model, ledger, library, folder):
        self.person = Person(folder, model)
        self.person.options = ()  # whatever runs
        self.shim = Shim(library, folder, self.person.files / "cache")
        self.daemon = Daemon(program, self.person.files, model, ["--ctx", 65536, "--threads", 1],
                             environment=self.shim.environment)
        self.person.ask("Before anything")  # its prompt is computed once
        self.harness = Harness(self.daemon, [question(f"TALK-{n}?") for n in range(TALKS)], ledger)


@pytest.fixture(scope="module")
def place(program, demo_models, ledger, shim_library, tmp_path_factory):
    talks = [{"when": {"marker": f"TALK-{n}"}, "say": f"This is what talk {n} says. " * 3} for n in range(TALKS)]
    model = demo_models.scripted([*talks, *SCRIPT["scripts"]], name="mixed", size="nano")
    place = Place(program, model, ledger, shim_library, tmp_path_factory.mktemp("m"))
    yield place
    place.daemon.stop()


def clients_vanish(place):
    for _ in range(3):
        connections = [RawConnection(place.daemon) for _ in range(8)]
        for connection in connections:
            connection.post(ENDLESS)
            connection.receive_until(b"content_block_delta")
        for connection in connections:
            connection.abort()
    return "nobody is left to be told"


def a_flood(place):
    flood = [RawConnection(place.daemon) for _ in range(400)]
    for connection in flood:
        connection.post(ENDLESS)
    wait_for(lambda: any(connection.receive_what_is_there().startswith(b"HTTP/1.1 429") for connection in flood),
             "what is too much is refused", 30)
    time.sleep(1)  # as long as the flood stays
    for connection in flood:
        connection.abort()
    return "429 with retry-after, after which Claude Code and the SDK ask again by themselves"


def the_disk_is_full(place):
    mark = place.harness.mark()
    place.shim.set(writes=errno.ENOSPC)
    fresh = json.loads(question("TALK-0?", system="Nothing is stored of this. " * 100))
    assert place.daemon.ask(fresh).status == 200
    wait_for(lambda: os.strerror(errno.ENOSPC) in place.harness.log_since(mark), "it says so")
    place.shim.set()
    return "a line in the log; answers go on"


def it_sleeps(place):
    os.kill(place.daemon.pid, signal.SIGSTOP)
    time.sleep(2)  # the fault's own length
    os.kill(place.daemon.pid, signal.SIGCONT)
    return "nothing: answers are late"


def the_clock_jumps(place):
    place.shim.set(clock=400 * 86400)
    assert place.daemon.ask(json.loads(question("TALK-1?"))).status == 200
    place.shim.set()
    return "nothing"


@pytest.mark.parametrize("breaks, name", [(clients_vanish, "24 clients vanish in mid-stream"),
                                          (a_flood, "400 requests at once"),
                                          (the_disk_is_full, "the disk is full (ENOSPC)"),
                                          (it_sleeps, "the daemon is stopped for 2 s (SIGSTOP)"),
                                          (the_clock_jumps, "the clock jumps 400 days ahead and back")])
def test_beside_the_real_claude(place, breaks, name):
    with place.harness.fault(f"{name}, beside the real Claude Code") as fault:
        with Talker(place.person) as talker:
            wait_for(lambda: talker.right, "Claude Code is answered", 60)
            fault.told = breaks(place)
            before = talker.right
            wait_for(lambda: talker.right > before + 1, "Claude Code is answered again", 120)
        assert not talker.wrong, talker.wrong
        fault.right += talker.right
