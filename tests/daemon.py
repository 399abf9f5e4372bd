"""A running `anyclaude serve`, the demo models it answers with, and waiting for things to happen."""

import dataclasses
import http.client
import json
import os
import pathlib
import select
import signal
import subprocess
import threading
import time
import urllib.parse


def wait_for(condition, what, seconds=30):
    """Polls until `condition()` is true and returns its value; fails with `what` after `seconds`."""
    deadline = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            raise AssertionError(f"in {seconds} s this did not come about: {what}")
        time.sleep(0.01)


def process_memory_kib(pid, name):
    """From /proc: VmRSS now, VmHWM at its highest."""
    for line in pathlib.Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith(name + ":"):
            return int(line.split()[1])
    raise AssertionError(f"/proc says no {name}")


def metric_numbers(body):
    """What GET /metrics answers, as {name: number}."""
    lines = [line for line in body.decode().splitlines() if not line.startswith("#")]
    return {name: float(value) for name, value in (line.rsplit(" ", 1) for line in lines)}


def tokens_that_left(metrics):
    """Of idle prefixes, by metric_numbers(), that left the KV cache: to make room, or, where they cost running
    requests more than loading them again, for the store."""
    return metrics["anyclaude_kv_evicted_tokens_total"] + metrics["anyclaude_kv_moved_out_tokens_total"]


@dataclasses.dataclass
class Reply:
    """An HTTP answer that has been read to its end."""

    status: int
    headers: dict  # names in lower case
    body: bytes

    def json(self):
        return json.loads(self.body)

    def error(self):
        """The `error` object of the API, checked for its envelope."""
        body = self.json()
        assert body["type"] == "error" and body["request_id"] == self.headers["request-id"], body
        return body["error"]


class DemoModels:
    """Demo models as files, each made once; equal questions give the same path."""

    def __init__(self, program, folder):
        self._program = program
        self._folder = folder
        self._made = {}

    def scripted(self, scripts, name="scripted", size="tiny", arch="qwen3"):
        """`scripts` is the list under "scripts" of a script file (see src/demo/script.h)."""
        text = json.dumps({"scripts": scripts})

        def options():
            script = self._folder / f"{name}.json"
            script.write_text(text)
            return ["--script", str(script), "--arch", arch]

        if arch != "qwen3":
            name += "-" + arch
        return self._make((text, size, arch), name, size, options)

    def random(self, size="tiny", seed=1, arch="qwen3"):
        name = f"random-{size}-{seed}" + ("" if arch == "qwen3" else "-" + arch)
        return self._make(name, name, size,
                          lambda: ["--random", "--seed", str(seed), "--arch", arch])

    def projector(self, arch="qwen3"):
        """What lets the tiny model of this architecture see images."""
        name = "mmproj-" + arch
        return self._make(name, name, "tiny", lambda: ["--mmproj", "--arch", arch])

    def _make(self, key, name, size, options):
        if key not in self._made:
            path = self._folder / f"{name}.gguf"
            assert not path.exists(), f"two different models would be called {name}"
            subprocess.run(
                [self._program, "model", "demo", "--size", size, *options(), "-o", path],
                check=True, stdout=subprocess.DEVNULL, timeout=120)
            self._made[key] = path
        return self._made[key]


