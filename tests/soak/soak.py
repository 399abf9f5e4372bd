"""An hour of the running program: 32 clients that talk as people do, and whether memory, latency, descriptors,
threads and cells are at the end what they were at the beginning, and every answer right.

    ./dev soak [--minutes 60] [--clients 32] [--ctx 40960] [--model F] [--json F]

First what is bounded by bytes is filled, then a sixth of the time is warm-up, in which the people's thinking
time is found that keeps the engine half busy (a closed loop: who waits for an answer asks nothing else).
Behind that nothing is changed, and what is judged begins. docs/reliability.md says what is judged.
"""

import argparse
import os
import pathlib
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import threading
import time

TESTS = pathlib.Path(__file__).resolve().parent.parent
sys.path[:0] = [str(TESTS), str(TESTS.parent / "bench")]

import chart  # noqa: E402
import findings  # noqa: E402
import ties  # noqa: E402
import verdict  # noqa: E402
import wording  # noqa: E402
from daemon import Daemon, wait_for  # noqa: E402
from people import Filler, Pace, Person, Questions, Tally  # noqa: E402
from servers import PROGRAM  # noqa: E402
from watching import Watch  # noqa: E402

CONTEXT = 40_960  # tokens, unless told otherwise: less than the conversations have together
STORE_MIB = 96  # full within minutes
WARM_UP = 1 / 6  # of the time
LONGEST_FILLING = 1 / 2
FULL = 8  # samples without growth
LOADS = 8  # samples, whose mean is the load
LOAD = 0.28  # of all processors, the daemon's and the clients'
# With as many threads as there are processors, each waits for the one that another program keeps waiting.
THREADS = max(1, (os.cpu_count() or 1) // 2)
RESTING = 8  # samples when nobody asks
PAUSE = 0.25  # seconds between them


def random_model(program, folder):
    """Every wrong number in its KV cache changes what it says."""
    path = folder / "tiny.gguf"
    subprocess.run([program, "model", "demo", "--size", "tiny", "--random", "-o", path], check=True,
                   stdout=subprocess.DEVNULL)
    return path


class Soak:
    def __init__(self, options, daemon):
        self._daemon = daemon
        self._context = options.ctx
        self._seconds = 60 * options.minutes
        self._every = min(max(self._seconds / 600, 1), 10)
        self.clients = options.clients
        self.pace = Pace(6.0)
        self._loads = []
        self.questions = Questions()
        self._over = threading.Event()
        self.tally = Tally()
        self.watch = Watch(daemon, self.tally, self.questions)

    def run(self):
        """Leaves span, idle_before and idle_after."""
        # Whose tools come first decides their order in all prompts (docs/prompt-layout.md): here those that the
        # daemon is asked with that answers alone.
        self._ask(wording.main_request(0, [{"role": "user", "content": "Hello"}], max_tokens=1))
        self._first_round()
        self._touch_all_cells()
        self.idle_before = self._rest()
        self._fill()
        people = [Person(number, self._daemon, self.tally, self.questions, self.pace, self._over)
                  for number in range(self.clients)]
        for person in people:
            person.start()
        warm = max(self.watch.now() + WARM_UP / 2 * self._seconds, WARM_UP * self._seconds)
        self._watch_until(warm, "warming up", self._find_pace)
        self._seconds = max(self._seconds, 2 * self.watch.now())  # a short one is longer than it was told
        self.span = verdict.Span(self.watch.now(), self._seconds)
        self._watch_until(self._seconds, "measuring", lambda sample: None)
        self._over.set()
        for person in people:
            person.join()
        self.idle_after = self._rest()

    def _first_round(self):
        """One conversation of everybody's, so that what is made when it is first needed is there."""
        over = threading.Event()
        people = [Person(1000 + number, self._daemon, Tally(), self.questions, Pace(0), over)
                  for number in range(self.clients)]
        for person in people:
            person.start()
        over.set()
        for person in people:
            person.join()

    def _touch_all_cells(self):
        """One prompt as long as the KV cache: what nobody has touched yet takes no memory."""
        body = {"model": "m", "max_tokens": 1, "messages": [{"role": "user", "content": "word " * 1000}]}
        tokens = self._daemon.request("POST", "/v1/messages/count_tokens", body).json()["input_tokens"]
        body["messages"][0]["content"] *= int(0.97 * self._context / tokens)
        self._ask(body)

    def _ask(self, body):
        reply = self._daemon.ask(body, timeout=300)
        assert reply.status == 200, reply.body

    def _rest(self):
        """Samples from when nobody asks any more, and of each number the least: the connection that a sample is
        taken with may be seen closing."""
        def rests():
            numbers = self._daemon.metrics()
            busy = sum(numbers[f"anyclaude_{name}"]
                       for name in ("engine_running", "engine_queued", "kv_unwritten_bytes"))
            return busy == 0 and numbers["anyclaude_open_connections"] <= 1  # this one

        wait_for(rests, "nobody asks any more", 60)
        samples = []
        for _ in range(RESTING):
            samples.append(self.watch.sample())
            time.sleep(PAUSE)
        return {name: min(sample[name] for sample in samples) for name in verdict.AT_REST}

    def _fill(self):
        """Until what remembers answers, and texts with their tokens, has not grown for some samples."""
        over = threading.Event()
        fillers = [Filler(number, self._daemon, self.tally, over) for number in range(self.clients)]
        for filler in fillers:
            filler.start()
        taken = []

        def is_full(sample):
            taken.append((sample["replay_mib"], sample["tokenized_mib"]))
            return len(taken) > FULL and all(1 < now < 1.005 * before
                                             for now, before in zip(taken[-1], taken[-FULL], strict=True))

        self._watch_until(LONGEST_FILLING * self._seconds, "filling", is_full)
        over.set()
        for filler in fillers:
            filler.join()

    def _find_pace(self, sample):
        """Longer pauses where the processors are too busy, shorter ones where they idle."""
        self._loads = [*self._loads, sample["daemon_load"] + sample["client_load"]][-LOADS:]
        change = statistics.mean(self._loads) / LOAD
        self.pace.mean = min(max(self.pace.mean * min(max(change, 0.98), 1.02), 0.05), 60)

    def _watch_until(self, end, stage, look):
        """Samples until so many seconds are over, or `look` returns true."""
        while self.watch.now() < end:
            time.sleep(min(self._every, max(end - self.watch.now(), 0)))
            sample = self.watch.sample()
            self._say(stage, sample)
            if look(sample):
                return

    def _say(self, stage, sample):
        first = sample["first_p50_ms"]
        line = (f"{stage}: {sample['at'] / 60:.1f} of {self._seconds / 60:g} min, {sample['requests']} requests, "
                f"{sample['errors']} errors, {sample['wrong']} wrong, {sample['rss_mib']:.0f} MiB, "
                f"{sample['descriptors']} descriptors, {sample['queued']:.0f} waiting, "
                f"first token {'-' if first is None else f'{first:.0f} ms'}, "
                f"load {sample['daemon_load'] + sample['client_load']:.0%}, pause {self.pace.mean:.1f} s")
        if sys.stderr.isatty():
            print(f"\r{line}\x1b[K", end="", file=sys.stderr, flush=True)
        else:
            print(line, file=sys.stderr, flush=True)


def main():
    parser = argparse.ArgumentParser(prog="./dev soak", description=__doc__.split("\n\n", maxsplit=1)[0])
    parser.add_argument("--minutes", type=float, default=60)
    parser.add_argument("--clients", type=int, default=32)
    parser.add_argument("--ctx", type=int, default=CONTEXT, help=f"cells of the KV cache, in tokens [{CONTEXT}]")
    parser.add_argument("--model", type=pathlib.Path, help="GGUF file [a demo model of random weights]")
    parser.add_argument("--json", type=pathlib.Path, default=pathlib.Path("build/soak.json"),
                        help="what was found; a table and a chart beside it, .md and .svg [build/soak.json]")
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("terminated"))  # the daemon is ended too

    with tempfile.TemporaryDirectory(prefix="anyclaude-soak-") as name:
        folder = pathlib.Path(name)
        program = shutil.copy2(PROGRAM, folder)  # what is built meanwhile changes nothing
        model = (options.model or random_model(program, folder)).resolve()
        daemon = Daemon(program, folder / "daemon", model, ["--ctx", options.ctx, "--threads", THREADS,
                                                            "--cache-size", f"{STORE_MIB}MiB"])
        try:
            soak = Soak(options, daemon)
            soak.run()
        finally:
            log = daemon.log()
            daemon.stop()
        alone = Daemon(program, folder / "alone", model, ["--ctx", options.ctx, "--threads", THREADS,
                                                              "--no-store"])
        try:
            answers = ties.settle(alone, soak.questions)
        finally:
            alone.stop()
    judged = verdict.judge(soak.watch, soak.span, soak.idle_before, soak.idle_after, soak.tally, answers, STORE_MIB)
    found = findings.collect(soak, answers, judged, log)
    findings.write(found, options.json)
    options.json.with_suffix(".svg").write_text(chart.svg(found))
    print(("\n" if sys.stderr.isatty() else "") + findings.table(found))
    return 0 if all(one.holds for one in judged) else 1


if __name__ == "__main__":
    sys.exit(main())
