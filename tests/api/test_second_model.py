"""A second model in our own engine, for the requests that a route sends it."""

import os
import subprocess

import pytest

from clients import ask, prompt_tokens, sdk
from daemon import wait_for

LARGE = "The large model says this."
SMALL = "The small one has a title."
TOOL = {"name": "look", "description": "Looks.", "input_schema": {"type": "object"}}
WORDS = "Words that are said to both of them. " * 200


@pytest.fixture
def models(demo_models):
    return (demo_models.scripted([{"say": LARGE}], "large"),
            demo_models.scripted([{"say": SMALL}], "small"))


def write_config(home, large, small):
    """What stands in docs/routing.md."""
    (home / "config.toml").write_text(
        f'model = "{large}"\n[backends.small]\nkind = "local"\nmodel = "{small}"\ncontext = 4096\n'
        '[[routes]]\nbackground = true\ntools = false\nto = ["small", "local"]\n')


@pytest.fixture
def start_two(start_daemon, models, tmp_path):
    """Starts a daemon with both, ready."""
    write_config(tmp_path, *models)

    def start():
        daemon = start_daemon(None, "--ctx", 8192, "--threads", 1, home=tmp_path)
        daemon.wait_until_ready()
        wait_for(lambda: said(title(daemon)) == SMALL, "the second model answers")
        return daemon

    return start


def anyclaude(program, home, *arguments):
    return subprocess.run([program, *arguments], capture_output=True, text=True, timeout=60,
                          env={**os.environ, "ANYCLAUDE_HOME": str(home)}, check=False)


def said(message):
    return message.content[0].text


def question(daemon, words=WORDS, **more):
    with sdk(daemon) as client:
        return client.messages.create(**ask(words, **more))


def title(daemon, words="A title for this, please"):
    """As Claude Code asks for one."""
    return question(daemon, words, extra_headers={"x-claude-code-session-id": "one",
                                                  "x-claude-code-request-class": "auxiliary"})


def is_reused(message):
    return message.usage.cache_read_input_tokens == prompt_tokens(message.usage) - 1


def test_small_requests_go_to_the_second_model(start_two):
    daemon = start_two()
    assert said(question(daemon)) == LARGE
    assert said(question(daemon, tools=[TOOL], extra_headers={
        "x-claude-code-session-id": "one", "x-claude-code-agent-id": "explorer"})) == LARGE
    listed = daemon.request("GET", "/v1/models").json()["data"]
    assert [(model["id"], model["max_input_tokens"]) for model in listed] == [
        ("large", 8192), ("small", 4096)]  # the first is what Claude Code is told


def test_they_take_nothing_from_the_conversation(start_two):
    """More of them than the conversation's pool holds: they are not in it."""
    daemon = start_two()
    question(daemon)
    before = daemon.metrics()
    for number in range(5):
        assert said(title(daemon, f"{number} {WORDS}")) == SMALL
    assert is_reused(question(daemon))
    after = daemon.metrics()  # of the conversation's engine
    assert after["anyclaude_kv_evicted_tokens_total"] == 0
    assert (after["anyclaude_engine_computed_tokens_total"]
            == before["anyclaude_engine_computed_tokens_total"] + 1)


def test_both_keep_what_they_computed_and_are_told_of_clear(start_two, program, tmp_path):
    def stored_models():
        return len({file.parent.parent for file in tmp_path.glob("cache/prefixes/*/*/*.kv")})

    daemon = start_two()
    question(daemon)
    title(daemon, WORDS)
    wait_for(lambda: stored_models() == 2, "both have stored it")
    daemon.stop()
    daemon = start_two()
    assert question(daemon).usage.cache_read_input_tokens > 512  # whole blocks
    assert title(daemon, WORDS).usage.cache_read_input_tokens > 512
    cleared = anyclaude(program, tmp_path, "cache", "clear")
    assert cleared.returncode == 0 and not cleared.stderr, cleared.stderr
    assert stored_models() == 0
    question(daemon, WORDS + "And more.")
    title(daemon, WORDS + "And more.")
    wait_for(lambda: stored_models() == 2, "both store again what they know")


def test_while_it_is_not_there_the_first_one_answers(start_daemon, program, models, tmp_path):
    large, _ = models
    write_config(tmp_path, large, tmp_path / "nowhere.gguf")
    checked = anyclaude(program, tmp_path, "config", "check")
    assert f"backend small: there is no model file {tmp_path}/nowhere.gguf" in checked.stderr
    daemon = start_daemon(None, "--ctx", 8192, "--threads", 1, home=tmp_path)
    daemon.wait_until_ready()
    assert said(title(daemon)) == LARGE
