"""The daemon is killed at any moment of storing and evicting, again and again: it always starts, nothing
that was stored is damaged, and nothing of it is lost by starting. (That what comes back is right is
judged by logits in tests/engine/store_crash_test.cpp.)
"""

import concurrent.futures
import http.client
import os
import random
import subprocess
import time

import pytest

from daemon import Daemon

KILLS = int(os.environ.get("ANYCLAUDE_KILLS", "3"))
TALKS = 4
PER_TEST = 4  # kills


def body(talk, question):
    words = " ".join(f"The {n}th line of case {talk} says what line {n} says." for n in range(30 + 8 * talk))
    return {"model": "x", "max_tokens": 4, "temperature": 0, "system": words,
            "messages": [{"role": "user", "content": f"What is the {question}th?"}]}


def block_files(daemon):
    return set((daemon.home / "cache/prefixes").glob("*/*/*.kv"))


def verify(program, daemon):
    return subprocess.run([program, "cache", "verify"], capture_output=True, text=True, timeout=60,
                          check=False, env={**os.environ, "ANYCLAUDE_HOME": str(daemon.home)})


def ask_without_end(daemon, seed):
    draw = random.Random(seed)
    while True:
        try:
            reply = daemon.ask(body(draw.randrange(TALKS), draw.randrange(1000)))
        except (OSError, http.client.HTTPException):
            return  # it was killed
        assert reply.status == 200, reply.body


@pytest.mark.parametrize("part", range(-(-KILLS // PER_TEST)))
def test_kills_lose_nothing(program, demo_models, tmp_path, part):
    draw = random.Random(part)
    model = demo_models.random()
    options = ["--cache-size", "3MiB", "--ctx", 4096, "--parallel", 2, "--threads", 1]
    reused = 0
    for kill in range(min(PER_TEST, KILLS - PER_TEST * part)):
        daemon = Daemon(program, tmp_path / "home", model, options)
        with concurrent.futures.ThreadPoolExecutor(2) as pool:
            clients = [pool.submit(ask_without_end, daemon, 10 * kill + n) for n in range(2)]
            before = block_files(daemon)
            while block_files(daemon) == before:  # until it stores or evicts
                time.sleep(0.01)
            time.sleep(draw.random() * 0.5)  # the moment is what is drawn
            daemon.kill()
            for client in clients:
                client.result()
        left = block_files(daemon)
        found = verify(program, daemon)
        assert found.returncode == 0, found.stdout
        assert left

        daemon = Daemon(program, tmp_path / "home", model, options)
        try:
            assert left <= block_files(daemon), "blocks were lost by starting"
            for talk in range(2):
                reply = daemon.ask(body(talk, 0))
                assert reply.status == 200
                reused += reply.json()["usage"]["cache_read_input_tokens"]
            assert "damaged" not in daemon.log()
        finally:
            daemon.kill()
    assert reused > 0
