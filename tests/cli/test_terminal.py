"""Claude Code's own screen, in a terminal."""

import fcntl
import json
import os
import pty
import re
import select
import signal
import struct
import termios
import time

from person import LAST_WORDS, LONGEST_ANSWER


class Screen:
    """A program in a terminal of 40 lines by 120 columns, and all that it has written."""

    def __init__(self, command, folder, environment):
        self.pid, self.terminal = pty.fork()
        if self.pid == 0:
            os.chdir(folder)
            os.execve(command[0], command, environment)
        fcntl.ioctl(self.terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 40, 120, 0, 0))
        self.modes = termios.tcgetattr(self.terminal)
        self.written = b""

    def read(self, seconds):
        """False when the program has closed the terminal."""
        readable, _, _ = select.select([self.terminal], [], [], seconds)
        if not readable:
            return True
        try:
            data = os.read(self.terminal, 65536)
        except OSError:
            return False
        self.written += data
        return bool(data)

    def text(self):
        """Without colours, cursor movements and blanks, since words are placed one by one."""
        plain = re.sub(rb"\x1b\[[0-9;?<>=]*[ -/]*[@-~]", b"", self.written).decode(errors="replace")
        return re.sub(r"\s", "", plain)

    def wait_for(self, words, seconds):
        deadline = time.monotonic() + seconds
        wanted = words.replace(" ", "")
        while wanted not in self.text():
            assert time.monotonic() < deadline, f"no {words!r} on the screen:\n{self.text()[-3000:]}"
            assert self.read(0.2), f"the program ended:\n{self.text()[-3000:]}"

    def type(self, words):
        os.write(self.terminal, words.encode())
        self.wait_for(words, 30)
        os.write(self.terminal, b"\r")

    def wait_for_end(self):
        while self.read(1):
            pass
        return os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])


def at_the_terminal(person):
    """Claude Code's screen, past what it asks a newcomer."""
    (person.home / ".claude.json").write_text(json.dumps({
        "hasCompletedOnboarding": True,
        "theme": "dark",
        "projects": {str(person.project): {"hasTrustDialogAccepted": True}},
    }))
    screen = Screen(person.command(), person.project, person.environment)
    screen.wait_for("for agents", 60)
    return screen


def test_a_question_at_the_terminal(person):
    screen = at_the_terminal(person)
    screen.type("Who is there?")
    screen.wait_for(LAST_WORDS, LONGEST_ANSWER)
    screen.type("/exit")
    assert screen.wait_for_end() == 0
    assert "anyclaude: 1 request, ".replace(" ", "") in screen.text().splitlines()[-1]


def test_the_model_picker_names_our_model(person):
    screen = at_the_terminal(person)
    screen.type("/model")
    screen.written = b""
    screen.wait_for("Select model", 60)
    screen.wait_for(person.model.stem, 60)
    os.kill(screen.pid, signal.SIGTERM)  # how a picker is left differs from version to version
    screen.wait_for_end()
