"""The daemon that most API tests ask, and the official client for it."""

import pytest

from clients import sdk
from daemon import Daemon
from scripts import SCRIPTS


@pytest.fixture(scope="session")
def scripted_model(demo_models):
    return demo_models.scripted(SCRIPTS)


@pytest.fixture(scope="session")
def daemon(program, scripted_model, tmp_path_factory):
    """One daemon with the scripted model for all tests that do not need one of their own."""
    daemon = Daemon(program, tmp_path_factory.mktemp("daemon"), scripted_model,
                    ["--ctx", 16384, "--threads", 1])
    yield daemon
    daemon.stop()


@pytest.fixture
def client(daemon):
    with sdk(daemon) as client:
        yield client
