"""Fixtures of the tests with the real Claude Code."""

import pathlib
import subprocess
import sys

import pytest

from person import CLAUDE, PROGRAM, Person, run, scripted_model

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "contract"))
from recording import Recording  # noqa: E402


def pytest_collection_modifyitems(items):
    if not CLAUDE:
        for item in items:
            item.add_marker(pytest.mark.skip(reason="Claude Code is not installed"))


@pytest.fixture(scope="session")
def model(tmp_path_factory):
    return scripted_model(tmp_path_factory.mktemp("model"))


@pytest.fixture
def upstream(tmp_path):
    """In the real Claude's place; keeps what it was sent."""
    recording = Recording(tmp_path)
    yield recording
    recording.stop()


@pytest.fixture
def person(tmp_path_factory, model):
    someone = Person(tmp_path_factory.mktemp("one"), model)
    yield someone
    run([PROGRAM, "stop"], env=someone.environment)


@pytest.fixture(scope="module")
def same_person(tmp_path_factory, model):
    """One person for a module's tests, whose daemon runs throughout and keeps what it computed."""
    someone = Person(tmp_path_factory.mktemp("all"), model)
    (someone.files / "state").mkdir(mode=0o700)
    with open(someone.files / "state" / "daemon.log", "w", encoding="utf-8") as log:
        daemon = subprocess.Popen([str(PROGRAM), "serve", "--model", str(model)],
                                  stdout=subprocess.PIPE, stderr=log, env=someone.environment)
        daemon.stdout.readline()  # it listens
        yield someone
        daemon.terminate()
        assert daemon.wait(timeout=60) == 0


@pytest.fixture(autouse=True)
def time_limit():
    """Here each program has its own."""
