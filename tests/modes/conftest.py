"""Fixtures of the tests with real servers: the same scripted model for each, and a person."""

import contextlib
import os
import pathlib
import re
import subprocess
import sys

import pytest

HERE = pathlib.Path(__file__).parent
sys.path.insert(0, str(HERE.parent / "cli"))
from person import CLAUDE, PROGRAM, Person, run, scripted_model  # noqa: E402


def pytest_collection_modifyitems(items):
    if not CLAUDE:
        for item in items:
            if "person" in item.fixturenames:
                item.add_marker(pytest.mark.skip(reason="Claude Code is not installed"))


@pytest.fixture(scope="session")
def gguf(tmp_path_factory):
    return scripted_model(tmp_path_factory.mktemp("model"))


def environment_of(name):
    """The virtual environment with a server from PyPI; the test is skipped where ./dev made none."""
    folder = os.environ.get(name)
    if not folder:
        pytest.skip(f"PyPI could not be reached: there is no {name}")
    return pathlib.Path(folder)


@pytest.fixture(scope="session")
def mlx_folder(gguf, tmp_path_factory):
    """The same model for MLX's servers, a folder at a local path."""
    python = environment_of("ANYCLAUDE_MLX_LM") / "bin/python"
    folder = tmp_path_factory.mktemp("mlx") / "scripted-mlx"
    subprocess.run([python, HERE / "mlx_model.py", gguf, folder, "1"], check=True, timeout=120)
    return folder


class Visitor(Person):
    """A person whose anyclaude runs in a mode with a server."""

    def __init__(self, folder, mode, model, programs=None):
        super().__init__(folder, model)
        self.mode = mode
        self.programs = programs

    @property
    def environment(self):
        more = {"ANYCLAUDE_MODE": self.mode, "MLX_DISABLE_COMPILE": "1"}
        if self.programs:
            more["PATH"] = f"{self.programs}:{os.environ['PATH']}"
        return super().environment | more

    def command(self, *arguments):
        # One tool makes a prompt of a third the length: these servers take a minute for the whole one.
        return super().command(*arguments, "--tools", "Bash")

    @contextlib.contextmanager
    def serving(self):
        """`anyclaude serve` while the block runs: launchers attach to it, and its server stays."""
        (self.files / "state").mkdir(mode=0o700, exist_ok=True)
        with open(self.files / "state" / "daemon.log", "a", encoding="utf-8") as log:
            daemon = subprocess.Popen([str(PROGRAM), "serve", "--model", str(self.model)],
                                      stdout=subprocess.PIPE, stderr=log, env=self.environment)
        try:
            assert daemon.stdout.readline(), self.log()
            yield
        finally:
            daemon.terminate()
            assert daemon.wait(timeout=60) == 0

    def server_url(self):
        return re.findall(r" at (http://127\.0\.0\.1:\d+)", self.log())[0]

    def somebody_else(self, folder):
        """Another person of this machine, who is told where the server is."""
        other = Visitor(folder, self.mode, self.model, self.programs)
        (other.files / "config.toml").write_text(
            f'[backends.{self.mode}]\nurl = "{self.server_url()}"\n')
        return other

    def server_log(self):
        log = self.files / "state" / f"{self.mode}.log"
        return log.read_text(errors="replace") if log.exists() else ""

    def log(self):
        return super().log() + "\n" + self.server_log()[-4000:]


@pytest.fixture(params=["llama-cpp", "mlx-lm", "mlx-omni"])
def person(request, tmp_path_factory):
    mode = request.param
    programs = None
    if mode == "llama-cpp":
        model = request.getfixturevalue("gguf")
    else:
        model = request.getfixturevalue("mlx_folder")
        programs = environment_of({"mlx-lm": "ANYCLAUDE_MLX_LM", "mlx-omni": "ANYCLAUDE_MLX_OMNI"}[mode]) / "bin"
    someone = Visitor(tmp_path_factory.mktemp("one"), mode, model, programs)
    yield someone
    run([PROGRAM, "stop"], env=someone.environment)


@pytest.fixture(autouse=True)
def time_limit():
    """Here each program has its own."""
