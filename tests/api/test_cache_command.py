"""`anyclaude cache`: looking at what is kept, making it smaller, taking it elsewhere, and what is
never kept."""

import os
import re
import subprocess

from clients import prompt_tokens

from daemon import Daemon, wait_for

WORDS = " ".join(f"The {n}th line of the instructions says what line {n} says." for n in range(60))
TALK = " ".join(f"The {n}th thing of this talk is thing {n}." for n in range(40))
TOOLS = [{"name": "look", "description": "Looks at a file.",
          "input_schema": {"type": "object", "properties": {"path": {"type": "string"}}}}]


def body(question="What is it?", system=WORDS, max_tokens=4):
    return {"model": "x", "max_tokens": max_tokens, "temperature": 0, "system": system,
            "tools": TOOLS, "messages": [{"role": "user", "content": question}]}


def usage(daemon, path="/v1/messages", **options):
    reply = daemon.request("POST", path, body(**options), timeout=300)
    assert reply.status == 200, reply.body
    return reply.json()["usage"]


def block_files(home):
    return list((home / "cache/prefixes").glob("*/*/*.kv"))


def wait_until_stored(daemon, tokens):
    wait_for(lambda: len(block_files(daemon.home)) >= tokens // 256, "the blocks are stored")


def cache(program, home, *arguments):
    return subprocess.run([program, "cache", *[str(a) for a in arguments]], capture_output=True,
                          text=True, timeout=60, env={**os.environ, "ANYCLAUDE_HOME": str(home)})


def stored_daemon(program, model, home, **options):
    """A daemon that has answered once, and has stored what it computed; with the prompt's tokens."""
    daemon = Daemon(program, home, model, **options)
    tokens = prompt_tokens(usage(daemon))
    wait_until_stored(daemon, tokens)
    return daemon, tokens


def test_stat_shows_what_is_shared_and_what_it_saved(program, demo_models, tmp_path):
    daemon, tokens = stored_daemon(program, demo_models.random(), tmp_path / "home")
    try:
        assert usage(daemon, question="And what was that?")["cache_read_input_tokens"] > tokens * 0.9
        told = cache(program, daemon.home, "stat")
        assert told.returncode == 0, told.stderr
        assert "the running daemon (random-tiny-1)" in told.stdout
        wait_for(lambda: "2 requests found" in cache(program, daemon.home, "stat").stdout,
                 "the totals are in the index")
    finally:
        daemon.stop()
    told = cache(program, daemon.home, "stat").stdout  # without it, the same
    assert "model random-tiny-1: " in told
    assert "tools and system text" in told
    assert re.search(r"\d% of their \d+ prompt tokens computed; .* saved", told)
    assert "the running daemon" not in told


def test_prune_removes_conversations_first(program, demo_models, tmp_path):
    home = tmp_path / "home"
    daemon, _ = stored_daemon(program, demo_models.random(), home)
    try:
        first = block_files(home)
        usage(daemon, question=TALK)
        wait_for(lambda: len(block_files(home)) > len(first), "the second conversation is stored")
    finally:
        daemon.stop()
    before = block_files(home)
    size = sum(file.stat().st_size for file in before)
    assert cache(program, home, "prune").returncode == 1
    wrong = cache(program, home, "prune", "--older-than", "soon")
    assert wrong.returncode == 1 and "90m, 12h or 30d" in wrong.stderr
    assert "removed 0 blocks" in cache(program, home, "prune", "--older-than", "1d").stdout
    assert cache(program, home, "prune", "--to", str(size * 2 // 3)).returncode == 0
    left = block_files(home)
    assert sum(file.stat().st_size for file in left) <= size * 2 // 3
    told = cache(program, home, "stat").stdout
    assert "tools and system text" in told
    again = Daemon(program, home, demo_models.random())
    try:
        used = usage(again)
        assert used["cache_read_input_tokens"] > prompt_tokens(used) * 0.8
    finally:
        again.stop()


def test_a_running_daemon_is_told_of_clear(program, demo_models, tmp_path):
    daemon, tokens = stored_daemon(program, demo_models.random(), tmp_path / "home")
    try:
        cleared = cache(program, daemon.home, "clear")
        assert cleared.returncode == 0 and not cleared.stderr, cleared.stderr
        # One may have been in the writer's hands.
        wait_for(lambda: not block_files(daemon.home) and daemon.metrics()["anyclaude_kv_stored_bytes"] == 0,
                 "nothing is left")
        usage(daemon, question="Something else, which goes on from the pool?")
        wait_until_stored(daemon, tokens)  # and it goes on storing
        wait_for(lambda: "model random-tiny-1" in cache(program, daemon.home, "stat").stdout,
                 "the index knows again which model it is")
        assert "damaged" not in daemon.log()
    finally:
        daemon.stop()
    assert cache(program, daemon.home, "verify").returncode == 0


def test_a_team_ships_a_warmed_prefix(program, demo_models, tmp_path):
    model = demo_models.random()
    maker, tokens = stored_daemon(program, model, tmp_path / "maker")
    try:
        usage(maker, question="My secret question, " + TALK)
    finally:
        maker.stop()
    pack = tmp_path / "team.pack"
    exported = cache(program, maker.home, "export", pack)
    assert exported.returncode == 0, exported.stderr
    assert (pack.stat().st_mode & 0o777) == 0o600
    key = cache(program, maker.home, "key").stdout.strip()
    assert key.startswith("anyclaude-key-") and key in exported.stdout

    user = Daemon(program, tmp_path / "user", model)
    try:
        refused = cache(program, user.home, "import", pack)
        assert refused.returncode == 1 and "which you do not trust" in refused.stderr
        assert not block_files(user.home)
        assert cache(program, user.home, "trust", "nonsense").returncode == 1
        (tmp_path / "maker.pub").write_text(key + " of the maker\n")
        assert cache(program, user.home, "trust", tmp_path / "maker.pub").returncode == 0
        imported = cache(program, user.home, "import", pack)  # beside the running daemon
        assert imported.returncode == 0, imported.stderr
        used = usage(user, question="A first question of somebody else?")
        assert used["cache_read_input_tokens"] >= (tokens - 300) // 256 * 256
        assert "conversation" not in exported.stdout
    finally:
        user.stop()
    # What was exported is tools and system text: the question's own blocks are not in it.
    assert len(pack.read_bytes()) < sum(file.stat().st_size for file in block_files(maker.home))

    damaged = tmp_path / "damaged.pack"
    damaged.write_bytes(pack.read_bytes()[:-100])
    cut = cache(program, user.home, "import", damaged)
    assert cut.returncode == 1 and "cut off" in cut.stderr
    changed = bytearray(pack.read_bytes())
    changed[200] ^= 1
    damaged.write_bytes(changed)
    assert "damaged" in cache(program, user.home, "import", damaged, "--trust").stderr
    assert cache(program, user.home, "verify").returncode == 0

    other = Daemon(program, tmp_path / "other", demo_models.random(seed=2))
    try:
        refused = cache(program, other.home, "import", pack, "--trust")
        assert refused.returncode == 1 and "of another model" in refused.stderr
        assert not block_files(other.home)
    finally:
        other.stop()


def test_what_is_private_is_not_kept(program, demo_models, tmp_path):
    daemon, tokens = stored_daemon(program, demo_models.random(), tmp_path / "home")
    try:
        files = set(block_files(daemon.home))
        secret = "This is between us. " + TALK
        used = usage(daemon, path="/p/abc/v1/messages", question=secret)
        assert used["cache_read_input_tokens"] >= (tokens - 300) // 256 * 256  # what others kept
        more = usage(daemon, path="/p/abc/v1/messages", question=secret + " And more.")
        assert more["cache_read_input_tokens"] > prompt_tokens(used) * 0.9
        public = usage(daemon, question=secret)
        assert public["cache_read_input_tokens"] < prompt_tokens(used) * 0.9  # finds nothing of it
        wait_for(lambda: len(block_files(daemon.home)) > len(files), "what is public is stored")
    finally:
        daemon.stop()


def test_private_words_reach_no_file(program, demo_models, tmp_path):
    model = demo_models.random()
    daemon = Daemon(program, tmp_path / "home", model)
    try:
        usage(daemon, path="/p/abc/v1/messages")
        usage(daemon, path="/p/abc/v1/messages", question="And again?")
        # What comes after it is stored, so it would have been as well.
        usage(daemon, system="Short words. " * 200)
        wait_for(lambda: block_files(daemon.home), "what is public is stored")
    finally:
        daemon.stop()
    told = cache(program, daemon.home, "stat").stdout
    assert "0 answers" in told or "1 answers" in told, told
    again = Daemon(program, tmp_path / "home", model)
    try:
        assert usage(again)["cache_read_input_tokens"] < 256
    finally:
        again.stop()
