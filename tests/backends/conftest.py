"""Servers that anyclaude answers with, each behind a daemon of its own."""

import pathlib
import sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).parent.parent / "contract"))
sys.path.insert(0, str(pathlib.Path(__file__).parent.parent / "api"))

from daemon import wait_for  # noqa: E402
from faulty_server import FaultyServer  # noqa: E402


@pytest.fixture
def serve(start_daemon):
    """A daemon that answers with the server at a URL: serve(url, dialect, model=None)."""

    def start(url, dialect, model=None, ready=True, **more):
        options = ["--backend-url", url, "--backend-dialect", dialect]
        if model:
            options += ["--backend-model", model]
        daemon = start_daemon(None, *options, **more)
        if ready:
            daemon.wait_until_ready()
        return daemon

    return start


@pytest.fixture
def contract():
    """Starts contract servers that end with the test: contract(VllmServer, tool_parser=False)."""
    started = []

    def start(kind, **more):
        started.append(kind(**more))
        return started[-1]

    yield start
    for server in started:
        server.stop()


@pytest.fixture
def faulty():
    started = []

    def start(answer, port=0):
        started.append(FaultyServer(answer, port))
        return started[-1]

    yield start
    for server in started:
        server.stop()


__all__ = ["wait_for"]
