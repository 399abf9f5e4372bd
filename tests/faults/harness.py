"""The running program under load while something breaks, and what must be true of it afterwards.

A fault is a `with` block of a Harness. While it lasts, two clients of the official SDK ask without end. What
must hold:

- no wrong answer: each that is complete says what it says without a fault (temperature 0); errors are
  allowed while the fault lasts;
- when it is over, the right answer comes within the fault's time, which is written down;
- then nothing is left behind: no running or waiting request, no cell that a request holds, no connection, no
  thread and no descriptor more than before.
"""

import contextlib
import dataclasses
import json
import pathlib
import re
import struct
import subprocess
import threading
import time

from clients import ask, sdk
from daemon import wait_for

RECOVERY_SECONDS = 5  # unless a fault says otherwise
CLIENTS = 2
SOURCE = pathlib.Path(__file__).with_name("shim.c")


@dataclasses.dataclass
class Fault:
    """What became of one."""

    name: str
    seconds: float = RECOVERY_SECONDS  # that it may take to recover
    told: str = ""  # what somebody saw of it: a client's error, or a line of the log
    recovered_ms: float = 0
    right: int = 0  # answers while it lasted
    errors: int = 0
    wrong: list = dataclasses.field(default_factory=list)


# What is another one in every run: how it is written in the table.
CHANGING = [(r"http://127\.0\.0\.1:\d+", "URL"), (r"process \d+", "process N"), (r"port \d+", "port N"),
            (r" Its log: /\S*", "")]


def without_what_changes(text):
    for pattern, name in CHANGING:
        text = re.sub(pattern, name, text)
    return text.replace("|", "/")


class Ledger:
    """All faults of a run, as JSON and as a table."""

    def __init__(self):
        self.faults = []

    def write(self, folder):
        folder.mkdir(parents=True, exist_ok=True)
        rows = [dataclasses.asdict(fault) for fault in self.faults]
        (folder / "faults.json").write_text(json.dumps(rows, indent=1, ensure_ascii=False) + "\n")
        lines = ["| fault | what is said | right again after | answers meanwhile |", "|---|---|---|---|"]
        lines += [f"| {fault.name} | {without_what_changes(fault.told)} | {fault.recovered_ms:.0f} ms | "
                  f"{fault.right} right, {fault.errors} errors, {len(fault.wrong)} wrong |"
                  for fault in self.faults]
        (folder / "faults.md").write_text("\n".join(lines) + "\n")


class Traffic:
    """Clients that ask a harness's questions, of the daemon that it has by then, until they are told to
    stop."""

    def __init__(self, harness, fault):
        self._harness, self._fault = harness, fault
        self._over = threading.Event()
        self._lock = threading.Lock()
        self._threads = [threading.Thread(target=self._ask, args=[n]) for n in range(CLIENTS)]
        for thread in self._threads:
            thread.start()

    def stop(self):
        self._over.set()
        for thread in self._threads:
            thread.join()

    def _ask(self, number):
        expected = list(self._harness.expected.items())
        while not self._over.is_set():
            daemon = self._harness.daemon
            with sdk(daemon, timeout=20) as client:
                while not self._over.is_set() and self._harness.daemon is daemon:
                    number += 1
                    self._note(client, *expected[number % len(expected)])

    def _note(self, client, question, expected):
        try:
            text = answer(client, question)
        except Broken:
            with self._lock:
                self._fault.errors += 1
            self._over.wait(0.05)
            return
        with self._lock:
            if text == expected:
                self._fault.right += 1
            else:
                self._fault.wrong.append(text[-200:])


class Broken(Exception):
    """An answer that did not come, or not to its end, and the client knows it."""


def answer(client, question):
    """The text of a complete answer."""
    body = json.loads(question)
    more = {"temperature": body.pop("temperature")}  # newer SDKs have no argument of this name
    try:
        with client.messages.stream(**body, extra_body=more) as stream:
            message = stream.get_final_message()
    except TypeError:
        raise  # ours
    except Exception as error:  # the SDK's own errors, and those of whichever HTTP library it has
        raise Broken(str(error)) from error
    if message.stop_reason is None:
        raise Broken("the stream ended early")
    return "".join(block.text for block in message.content if block.type == "text")


