"""The daemon that most API tests ask, and the official client for it."""

import anthropic
import pytest

from daemon import Daemon
from scripts import SCRIPTS


@pytest.fixture(scope="session")
def scripted_model(demo_models):
    return demo_models.scripted(SCRIPTS)


@pytest.fixture(scope="session")
def daemon(program, scripted_model, tmp_path_factory):
    """One daemon with the scripted model for all tests that do not need one of their own."""
    daemon = Daemon(program, tmp_path_factory.mktemp("daemon"), scripted_model, ["--ctx", 16384])
    yield daemon
    daemon.stop()


def sdk(daemon, **options):
    """Anthropic's client for a daemon. It does not try again by itself: a test wants the error."""
    return anthropic.Anthropic(base_url=daemon.base_url, auth_token=daemon.token,
                               **{"max_retries": 0, "timeout": 60, **options})


@pytest.fixture
def client(daemon):
    with sdk(daemon) as client:
        yield client
