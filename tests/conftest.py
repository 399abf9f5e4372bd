"""What the tests of the running program share: the program, demo models, and daemons.

ANYCLAUDE_BIN names the program; without it, the release build's is used.
"""

import os
import pathlib
import signal

import pytest

from daemon import Daemon, DemoModels

LIMIT_SECONDS = 150  # of one test; the longest takes half of it
LOG_TAIL = 6000  # characters of a daemon's log that a failure shows


@pytest.fixture(scope="session")
def program():
    built = pathlib.Path(__file__).parent.parent / "build/bin/anyclaude"
    path = pathlib.Path(os.environ.get("ANYCLAUDE_BIN", built))
    if not os.access(path, os.X_OK):
        pytest.exit(f"there is no program {path}: run ./dev build", returncode=2)
    return path


@pytest.fixture(scope="session")
def demo_models(program, tmp_path_factory):
    """Makes demo models: demo_models.scripted([...]), demo_models.random("tiny")."""
    return DemoModels(program, tmp_path_factory.mktemp("models"))


@pytest.fixture
def start_daemon(program, tmp_path_factory):
    """Starts daemons that end with the test: start_daemon(model, "--ctx", 4096)."""
    started = []

    def start(model=None, *options, home=None, **more):
        home = home or tmp_path_factory.mktemp("home")
        started.append(Daemon(program, home, model, options, **more))
        return started[-1]

    yield start
    for daemon in started:
        daemon.stop()


@pytest.fixture(autouse=True)
def time_limit():
    """A test that hangs fails, with the line it hangs at, instead of holding up all others."""

    def expired(*_):
        raise TimeoutError(f"the test took more than {LIMIT_SECONDS} s")

    before = signal.signal(signal.SIGALRM, expired)
    signal.alarm(LIMIT_SECONDS)
    yield
    signal.alarm(0)
    signal.signal(signal.SIGALRM, before)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item, call):
    report = yield
    if report.failed:
        for daemon in Daemon.running:
            report.sections.append((f"end of {daemon.home}/serve.log", daemon.log()[-LOG_TAIL:]))
    return report
