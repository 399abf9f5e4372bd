"""The soak's own judgement (tests/soak), on made-up samples, and a short run of it."""

import json
import pathlib
import subprocess
import sys
import xml.etree.ElementTree

import pytest

SOAK = pathlib.Path(__file__).resolve().parent.parent / "soak"
sys.path[:0] = [str(SOAK), str(SOAK.parent.parent / "bench")]

import findings  # noqa: E402
import verdict  # noqa: E402
from people import First, Tally  # noqa: E402
from ties import Answers  # noqa: E402
from watching import Watch  # noqa: E402

SPAN = verdict.Span(100, 1100)
REST = {"descriptors": 30, "threads": 12, "cells_held": 0, "running": 0, "queued": 0}


def sample(at, **more):
    return {"at": at, "requests": at, "rss_mib": 500 + at % 3, "pss_mib": 500, "cells_used": 4000,
            "written_blocks": 9 * at, "store_mib": 95, **REST, **more}


class MadeUp(Watch):
    """Samples every 10 s, with an answer in each second."""

    def __init__(self, change=lambda at: {}, first=lambda at: 0.1):
        self.began = 0
        self._tally = Tally()
        self._tally.first = [First(at, first(at), computed=100) for at in range(1200)]
        self.samples = [sample(at, **change(at)) for at in range(0, 1200, 10)]


def failing(watch=None, before=REST, after=REST, tally=None, answers=None):
    """The names of what does not hold."""
    judged = verdict.judge(watch or MadeUp(), SPAN, before, after, tally or Tally(),
                           answers or Answers(100, [], []), 96)
    return [one.what for one in judged if not one.holds]


def test_what_is_as_before_holds():
    assert failing() == []


def test_a_leak_is_seen_and_what_is_filled_in_the_warm_up_is_none():
    assert failing(MadeUp(lambda at: {"rss_mib": 500 + 0.013 * at})) == ["growth of the resident memory"]
    assert failing(MadeUp(lambda at: {"rss_mib": 500 + 0.009 * at})) == []
    assert failing(MadeUp(lambda at: {"rss_mib": 500 + min(at, 100)})) == []


def test_one_large_sample_is_no_leak():
    assert failing(MadeUp(lambda at: {"rss_mib": 900 if at == 1050 else 500})) == []


def test_slower_and_slower_is_seen():
    assert failing(MadeUp(first=lambda at: 0.1 + at / 5000)) == [
        "99th percentile of the time to the first token"]


@pytest.mark.parametrize("name", REST)
def test_what_is_left_behind_is_seen(name):
    assert len(failing(after={**REST, name: REST[name] + 1})) == 1


def test_wrong_answers_and_errors_are_seen_and_ties_are_none():
    wrong, error = Tally(), Tally()
    wrong.is_wrong("turn", "?")
    error.error("turn", "?")
    assert failing(tally=wrong) == ["wrong answers"]
    assert failing(tally=error) == ["unexpected errors"]
    assert failing(answers=Answers(100, [], [{"first": "a"}])) == ["wrong answers"]
    assert failing(answers=Answers(100, [{"first": "a"}], [])) == []
    assert failing(answers=Answers(0, [], [])) == ["wrong answers"], "nothing was compared"


@pytest.mark.parametrize("change", [{"store_mib": 50}, {"written_blocks": 50}, {"store_mib": 97}])
def test_a_store_that_was_never_full_or_is_too_large_is_seen(change):
    assert failing(MadeUp(lambda at: change)) == ["files written while the store was full"]


def test_a_slower_machine_is_told_from_longer_waits():
    slower = findings.parts(MadeUp(first=lambda at: 0.1 if at < 600 else 0.2), SPAN)
    assert [row["token_ms"] for row in slower] == [1, 1, 1, 1, 1, 2, 2, 2, 2, 2]
    waiting = findings.parts(MadeUp(first=lambda at: 0.1 if at < 600 or at % 3 else 0.9), SPAN)
    assert {row["token_ms"] for row in waiting} == {1}
    assert waiting[-1]["first_p99_ms"] > waiting[0]["first_p99_ms"]
    assert {row["computed_tokens"] for row in slower} == {100}


def test_a_short_run_writes_down_what_it_found(tmp_path):
    path = tmp_path / "soak.json"
    command = [sys.executable, SOAK / "soak.py", "--minutes", "0.1", "--clients", "3", "--ctx", "8192", "--json", path]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as soak:
        try:
            said, errors = soak.communicate()
        finally:
            soak.terminate()
    assert path.exists(), said + errors
    found = json.loads(path.read_text())
    assert found["wrong"] == [] and found["errors"] == []
    assert found["compared"] > 0 and found["parts"]
    # So short a run may end before the store was full, and has few answers for a percentile.
    assert {one["what"] for one in found["judged"] if not one["holds"]} <= {
        "files written while the store was full", "99th percentile of the time to the first token",
        "growth of the resident memory"}
    assert said.strip() == path.with_suffix(".md").read_text().strip()
    titles = [text.text for text in xml.etree.ElementTree.parse(path.with_suffix(".svg")).iter(
        "{http://www.w3.org/2000/svg}text")]
    assert titles[0].startswith("3 clients for ") and "Memory, MiB" in titles
