"""Daemons under load for the faults, and the table of what became of each."""

import os
import pathlib
import sys

import pytest

TESTS = pathlib.Path(__file__).resolve().parent.parent
sys.path[:0] = [str(TESTS), str(TESTS / "api"), str(TESTS / "backends"), str(TESTS / "contract")]

from harness import Harness, Ledger, Shim  # noqa: E402
from talks import QUESTIONS  # noqa: E402

from daemon import Daemon  # noqa: E402

RESULTS = pathlib.Path(os.environ.get("ANYCLAUDE_FAULTS", TESTS.parent / "build/test-results"))


@pytest.fixture(scope="session")
def ledger():
    ledger = Ledger()
    yield ledger
    ledger.write(RESULTS)


@pytest.fixture(scope="session")
def model(demo_models):
    return demo_models.random()


@pytest.fixture(scope="session")
def shim_library(tmp_path_factory):
    return Shim.build(tmp_path_factory.mktemp("shim"))


@pytest.fixture(scope="module")
def harness(program, model, ledger, tmp_path_factory):
    """One daemon on our own engine for a module's faults."""
    daemon = Daemon(program, tmp_path_factory.mktemp("daemon"), model,
                    ["--ctx", 16384, "--threads", 1])
    try:
        yield Harness(daemon, QUESTIONS, ledger)
    finally:
        daemon.stop()
