"""`anyclaude top` in a terminal of tmux, beside a daemon that answers."""

import os
import pathlib
import re
import threading

import pytest

from clients import ask, sdk
from daemon import Daemon, wait_for
from tmux import Terminal

SIZES = {"80x24": (80, 24), "200x60": (200, 60)}
SYSTEM = "Be brief. " * 1100
KEYS = " q quit   p pause   Tab prefixes alone"


@pytest.fixture(scope="module")
def answering(program, scripted_model, tmp_path_factory):
    """A daemon with two conversations that share their system text; the second one's answer does not end
    before the tests do."""
    daemon = Daemon(program, tmp_path_factory.mktemp("top"), scripted_model,
                    ["--ctx", 32768, "--threads", 1])
    begun, ends = threading.Event(), threading.Event()

    def hear():
        with sdk(daemon) as client:
            while not ends.is_set():
                with client.messages.stream(**ask("ENDLESS", system=SYSTEM, max_tokens=20_000),
                                            extra_headers={"x-claude-code-session-id": "second-one"}) as stream:
                    for _ in stream.text_stream:
                        begun.set()
                        if ends.is_set():
                            return

    with sdk(daemon) as client:
        for _ in range(3):
            client.messages.create(**ask("Good morning", system=SYSTEM),
                                   extra_headers={"x-claude-code-session-id": "first-one"})
    listener = threading.Thread(target=hear)
    listener.start()
    assert begun.wait(60)
    yield daemon
    ends.set()
    listener.join()
    daemon.stop()


@pytest.fixture(params=SIZES)
def terminal(request, program, answering):
    columns, lines = SIZES[request.param]
    environment = {"ANYCLAUDE_HOME": str(answering.home), "TERM": "xterm-256color",
                   "PATH": os.environ["PATH"]}
    with Terminal([program, "top"], answering.home, environment, columns, lines) as screen:
        screen.columns, screen.lines = columns, lines
        yield screen


def lines_of(screen):
    """All of them; tmux captures as many as the terminal has."""
    return screen.screen().split("\n")[:screen.lines]


def line_with(shown, words):
    return next(line for line in shown if words in line)


def test_shows_what_goes_on(terminal, tmp_path):
    """With ANYCLAUDE_SCREENSHOTS=FOLDER pictures are taken too."""
    terminal.wait_for("tokens/s")
    terminal.wait_for("shared by 2")
    shown = lines_of(terminal)
    assert len(shown) == terminal.lines and all(len(line) <= terminal.columns for line in shown)
    assert shown[-1].startswith(KEYS), "the keys stand at the bottom"
    assert "32,768 tokens of context · ready" in shown[0]
    assert re.search(r"KV cache .* [\d,]+ of 32,768 · .* · 1 running, 0 queued", shown[2])
    live = line_with(shown, "tokens/s")
    assert re.search(r"req_\w+ +\d+ tokens/s +█+ +3,\d{3} +9\d%", live), live
    backend = line_with(shown, "local")
    assert re.search(r"local +here +1 +answers · ", backend), backend
    shared = line_with(shown, "shared by 2")
    assert "tools+system" in shared and "█" in shared, shared
    names = [name for name in ("first-on", "second-o", "+1") if name in shared]
    assert len(names) == 2 and "1 now" in shared, shared
    assert terminal.columns < 200 or "+1" not in names, "there is room for both"
    apart = [line for line in shown if ("├─" in line or "└─" in line) and "shared by" not in line]
    assert len(apart) == 2, "both conversations stand behind what they share"
    assert sum("first-on" in line for line in apart) == sum("1 now" in line for line in apart) == 1
    assert any(re.search(r"\d\d:\d\d:\d\d +3,\d{3}", line) for line in shown), "what has ended"
    if folder := os.environ.get("ANYCLAUDE_SCREENSHOTS"):
        from terminal_picture import take_picture  # needs a browser
        picture = pathlib.Path(folder) / f"top-{terminal.columns}x{terminal.lines}.png"
        take_picture(terminal.screen(colours=True), picture, tmp_path)


def test_uses_the_room(terminal):
    terminal.wait_for("shared by 2")
    shown = lines_of(terminal)
    beside = [line for line in shown if line.startswith("request ") and "backend" in line]
    assert len(beside) == (1 if terminal.columns == 200 else 0)
    assert max(map(len, shown)) > 0.8 * terminal.columns


def test_keys(terminal):
    terminal.wait_for("shared by 2")
    terminal.press("Tab")
    terminal.wait_for("Tab ended requests alone")
    shown = lines_of(terminal)
    assert any("shared by 2" in line for line in shown)
    assert not any(line.startswith(("ended", "request ")) for line in shown)
    terminal.press("Tab")
    terminal.wait_for("Tab everything")
    shown = lines_of(terminal)
    assert any(line.startswith("ended") for line in shown)
    assert not any("shared by" in line for line in shown)
    terminal.press("Tab")
    terminal.wait_for(KEYS)
    terminal.press("p")
    terminal.wait_for("p go on (paused)")
    still = lines_of(terminal)
    terminal.press("p")
    terminal.wait_for(KEYS)
    wait_for(lambda: lines_of(terminal) != still, "it goes on")
    terminal.press("q")
    terminal.wait_for("exit status 0")
