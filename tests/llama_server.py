"""llama.cpp's own server, as Debian has it (llama.cpp-tools)."""

import json
import shutil
import socket
import subprocess
import urllib.request

from daemon import wait_for


class LlamaServer:
    """One slot on a port of its own, until stop(). One thread: more would spin while others compute."""

    def __init__(self, model, folder, *options):
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port = free.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        self._log = open(folder / "llama-server.log", "wb")
        self._process = subprocess.Popen(
            ["llama-server", "-m", model, "--host", "127.0.0.1", "--port", str(self.port), "--jinja",
             "-np", "1", "--threads", "1", "--no-webui", *map(str, options)],
            stdin=subprocess.DEVNULL, stdout=self._log, stderr=self._log)

    @staticmethod
    def is_installed():
        return shutil.which("llama-server") is not None

    def wait_until_ready(self):
        def ready():
            assert self._process.poll() is None, "llama-server ended by itself"
            try:
                return urllib.request.urlopen(self.url + "/health", timeout=5).status == 200
            except OSError:
                return False

        wait_for(ready, "llama-server is ready", 100)
        return self

    def _slot(self):
        (slot,) = json.load(urllib.request.urlopen(self.url + "/slots", timeout=5))
        return slot

    def idle(self):
        """Whether nothing is computed."""
        return not self._slot()["is_processing"]

    def generated(self):
        """Tokens of the answer under way."""
        return sum(part["n_decoded"] for part in self._slot().get("next_token", []))

    def kill(self):
        """Ends it without warning."""
        self._process.kill()
        self._process.wait()

    def stop(self):
        self._process.terminate()
        self._process.wait(timeout=30)
        self._log.close()
