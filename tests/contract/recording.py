"""The recording upstream as a program, and what it has recorded."""

import json
import pathlib
import socket
import subprocess
import sys

# A person's own, each with the variable that brings it to Claude Code and the header it is sent in.
KEY = "sk-ant-api03-a-key-of-ones-own"
LOGIN = "sk-ant-oat01-a-login-of-ones-own"
CREDENTIALS = [("ANTHROPIC_API_KEY", KEY, "x-api-key", KEY),
               ("ANTHROPIC_AUTH_TOKEN", KEY, "authorization", f"Bearer {KEY}"),
               ("CLAUDE_CODE_OAUTH_TOKEN", LOGIN, "authorization", f"Bearer {LOGIN}")]


class Recording:
    def __init__(self, folder):
        self._record = folder / "record.jsonl"
        self._process = subprocess.Popen(
            [sys.executable, pathlib.Path(__file__).parent / "recording_upstream.py", self._record],
            stdout=subprocess.PIPE, text=True)
        self.port = int(self._process.stdout.readline())
        self.url = f"http://127.0.0.1:{self.port}"

    def entries(self):
        lines = self._record.read_text().splitlines() if self._record.exists() else []
        return [json.loads(line) for line in lines]

    def last(self):
        return self.entries()[-1]

    def ask(self, target):
        with socket.create_connection(("127.0.0.1", self.port), timeout=30) as direct:
            direct.sendall(f"GET {target} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
            direct.recv(65536)

    def stop(self):
        self._process.kill()
        self._process.wait()
