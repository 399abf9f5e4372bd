"""What was computed outlives the daemon, however it ends, unless it is told not to keep it."""

import os
import sqlite3
import subprocess

from clients import prompt_tokens

from daemon import Daemon, wait_for

WORDS = " ".join(f"The {n}th line of the instructions says what line {n} says." for n in range(120))


def body(question="What is it?", max_tokens=4):
    return {"model": "x", "max_tokens": max_tokens, "temperature": 0, "system": WORDS,
            "messages": [{"role": "user", "content": question}]}


def usage(daemon, **options):
    reply = daemon.ask(body(**options))
    assert reply.status == 200, reply.body
    return reply.json()["usage"]


def block_files(daemon):
    return list((daemon.home / "cache/prefixes").glob("*/*/*.kv"))


def wait_until_stored(daemon, tokens):
    wait_for(lambda: len(block_files(daemon)) >= tokens // 256, "the blocks are stored")


def cache(program, daemon, *arguments):
    return subprocess.run([program, "cache", *arguments], capture_output=True, text=True, timeout=60,
                          env={**os.environ, "ANYCLAUDE_HOME": str(daemon.home)})


def test_a_killed_daemon_computes_nothing_again(program, demo_models, tmp_path):
    model = demo_models.random()
    first = Daemon(program, tmp_path / "home", model)
    try:
        cold = usage(first)
        assert cold["cache_read_input_tokens"] == 0
        tokens = cold["input_tokens"] + cold["cache_creation_input_tokens"]
        assert tokens > 1000
        wait_until_stored(first, tokens)
    finally:
        first.kill()
    second = Daemon(program, tmp_path / "home", model)  # with another token
    try:
        again = usage(second)
        assert again["cache_read_input_tokens"] >= tokens // 256 * 256 - 1
        other = usage(second, question="And another question altogether?")
        assert other["cache_read_input_tokens"] > tokens * 0.9
    finally:
        second.stop()


def test_a_chosen_token_is_a_tenant_of_its_own(program, demo_models, tmp_path):
    model = demo_models.random()
    reused = []
    for token in ("a" * 32, "b" * 32, "a" * 32):
        daemon = Daemon(program, tmp_path / "home", model, token=token)
        try:
            answered = usage(daemon)
            reused.append(answered["cache_read_input_tokens"] > 0)
            if len(reused) == 1:
                wait_until_stored(daemon, answered["input_tokens"]
                                  + answered["cache_creation_input_tokens"])
        finally:
            daemon.stop()
    assert reused == [False, False, True]


def test_damaged_blocks_are_computed_again(program, demo_models, tmp_path):
    model = demo_models.random()
    daemon = Daemon(program, tmp_path / "home", model)
    try:
        cold = usage(daemon)
        wait_until_stored(daemon, cold["input_tokens"] + cold["cache_creation_input_tokens"])
    finally:
        daemon.stop()
    for number, path in enumerate(sorted(block_files(daemon))):
        with open(path, "r+b") as file:
            file.seek(-100 * (number + 1), os.SEEK_END)
            byte = file.read(1)
            file.seek(-1, os.SEEK_CUR)
            file.write(bytes([byte[0] ^ 1]))
    daemon = Daemon(program, tmp_path / "home", model)
    try:
        assert usage(daemon)["cache_read_input_tokens"] == 0
    finally:
        daemon.stop()


def test_no_store_leaves_nothing(program, demo_models, tmp_path):
    model = demo_models.random()
    for _ in range(2):
        daemon = Daemon(program, tmp_path / "home", model, options=["--no-store"])
        try:
            assert usage(daemon)["cache_read_input_tokens"] == 0
            assert usage(daemon)["cache_read_input_tokens"] > 0  # for as long as it lives
        finally:
            daemon.stop()
        assert not (daemon.home / "cache/prefixes").exists()


def test_the_cache_command_tells_checks_and_clears(program, demo_models, tmp_path):
    daemon = Daemon(program, tmp_path / "home", demo_models.random())
    try:
        cold = usage(daemon)
        tokens = cold["input_tokens"] + cold["cache_creation_input_tokens"]
        wait_until_stored(daemon, tokens)
    finally:
        daemon.stop()
    files = block_files(daemon)
    assert f"{len(files)} blocks of 1 models" in cache(program, daemon, "stat").stdout
    assert f"{len(files)} blocks" in cache(program, daemon, "ls").stdout
    assert cache(program, daemon, "verify").returncode == 0

    files[0].write_bytes(files[0].read_bytes()[:-1])
    found = cache(program, daemon, "verify")
    assert found.returncode == 1 and f"{files[0]} has damaged contents" in found.stdout
    assert cache(program, daemon, "verify", "--repair").returncode == 0
    assert not files[0].exists()
    assert cache(program, daemon, "verify").returncode == 0

    assert cache(program, daemon, "clear").returncode == 0
    assert not block_files(daemon)


QUESTION = {"role": "user", "content": "What is it?"}


def conversation(answer, question="And what else?"):
    return {"model": "x", "max_tokens": 1, "temperature": 0, "system": WORDS,
            "messages": [QUESTION, {"role": "assistant", "content": answer},
                         {"role": "user", "content": question}]}


def prompt_and_reused(reply):
    """Tokens."""
    assert reply.status == 200, reply.body
    used = reply.json()["usage"]
    return prompt_tokens(used), used["cache_read_input_tokens"]


def turns_on_disk(daemon):
    database = daemon.home / "cache/replay/replay.db"
    with sqlite3.connect(f"file:{database}?mode=ro", uri=True) as connection:
        return connection.execute("SELECT count(*) FROM turns").fetchone()[0]


def test_a_conversation_goes_on_with_its_very_tokens_after_a_kill(program, demo_models, tmp_path):
    model = demo_models.random()
    first = Daemon(program, tmp_path / "home", model)
    try:
        # Random weights sample what no tokenizer would make of the text.
        asked = first.ask({"model": "x", "max_tokens": 100, "temperature": 1, "seed": 5,
                           "system": WORDS, "messages": [QUESTION]})
        answer = asked.json()["content"][0]["text"]
        before = prompt_and_reused(asked)[0] + asked.json()["usage"]["output_tokens"]
        wait_for(lambda: turns_on_disk(first) == 1, "the answer is stored")
        tokens, _ = prompt_and_reused(first.ask(conversation(answer)))
        rendered, _ = prompt_and_reused(first.ask(conversation(answer + "!")))
        assert abs(rendered - tokens) > 3  # or this test could tell nothing
        wait_for(lambda: turns_on_disk(first) == 3, "all answers are stored")
        wait_until_stored(first, before)
    finally:
        first.kill()

    folder = first.home / "cache/replay"
    assert folder.stat().st_mode & 0o777 == 0o700
    assert all(file.stat().st_mode & 0o777 == 0o600 for file in folder.iterdir())

    second = Daemon(program, tmp_path / "home", model)
    try:
        again, reused = prompt_and_reused(second.ask(conversation(answer, "And now?")))
        same, _ = prompt_and_reused(second.ask(conversation(answer)))
        assert same == tokens
        assert reused >= before // 256 * 256 - 1  # the answer's tokens included
    finally:
        second.stop()

    forgetful = Daemon(program, tmp_path / "home", model, options=["--no-store"])
    try:
        without, _ = prompt_and_reused(forgetful.ask(conversation(answer)))
        assert without != tokens
    finally:
        forgetful.stop()


def test_no_store_keeps_no_answers(program, demo_models, tmp_path):
    daemon = Daemon(program, tmp_path / "home", demo_models.random(), options=["--no-store"])
    try:
        usage(daemon)
    finally:
        daemon.stop()
    assert not (daemon.home / "cache/replay").exists()
