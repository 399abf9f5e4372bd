"""A disk that is full, and then is not: answers go on, one warning is written, and storing resumes."""

import os
import pathlib
import subprocess

import pytest

from daemon import Daemon, wait_for

MOUNT = """#!/bin/sh
# A file system of its own for the store, in a mount namespace that ends with the daemon.
set -e
mkdir -p "$ANYCLAUDE_HOME/cache/prefixes"
exec unshare --mount --propagation {propagation} sh -ec '
  mount -t tmpfs -o size=32m,mode=0700 tmpfs "$ANYCLAUDE_HOME/cache/prefixes"
  exec "$0" "$@"' "{program}" "$@"
"""


def usable_propagation():
    """None without the right to mount. Inside ./dev's root, whose mounts are private already, the root
    folder is no mount, and nothing can be changed about it."""
    for propagation in ("private", "unchanged") if os.path.exists("/anyclaude-root") else ("private",):
        tried = subprocess.run(["unshare", "--mount", "--propagation", propagation, "true"], check=False,
                               capture_output=True)
        if tried.returncode == 0:
            return propagation
    return None


def body(number, lines=40):
    words = " ".join(f"The {n}th line of case {number} says what line {n} says." for n in range(lines))
    return {"model": "x", "max_tokens": 4, "temperature": 0, "system": words,
            "messages": [{"role": "user", "content": "What is it?"}]}


def computed(daemon, number):
    """Whether an answer's prompt was, but for the words that all begin with."""
    reply = daemon.ask(body(number))
    assert reply.status == 200, reply.body
    return reply.json()["usage"]["cache_read_input_tokens"] < 100


def test_a_full_disk_stops_storing_until_there_is_room(program, demo_models, tmp_path):
    propagation = usable_propagation()
    if not propagation:
        pytest.skip("needs the right to mount")
    wrapper = tmp_path / "anyclaude-on-a-small-disk"
    wrapper.write_text(MOUNT.format(program=program, propagation=propagation))
    wrapper.chmod(0o755)
    daemon = Daemon(wrapper, tmp_path / "home", demo_models.random(),
                    ["--cache-size", "1GiB", "--ctx", 4096, "--threads", 1])
    try:
        # The folder as the daemon sees it.
        store = pathlib.Path(f"/proc/{daemon.pid}/root{daemon.home}/cache/prefixes")

        def blocks():
            return len(list(store.glob("*/*/*.kv")))

        assert computed(daemon, 0)
        wait_for(lambda: blocks() > 0, "the first blocks are stored")
        ballast = store / "ballast"
        with open(ballast, "wb") as file, pytest.raises(OSError):
            while True:
                os.write(file.fileno(), bytes(4096))
        for number in range(1, 4):
            assert computed(daemon, number)
        wait_for(lambda: "cannot store prefixes" in daemon.log(), "the warning")
        full = blocks()
        for number in range(4, 6):
            assert computed(daemon, number)
        assert not computed(daemon, 5)  # from memory
        assert blocks() == full
        assert not list(store.glob("*/*/*.partial"))

        ballast.unlink()

        def stored_again():
            daemon.ask(body(6))
            return blocks() > full

        wait_for(stored_again, "blocks are stored again", 60)
        assert "are stored in" in daemon.log() and "again" in daemon.log()
        assert daemon.log().count("cannot store prefixes") == 1
        assert "No space left on device" in daemon.log()
    finally:
        daemon.stop()
