"""`--trace FOLDER`: every request and answer as text files, without credentials, and said loudly."""

import json
import os
import stat
import subprocess

import pytest

from clients import ask, sdk
from daemon import Daemon, wait_for

OUR_TOKEN = "our-own-token-of-the-daemon"
# Nobody's; each reaches the daemon in another way.
SECRETS = {"header": "sk-ant-api03-in-a-header-0123456789", "cookie": "cookie-0123456789",
           "query": "key-in-the-query-0123", "text": "ghp_0123456789abcdefABCDEF012345",
           "named": "hunter2-hunter2"}


@pytest.fixture(scope="module")
def traced(program, scripted_model, tmp_path_factory):
    """A daemon that writes a trace, and its folder."""
    home = tmp_path_factory.mktemp("traced")
    daemon = Daemon(program, home, scripted_model, ["--ctx", 8192, "--threads", 1, "--trace", home / "trace"],
                    token=OUR_TOKEN)
    yield daemon, home / "trace"
    daemon.stop()


def texts(folder):
    return {path.name: path.read_text() for path in sorted(folder.iterdir())}


def wait_for_answers(folder, words, count=1):
    def found():
        pairs = texts(folder)
        asked = [name for name, text in pairs.items() if name.endswith(".1-request.trace.txt") and words in text]
        answers = [name.replace(".1-request", ".2-answer") for name in asked]
        if len(asked) == count and all(name in pairs for name in answers):
            return [(pairs[name], pairs[answer]) for name, answer in zip(asked, answers)]
        return None

    return wait_for(found, f"{count} pairs of files with {words}")


def test_requests_and_answers_are_in_the_folder_whole(traced):
    daemon, folder = traced
    with sdk(daemon) as client:
        message = client.messages.create(**ask("THINK about the first one"))
        with client.messages.stream(**ask("LONG and streamed")) as stream:
            streamed = "".join(stream.text_stream)
    ((request, answer),) = wait_for_answers(folder, "THINK about the first one")
    assert request.startswith("POST /v1/messages\n")
    head, _, body = request.partition("\n\n")
    assert json.loads(body)["messages"][0]["content"] == "THINK about the first one"
    assert "anthropic-version: " in head.lower()
    assert answer.startswith("200\n") and f"request-id: {message._request_id}" in answer
    assert json.loads(answer.partition("\n\n")[2])["content"][-1]["text"] == message.content[-1].text
    ((_, answer),) = wait_for_answers(folder, "LONG and streamed")
    deltas = [json.loads(line[6:]) for line in answer.splitlines() if line.startswith("data: ")]
    assert "".join(delta["delta"].get("text", "") for delta in deltas
                   if delta["type"] == "content_block_delta") == streamed
    assert not answer.rstrip().endswith("]")

    assert stat.S_IMODE(os.stat(folder).st_mode) == 0o700
    assert {stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir()} == {0o600}


def test_no_credential_is_in_the_folder(traced):
    daemon, folder = traced
    words = f"What is {SECRETS['text']}? And ANTHROPIC_API_KEY={SECRETS['named']}? Or {OUR_TOKEN}?"
    body = {"model": "m", "max_tokens": 20, "messages": [{"role": "user", "content": words}]}
    headers = {"x-api-key": SECRETS["header"], "cookie": f"a={SECRETS['cookie']}"}
    for path in (f"/v1/messages?key={SECRETS['query']}", f"/t/{OUR_TOKEN}/v1/messages",
                 "/v1/messages/count_tokens"):
        reply = daemon.request("POST", path, body, headers=headers)
        assert reply.status == 200, reply.body
    daemon.ask({**body, "stream": True})
    broken = daemon.request("POST", "/v1/messages", b'{"messages": "' + SECRETS["text"].encode() + b'"', headers=headers)
    assert broken.status == 400
    wait_for_answers(folder, "What is ghp_[redacted]", 4)
    assert wait_for(lambda: any("400\n" in text[:5] for text in texts(folder).values()), "the bad one is there")
    for name, text in texts(folder).items():
        for kind, secret in (SECRETS | {"token": OUR_TOKEN}).items():
            assert secret not in text, f"the {kind} is in {name}"
    assert any("POST /t/…/v1/messages" in text for text in texts(folder).values())
    assert any("?key=[redacted]" in text for text in texts(folder).values())
    assert all(secret not in daemon.log() for secret in SECRETS.values())


def test_an_answer_that_nobody_waited_for_is_there_and_says_so(traced):
    daemon, folder = traced
    with sdk(daemon) as client:
        with client.messages.stream(**ask("ENDLESS, and we leave")) as stream:
            next(stream.text_stream)
    ((_, answer),) = wait_for_answers(folder, "ENDLESS, and we leave")
    assert answer.rstrip().endswith("[The answer ends here: the client left, or nobody had more to say.]")


def test_a_private_session_is_not_written_down(traced):
    daemon, folder = traced
    words = "Nobody is to read this"
    reply = daemon.request("POST", "/p/terminal/v1/messages", ask(words))
    assert reply.status == 200
    with sdk(daemon) as client:
        client.messages.create(**ask("This came behind it"))
    wait_for_answers(folder, "This came behind it")
    assert not any(words in text for text in texts(folder).values())


def test_it_is_said_at_the_start_and_by_health(traced, daemon):
    traced_daemon, folder = traced
    (line,) = [line for line in traced_daemon.log().splitlines() if "EVERY REQUEST AND ANSWER" in line]
    assert "warning" in line and str(folder) in line
    health = traced_daemon.request("GET", "/health", token=None)
    assert "--trace" in health.json()["trace"]
    assert str(folder) not in health.body.decode()  # anyone may ask
    assert daemon.request("GET", "/health", token=None).json() == {"status": "ok"}


@pytest.mark.parametrize("folder, said", [("file", "is not a folder"), ("open", "other users may write")])
def test_a_folder_that_is_not_ones_own_is_refused(program, tmp_path, folder, said):
    (tmp_path / "file").touch()
    (tmp_path / "open").mkdir()
    (tmp_path / "open").chmod(0o777)
    done = subprocess.run([program, "serve", "--trace", tmp_path / folder], text=True, capture_output=True, timeout=30,
                          check=False, env={**os.environ, "ANYCLAUDE_HOME": str(tmp_path / "home")})
    assert done.returncode == 2 and done.stderr.startswith("anyclaude: --trace: ") and said in done.stderr


def test_a_launcher_says_it_too(traced, program, tmp_path):
    daemon, folder = traced
    claude = tmp_path / "claude"
    claude.write_text("#!/bin/sh\n")
    claude.chmod(0o755)

    def launch(*options):
        done = subprocess.run([program, "--claude", claude, *options, "-p", "hi"], text=True, capture_output=True,
                              timeout=60, check=False, env={**os.environ, "ANYCLAUDE_HOME": str(daemon.home)})
        assert done.returncode == 0, done.stderr
        return done.stderr

    assert f"EVERY REQUEST AND ANSWER IS WRITTEN TO {folder}" in launch()
    assert "but none of this session" in launch("--no-store")
    assert "was started without this --trace" in launch("--trace", tmp_path / "another")
