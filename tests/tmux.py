"""A program in a terminal of tmux: what stands on its screen, and keys for it."""

import pathlib
import subprocess
import tempfile

from daemon import wait_for


class Terminal:
    """Ends the program with the block that it is used in."""

    def __init__(self, command, folder, environment, columns=80, lines=24):
        self._socket = pathlib.Path(tempfile.mkdtemp(prefix="tmux-")) / "socket"
        variables = [part for name, value in environment.items() for part in ("-e", f"{name}={value}")]
        # The shell stays, so that the last screen and the exit status can be read.
        self._run("-f", "/dev/null", "new-session", "-d", "-x", str(columns), "-y", str(lines),
                  "-c", str(folder), *variables, "sh", "-c",
                  '"$@"; echo "exit status $?"; exec cat', "sh", *map(str, command))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._run("kill-server")

    def _run(self, *arguments):
        return subprocess.run(["tmux", "-u", "-S", str(self._socket), *arguments], check=True,
                              capture_output=True, text=True, timeout=30).stdout

    def screen(self, colours=False):
        """`colours`: with the escape sequences for them."""
        return self._run("capture-pane", "-p", *(["-e"] if colours else []))

    def press(self, *keys):
        self._run("send-keys", *keys)

    def wait_for(self, words, seconds=30):
        wait_for(lambda: words in self.screen(), f"{words!r} on the screen", seconds)
        return self.screen()
