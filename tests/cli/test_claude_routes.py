"""The real Claude Code through the launcher, where routes send some requests to the real Claude: those carry
its own login, and nobody else is shown it."""

import json
import pathlib
import sys

import pytest

from person import LAST_WORDS

TESTS = pathlib.Path(__file__).resolve().parent.parent
sys.path[:0] = [str(TESTS), str(TESTS / "contract")]
from recording import CREDENTIALS, KEY  # noqa: E402
from vllm_server import VllmServer  # noqa: E402

OPUS = '[[routes]]\nmodel = "*opus*"\nto = "claude"\n'


@pytest.fixture
def server():
    serving = VllmServer()
    yield serving
    serving.stop()


def asked_for_messages(upstream):
    return [entry for entry in upstream.entries() if entry["target"].startswith("/v1/messages")]


def ask_opus(person, words, *arguments):
    """Behind -- stand Claude Code's own options; anyclaude has a --model too."""
    done = person.anyclaude("--", "--model", "opus", "-p", words, "--output-format", "json", *arguments)
    assert done.returncode == 0, done.stdout + done.stderr + person.log()
    return json.loads(done.stdout)


def headers_of(entry):
    return {name.lower(): value for name, value in entry["headers"]}


def everything_written(person):
    return "".join(path.read_bytes().decode("latin-1") for path in person.files.rglob("*")
                   if path.is_file())


@pytest.mark.parametrize("variable, secret, header, value", CREDENTIALS)
def test_a_route_to_the_real_claude_gets_the_login_and_no_other_server_does(
        person, upstream, server, variable, secret, header, value):
    person.login = {variable: secret}
    person.options = ("--mode", "main")
    (person.files / "config.toml").write_text(
        f'claude_url = "{upstream.url}"\ntoken = "our-own-token-01234"\n'
        f'[backends.main]\nkind = "vllm"\nurl = "{server.url}"\n' + OPUS)
    assert person.ask("Say hello")["result"] == "Hello from the model."
    assert not asked_for_messages(upstream), "nothing left the machine"
    assert ask_opus(person, "Say hello")["result"] == "Hello, wörld"
    asked = asked_for_messages(upstream)
    assert asked and all(headers_of(entry)[header] == value for entry in asked)
    assert "our-own-token" not in json.dumps(upstream.entries())
    seen = repr(server.asked)
    assert server.chats() and secret not in seen and "our-own-token" not in seen
    assert secret not in everything_written(person) and "our-own-token" not in person.log()


def test_our_own_engine_and_the_real_claude_in_one_session(person, upstream):
    person.login = {"ANTHROPIC_API_KEY": KEY}
    (person.files / "config.toml").write_text(f'claude_url = "{upstream.url}"\n' + OPUS)
    assert person.ask("What is this folder for?")["result"] == LAST_WORDS
    there = ask_opus(person, "And now the large one", "--continue")
    assert there["result"] == "Hello, wörld"
    assert len(person.records()) >= 1 and asked_for_messages(upstream)
    assert KEY not in everything_written(person)
