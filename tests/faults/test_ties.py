"""Answers that are longer than those of the other faults: where two tokens are as likely as each other, batches of
another shape choose the other one. Each answer that differs must be such a tie, shown by drawing (tests/soak/ties.py),
and nothing else may pass for one."""

import collections
import json
import pathlib
import sys
import threading

from talks import talk

from daemon import Daemon

sys.path.append(str(pathlib.Path(__file__).resolve().parent.parent / "soak"))
import ties  # noqa: E402
from exchange import Line  # noqa: E402

OPTIONS = ["--ctx", 16384, "--threads", 1]
TALKS, TOKENS, CLIENTS, ROUNDS = 6, 16, 4, 3
Asked = collections.namedtuple("Asked", "differing all compared")


def ask_all_at_once(daemon, bodies):
    """What each of some clients was told in each of some rounds: (number of the question, text)."""
    told = []

    def client(number):
        line = Line(daemon)
        for round_ in range(ROUNDS):
            for place in range(len(bodies)):
                # Others ask something else at the same time, so that batches have many shapes.
                question = (place * (number + 1) + round_) % len(bodies)
                told.append((question, line.ask(bodies[question]).text))
        line.close()

    clients = [threading.Thread(target=client, args=[number]) for number in range(CLIENTS)]
    for one in clients:
        one.start()
    for one in clients:
        one.join()
    assert len(told) == CLIENTS * ROUNDS * len(bodies), "a client ended early"
    return told


def test_what_differs_under_load_is_a_tie(program, model, tmp_path):
    bodies = [{**json.loads(talk(number)), "max_tokens": TOKENS} for number in range(TALKS)]
    daemon = Daemon(program, tmp_path / "busy", model, OPTIONS)
    try:
        line = Line(daemon)
        first = [line.ask(body).text for body in bodies]
        told = ask_all_at_once(daemon, bodies)
    finally:
        daemon.stop()
    differing = {(question, text) for question, text in told if text != first[question]}
    alone = Daemon(program, tmp_path / "alone", model, [*OPTIONS, "--no-store"])
    try:
        asked = Asked([(bodies[question], first[question], text) for question, text in differing],
                      lambda: list(zip(bodies, first)), len(told))
        found = ties.settle(alone, asked)
        assert not found.wrong, found.wrong
        mixed_up = Asked([(bodies[0], first[0], first[1])], list, 1)
        assert len(ties.settle(alone, mixed_up).wrong) == 1, "another question's answer is no tie"
    finally:
        alone.stop()
