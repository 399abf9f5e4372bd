"""A person who types what the documentation shows, with the built program and a demo model, in a home and
a folder that are thrown away. Programs that cannot be here are played by strict stand-ins."""

import os
import pathlib
import pty
import re
import select
import shutil
import signal
import socket
import subprocess
import sys
import tarfile
import time

from commands import REPOSITORY
from daemon import Daemon, wait_for

CONTRACT = REPOSITORY / "tests/contract"
SECONDS = 180  # of one command, beside other tests

# Claude Code's place: asks one question of where its settings say, and prints the answer.
CLAUDE = """
import json, os, sys, urllib.request
os.environ.update(json.load(open(sys.argv[sys.argv.index("--settings") + 1]))["env"])
system = "You help with a project. " * 200
request = urllib.request.Request(
    os.environ["ANTHROPIC_BASE_URL"] + "/v1/messages",
    json.dumps({"model": "m", "max_tokens": 5, "system": system,
                "messages": [{"role": "user", "content": "Hello?"}]}).encode(),
    {"authorization": "Bearer " + os.environ["ANTHROPIC_AUTH_TOKEN"], "content-type": "application/json"})
print(json.load(urllib.request.urlopen(request))["content"][0]["text"])
"""

# `man -l -`, which Debian's root without man-db lacks.
MAN = """
import subprocess, sys
assert sys.argv[1:] == ["-l", "-"], sys.argv
page = subprocess.run(["groff", "-man", "-Tutf8", "-ww"], input=sys.stdin.read(), text=True,
                      capture_output=True, check=True)
assert "SYNOPSIS" in page.stdout and not page.stderr, page.stderr
"""

# Those that serve until they are ended, and the port that they are given, or have by themselves.
SERVERS = {"anyclaude serve": None, "llama-server": 8080, "vllm": 8000, "sglang.launch_server": 30000,
           "trtllm-serve": 8000, "ollama": 11434, "mlx_lm.server": 8080, "mlx-omni-server": 10240}

# Words that stand for something of the reader's.
PLACEHOLDERS = {"/path/to/model.gguf": "{model}", "/path/to/model": "{folder}", "MODEL.gguf": "{model}",
                "MODEL": "{folder}", "FILE": "{model}", "MODE": "local", "NAME": "reader",
                "_API_KEY=…": "_API_KEY=secret", "anyclaude-key-…": "{key}"}

# Measuring at a size for which no one has to wait: the options are the command's own.
SHORT = " --tokens 1800 --repeats 1 --sessions 0"


def executable(path, text):
    path.write_text(text)
    path.chmod(0o755)


