"""The real Claude Code, answered by the real llama-server through anyclaude."""

import itertools
import re
import subprocess

import pytest

from llama_server import LlamaServer
from person import CLAUDE, LAST_WORDS, PROGRAM, Person

CONTEXT = 32768


class DirectPerson(Person):
    """Their Claude Code knows the address of a daemon that runs already."""

    address = {}

    @property
    def environment(self):
        return super().environment | self.address | {"CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1"}

    def command(self, *arguments):
        return [str(CLAUDE), *map(str, arguments)]


@pytest.fixture(scope="module")
def person(tmp_path_factory, model):
    if not LlamaServer.is_installed():
        pytest.skip("llama-server is not installed (llama.cpp-tools)")
    server = LlamaServer(model, tmp_path_factory.mktemp("llama"), "-c", CONTEXT)
    try:
        server.wait_until_ready()
        someone = DirectPerson(tmp_path_factory.mktemp("ll"), model)
        (someone.files / "state").mkdir(mode=0o700)
        with open(someone.files / "state" / "daemon.log", "w", encoding="utf-8") as log:
            daemon = subprocess.Popen(
                [str(PROGRAM), "serve", "--backend-url", server.url, "--backend-dialect", "llama-cpp"],
                stdout=subprocess.PIPE, stderr=log, env=someone.environment)
            said = iter(daemon.stdout.readline, b"")
            address = dict(line.decode().strip().split("=", 1) for line in
                           itertools.islice((line for line in said if b"=" in line), 2))
            someone.address = {**address,
                               "ANTHROPIC_BASE_URL": address["ANTHROPIC_BASE_URL"] + "/s/direct"}
            yield someone
            daemon.terminate()
            assert daemon.wait(timeout=60) == 0
    finally:
        server.stop()


def words(result):
    """Without the marks by which a scripted model finds its place; llama-server shows them."""
    return re.sub(r"<\|script:[^|]*\|>", "", result["result"])


def test_a_question_and_a_follow_up_that_reuses_it(person):
    first = person.ask("What is this folder for?")
    assert words(first) == LAST_WORDS
    second = person.ask("And what else?", "--continue")
    assert words(second) == LAST_WORDS
    one, two = person.records()[-2:]
    assert one.prompt > 1000
    assert two.reused >= 0.98 * one.prompt
    assert second["usage"]["cache_read_input_tokens"] == two.reused


def test_a_tool_loop(person):
    before = len(person.records())
    result = person.ask("COUNT-FILES in this folder", "--dangerously-skip-permissions")
    assert words(result) == "The folder has been counted, and both files are written."
    assert int((person.project / "counted.txt").read_text()) >= 0
    first, *later = person.records()[before:]
    assert len(later) == 2
    known = first.prompt
    for record in later:
        assert record.reused >= 0.98 * known
        known = record.prompt