def question(text, **more):
    """What a harness asks: text, so that it can be a key."""
    return json.dumps(ask(text, **{"temperature": 0, "max_tokens": 300, **more}))


class Harness:
    def __init__(self, daemon, questions, ledger):
        self.daemon = daemon
        self._questions = questions
        self._ledger = ledger
        self.settle()
        with sdk(daemon) as client:
            self.expected = {asked: answer(client, asked) for asked in questions}
        assert len(set(self.expected.values())) == len(questions), "else a mix-up would not be seen"
        self.remember()

    def remember(self):
        """What it holds at rest."""
        self.settle()
        self.threads, self.files = self.daemon.threads(), self.daemon.open_files()

    @contextlib.contextmanager
    def fault(self, name, seconds=RECOVERY_SECONDS):
        """The block makes the fault and ends it. What it yields may be told what was seen."""
        fault = Fault(name, seconds)
        traffic = Traffic(self, fault)
        try:
            yield fault
            self._recover(fault)
        finally:
            traffic.stop()
        self.check(fault)

    def check(self, fault):
        """What must hold when it is over."""
        assert not fault.wrong, fault.wrong
        assert fault.recovered_ms <= 1000 * fault.seconds, fault
        self.assert_nothing_left()
        assert fault.told, "somebody must be told, or nobody has noticed: then say so"
        self._ledger.faults.append(fault)

    def _recover(self, fault):
        """Asks until the right answer comes. A complete answer that is another one is a failure."""
        began = time.monotonic()
        asked = self._questions[0]

        def right():
            try:
                with sdk(self.daemon, timeout=10) as client:
                    text = answer(client, asked)
            except Broken:
                return False
            if text != self.expected[asked]:
                fault.wrong.append(text[-200:])
            return True

        wait_for(right, f"a right answer behind: {fault.name}", fault.seconds)
        fault.recovered_ms = 1000 * (time.monotonic() - began)

    def settle(self):
        """Until no request is left in it."""
        def idle():
            now = self.daemon.metrics()
            busy = now.get("anyclaude_engine_running", 0) + now.get("anyclaude_engine_queued", 0)
            held = now.get("anyclaude_kv_cells_used", 0) - now.get("anyclaude_kv_cells_idle", 0)
            return busy == 0 and held == 0 and now["anyclaude_open_connections"] <= 1  # this one
        wait_for(idle, "no request and no connection is left", 10)

    def assert_nothing_left(self):
        self.settle()
        wait_for(lambda: self.daemon.open_files() <= self.files,
                 f"no descriptor more than the {self.files} before", 10)
        wait_for(lambda: self.daemon.threads() <= self.threads,
                 f"no thread more than the {self.threads} before", 10)

    def log_since(self, mark):
        return self.daemon.log()[mark:]

    def mark(self):
        return len(self.daemon.log())


class Shim:
    """What stands between a program and its disk and clock: see shim.c."""

    def __init__(self, library, folder, below):
        self._control = folder / "fault-control"
        self.environment = {"LD_PRELOAD": str(library), "FAULT_CONTROL": str(self._control),
                            "FAULT_FOLDER": str(below)}
        self.set()

    def set(self, reads=0, writes=0, clock=0):
        """errno of reads and of writes (0: they work), and seconds that the wall clock is off."""
        with open(self._control, "r+b" if self._control.exists() else "wb") as file:
            file.write(struct.pack("<iiq", reads, writes, clock))

    @staticmethod
    def build(folder):
        library = folder / "shim.so"
        subprocess.run(["cc", "-shared", "-fPIC", "-O1", "-D_GNU_SOURCE", "-o", library, SOURCE],
                       check=True)
        return library