class Reader:
    def __init__(self, program, models, folder):
        self._program = pathlib.Path(program).resolve()
        self._folder = folder
        self.model = models.scripted([{"say": "Hello from the model."}], name="docs")
        self._programs = folder / "programs"
        self._pages = {}
        self._homes = 0
        self._place_programs()
        self._home = self.new_home()
        self.daemon = Daemon(self._program, self._home / "anyclaude", self.model,
                             ["--ctx", 16384], environment={"HOME": str(self._home)})
        self._fill_cache()

    def close(self):
        self.daemon.kill()
        for file in self._folder.glob("h*/lms-server.pid"):  # LM Studio's server stays when `lms` has started it
            os.kill(int(file.read_text()), signal.SIGTERM)

    def _place_programs(self):
        self._programs.mkdir()
        (self._programs / "anyclaude").symlink_to(self._program)
        python = f"#!{sys.executable}\n"
        executable(self._programs / "claude", python + CLAUDE)
        if not shutil.which("man"):
            executable(self._programs / "man", python + MAN)
        (self._programs / "python").symlink_to(sys.executable)
        played = f"import sys; sys.path.insert(0, {str(CONTRACT)!r}); from start_programs import main; "
        for name in ("vllm", "trtllm-serve", "lms", "ollama", "mlx_lm.server", "mlx-omni-server"):
            executable(self._programs / name, f"{python}{played}main({name!r}, sys.argv[1:])\n")
        sglang = self._folder / "python/sglang"
        sglang.mkdir(parents=True)
        (sglang / "__init__.py").touch()
        (sglang / "launch_server.py").write_text(f"{played}main('sglang', sys.argv[1:])\n")

    def new_home(self):
        """What a reader has: a config.toml that names a model, and models of other servers' kinds."""
        self._homes += 1
        home = self._folder / f"h{self._homes}"
        for name in ("m", "qwen3-4b-mlx"):
            model = home / "models" / name
            model.mkdir(parents=True)
            (model / "config.json").write_text('{"model_type": "qwen3", "quantization": {"bits": 4}}')
            (model / "model.safetensors").touch()
        (home / "anyclaude").mkdir(mode=0o700)
        (home / "anyclaude/config.toml").write_text(f'model = "{self.model}"\n')
        return home

    def page_folder(self, page):
        """Where the commands of a page are typed: what they name of the checkout is there."""
        if page not in self._pages:
            folder = self._pages[page] = self._folder / f"page{len(self._pages)}"
            (folder / "build/bin").mkdir(parents=True)
            (folder / "build/bin/anyclaude").symlink_to(self._program)
            executable(folder / "dev", f'#!/bin/sh\nexec {REPOSITORY}/dev "$@"\n')
            (folder / "docs/pictures").mkdir(parents=True)
            (folder / "share/systemd/user").mkdir(parents=True)
            shutil.copy(REPOSITORY / "packaging/anyclaude.service", folder / "share/systemd/user")
            (folder / "c.yml").write_text("kv_cache_config: {enable_block_reuse: true}\n")
            shutil.copytree(REPOSITORY / "docs", folder / "docs", dirs_exist_ok=True,
                            ignore=shutil.ignore_patterns("pictures"))
            shutil.copy(self._pack, folder / "team.pack")
            self._place_archive(folder / "build/package")
        return self._pages[page]

    def _place_archive(self, folder):
        """As `./dev package` names and lays it out, with nothing in it but the program."""
        version = re.search(r"project\(anyclaude VERSION ([0-9.]+)",
                            (REPOSITORY / "CMakeLists.txt").read_text())[1]
        name = f"anyclaude-{version}-linux-{os.uname().machine}"
        folder.mkdir()
        with tarfile.open(folder / f"{name}.tar.gz", "w:gz") as tar:
            tar.add(self._program, f"{name}/bin/anyclaude")

    def _fill_cache(self):
        """A conversation with tools' worth of system text, kept, and packed as somebody else would."""
        asked = subprocess.run(["anyclaude", "-p", "Hello?"], env=self.environment(self._home), text=True,
                               capture_output=True, timeout=SECONDS, check=False)
        assert asked.returncode == 0, asked.stderr + self.daemon.log()
        self._pack = self._folder / "team.pack"

        def packed():
            done = subprocess.run(["anyclaude", "cache", "export", str(self._pack)], timeout=SECONDS,
                                  env=self.environment(self._home), capture_output=True, check=False)
            return done.returncode == 0

        wait_for(packed, "what was computed is exported")
        key = subprocess.run(["anyclaude", "cache", "key"], env=self.environment(self._home), text=True,
                             capture_output=True, check=True, timeout=SECONDS)
        self._key = key.stdout.split()[0]

    def environment(self, home):
        kept = {name: value for name, value in os.environ.items()
                if not name.startswith(("ANTHROPIC_", "ANYCLAUDE_", "CLAUDE", "XDG_"))
                and name not in ("DISPLAY", "WAYLAND_DISPLAY")}
        return kept | {"HOME": str(home), "ANYCLAUDE_HOME": str(home / "anyclaude"),
                       "PATH": f"{self._programs}:{os.environ['PATH']}", "TERM": "xterm-256color",
                       "PYTHONPATH": str(self._folder / "python"),
                       "START_RECORD": str(home / "started.jsonl")}

    def filled(self, text, home):
        values = {"model": self.model, "folder": home / "models/m", "key": self._key}
        pattern = "|".join(rf"(?<![\w.-]){re.escape(name)}(?![\w/.-])" if name[0] not in "_" else
                           re.escape(name) for name in PLACEHOLDERS)
        return re.sub(pattern, lambda word: PLACEHOLDERS[word[0]].format(**values), text)

    def run(self, command):
        """Types it, and fails unless it did well."""
        assert not re.match(r"(\w+=\S+ )*\./dev (?!help)", command.text), f"it builds: name it in not_run.py: {command}"
        begin = r"^(\w+=\S+ )*(python -m )?"
        server = next((name for name in SERVERS if re.match(rf"{begin}{re.escape(name)}( |$)", command.text)), None)
        alone = server or "ANYCLAUDE_MODE=" in command.text
        home = self.new_home() if alone else self._home
        text = self.filled(command.text, home)
        if re.search(r"(^|/| )anyclaude bench", text) and "--compare" not in text:
            text += SHORT
        options = {"cwd": self.page_folder(command.page), "env": self.environment(home)}
        bash = ["bash", "-euo", "pipefail", "-c", text]
        if server:
            self._serve(bash, SERVERS[server], text, options)
        elif re.search(r"anyclaude top$", text):
            watch(bash, options)
        else:
            done = subprocess.run(bash, text=True, capture_output=True, timeout=SECONDS, check=False,
                                  stdin=subprocess.DEVNULL, **options)
            assert done.returncode == 0, f"{text}\nended with {done.returncode}: {done.stdout}{done.stderr}"

    def _serve(self, bash, port, text, options):
        """Until it listens; then it is asked to end."""
        given = re.search(r"--port (\d+)", text)
        port = int(given[1]) if given else port
        log = pathlib.Path(options["env"]["HOME"]) / "server.log"
        with open(log, "w", encoding="utf-8") as output:
            process = subprocess.Popen(bash, stdin=subprocess.DEVNULL, stdout=output, stderr=output,
                                       start_new_session=True, **options)

        def listens():
            assert process.poll() is None, f"{text}\nended with {process.returncode}: {log.read_text()}"
            if port is None:
                return "ANTHROPIC_BASE_URL=" in log.read_text()
            with socket.socket() as probe:
                return probe.connect_ex(("127.0.0.1", port)) == 0

        try:
            wait_for(listens, f"{text} listens", SECONDS)
            os.killpg(process.pid, signal.SIGTERM)
            status = process.wait(timeout=SECONDS)
            assert port is not None or status == 0, f"{text}\nended with {status}: {log.read_text()}"
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()


def watch(bash, options):
    """A program of the whole terminal: looked at until it has drawn, and left with q."""
    terminal, inner = pty.openpty()
    process = subprocess.Popen(["setsid", "--ctty", "--wait", *bash], stdin=inner, stdout=inner, stderr=inner, **options)
    os.close(inner)
    seen, deadline, left = b"", time.monotonic() + SECONDS, False
    try:
        while time.monotonic() < deadline:
            if not select.select([terminal], [], [], 1)[0]:
                continue
            try:
                part = os.read(terminal, 65536)
            except OSError:  # the other end is closed
                part = b""
            if not part:
                break
            seen += part
            if b"token" in seen and not left:
                os.write(terminal, b"q")
                left = True
        else:
            process.kill()
    finally:
        status = process.wait(timeout=SECONDS)
        os.close(terminal)
    assert left and status == 0, f"ended with {status}: {seen[-2000:]!r}"