class Daemon:
    """`anyclaude serve` with files of its own. `home` must be a folder that no other daemon uses.
    With a model, it is ready once made, unless `wait` is false."""

    # Every one that runs, so that a failed test can show their logs.
    running = []

    def __init__(self, program, home, model=None, options=(), token=None, environment=None,
                 wait=True):
        self.home = pathlib.Path(home)
        self.home.mkdir(parents=True, exist_ok=True)
        self._log_path = self.home / "serve.log"
        command = [str(program), "serve", "--port", "0"]
        if model:
            command += ["--model", str(model)]
        if token:
            command += ["--token", token]
        command += [str(option) for option in options]
        with open(self._log_path, "ab") as log:
            self._process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=log,
                env={**os.environ, "ANYCLAUDE_HOME": str(self.home), **(environment or {})})
        Daemon.running.append(self)
        try:
            self._read_address()
            # What it prints later must not fill the pipe.
            threading.Thread(target=self._process.stdout.read, daemon=True).start()
            if model and wait:
                self.wait_until_ready()
        except BaseException:
            self._process.kill()
            self._forget()
            raise

    @property
    def pid(self):
        return self._process.pid

    @property
    def port(self):
        return urllib.parse.urlsplit(self.base_url).port

    def log(self):
        return self._log_path.read_text(errors="replace")

    def ended(self):
        return self._process.poll() is not None

    def wait_until_ready(self, seconds=60):
        def ready():
            assert not self.ended(), f"the daemon ended by itself:\n{self.log()}"
            return self.request("GET", "/health", token=None).status == 200

        wait_for(ready, "GET /health answers 200", seconds)

    def stop(self):
        """Ends it as a person would, and fails unless it ends in time and well."""
        if self not in Daemon.running:
            return
        try:
            self._process.send_signal(signal.SIGTERM)
            status = self._process.wait(timeout=20)
            assert status == 0, f"the daemon ended with status {status}:\n{self.log()}"
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
            raise AssertionError(f"the daemon did not end in 20 s:\n{self.log()}") from None
        finally:
            self._forget()

    def wait(self, seconds):
        """Until it has ended by itself or by a signal; returns its status, which is negative for a signal."""
        status = self._process.wait(timeout=seconds)
        self._forget()
        return status

    def kill(self):
        """Ends it without warning."""
        self._process.kill()
        self._process.wait()
        self._forget()

    def request(self, method, path, body=None, headers=(), token="own", timeout=60):
        """One request on a connection of its own. `body`: bytes, or what becomes JSON. `token`:
        "own", another one, or None for no token."""
        sent = {"content-type": "application/json"} if body is not None else {}
        if token is not None:
            sent["authorization"] = f"Bearer {self.token if token == 'own' else token}"
        sent.update(headers)
        if body is not None and not isinstance(body, bytes):
            body = json.dumps(body).encode()
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=timeout)
        try:
            connection.request(method, path, body, sent)
            response = connection.getresponse()
            names = {name.lower(): value for name, value in response.getheaders()}
            return Reply(response.status, names, response.read())
        finally:
            connection.close()

    def ask(self, body, **options):
        """POST /v1/messages."""
        return self.request("POST", "/v1/messages", body, **options)

    def metrics(self):
        """GET /metrics as {name: number}."""
        reply = self.request("GET", "/metrics")
        assert reply.status == 200, reply.body
        return metric_numbers(reply.body)

    def memory_kib(self, name="VmRSS"):
        """Its own, as process_memory_kib says."""
        return process_memory_kib(self.pid, name)

    def threads(self):
        return len(os.listdir(f"/proc/{self.pid}/task"))

    def open_files(self):
        return len(os.listdir(f"/proc/{self.pid}/fd"))

    def _read_address(self, seconds=30):
        """The address stands in what it prints on standard output."""
        found = {}
        buffered = b""
        deadline = time.monotonic() + seconds
        descriptor = self._process.stdout.fileno()
        in_path = "/t/"  # where the token stands in claude mode, whose headers are another server's
        while not ("ANTHROPIC_AUTH_TOKEN" in found or in_path in found.get("ANTHROPIC_BASE_URL", "")):
            left = max(0, deadline - time.monotonic())
            readable, _, _ = select.select([descriptor], [], [], left)
            part = os.read(descriptor, 4096) if readable else b""
            assert part, f"the daemon did not say how to reach it:\n{self.log()}"
            buffered += part
            complete = buffered[: buffered.rfind(b"\n") + 1].decode()
            found = dict(line.strip().split("=", 1) for line in complete.splitlines() if "=" in line)
        self.base_url, _, token = found["ANTHROPIC_BASE_URL"].partition(in_path)
        self.token = urllib.parse.unquote(token) or found["ANTHROPIC_AUTH_TOKEN"]

    def _forget(self):
        if self in Daemon.running:
            Daemon.running.remove(self)
