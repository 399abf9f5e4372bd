"""Routes of config.toml through the running program: which server is asked, who stands in for one that is
gone, and what reaches the real Claude."""

import base64
import json
import os
import subprocess
import threading

import pytest

from clients import ask
from daemon import wait_for
from faulty_server import STREAM, chunk, events
from llama_server import LlamaServer
from recording import KEY, Recording
from scripts import SCRIPTS
from vllm_server import VllmServer

OUR_TOKEN = "our-own-token-0123456789"
SESSIONS = [f"session-{number}" for number in range(24)]


@pytest.fixture
def configured(start_daemon, tmp_path):
    """A daemon with this config.toml."""

    def start(config, *options, **more):
        home = tmp_path / "home"
        home.mkdir()
        (home / "config.toml").write_text(config)
        daemon = start_daemon(None, *options, home=home, **more)
        daemon.wait_until_ready()
        return daemon

    return start


def backend(name, server):
    return f'[backends.{name}]\nkind = "vllm"\nurl = "{server.url}"\n'


class Fleet:
    """Contract servers by name, and which of them a request made answer."""

    def __init__(self, contract, *names):
        self.servers = {name: contract(type("Named", (VllmServer,), {
            "model": f"model-of-{name}", "adapters": ("largest",)})) for name in names}

    def config(self):
        return "".join(backend(name, server) for name, server in self.servers.items())

    def counts(self):
        return {name: len(server.chats()) for name, server in self.servers.items()}

    def asked_by(self, daemon, body, **headers):
        before = self.counts()
        reply = daemon.ask(body, headers={name.replace("_", "-"): value
                                          for name, value in headers.items()})
        assert reply.status == 200, reply.body
        after = self.counts()
        (name,) = (name for name in after if after[name] > before[name])
        return name, self.servers[name].chats()[-1].body["model"]


TOOL = {"name": "Read", "description": "Reads.", "input_schema": {"type": "object"}}


def test_rules_choose_by_model_small_calls_subagent_and_length(configured, contract):
    fleet = Fleet(contract, "main", "best", "small", "agents", "long")
    daemon = configured(fleet.config() + """
        [[routes]]
        model = "*opus*"
        to = "best:largest"
        [[routes]]
        subagent = true
        to = "agents"
        [[routes]]
        background = true
        tools = false
        to = "small"
        [[routes]]
        min_tokens = 3000
        to = "long"
        """.replace("        ", ""), "--mode", "main")
    with_tools = ask("Hello?", tools=[TOOL])
    assert fleet.asked_by(daemon, with_tools) == ("main", "model-of-main")
    assert fleet.asked_by(daemon, with_tools | {"model": "claude-opus-4-1"}) == ("best", "largest")
    assert fleet.asked_by(daemon, with_tools, x_claude_code_session_id="s",
                          x_claude_code_agent_id="a") == ("agents", "model-of-agents")
    # A title or a summary: of Claude Code's session, and without tools.
    assert fleet.asked_by(daemon, ask("Hello?"), x_claude_code_session_id="s")[0] == "small"
    assert fleet.asked_by(daemon, with_tools, x_claude_code_session_id="s")[0] == "main"
    assert fleet.asked_by(daemon, ask("word " * 4000, tools=[TOOL]))[0] == "long"
    # The first rule that holds counts.
    assert fleet.asked_by(daemon, ask("word " * 4000, tools=[TOOL]) | {"model": "claude-OPUS"})[0] == "best"


def replicas_config(servers):
    others = ", ".join(f'"{server.url}"' for server in servers[1:])
    return backend("main", servers[0]) + f"replicas = [{others}]\n"


def placed(daemon, servers, sessions=SESSIONS):
    """Where each session's request goes, by the server's number."""
    places = {}
    for session in sessions:
        before = [len(server.chats()) for server in servers]
        reply = daemon.ask(ask("Hello?"), headers={"x-claude-code-session-id": session})
        assert reply.status == 200, reply.body
        (places[session],) = (number for number, server in enumerate(servers)
                              if len(server.chats()) > before[number])
    return places


def test_a_conversation_stays_with_one_replica_and_moves_when_that_dies(configured, contract):
    servers = [contract(VllmServer) for _ in range(3)]
    daemon = configured(replicas_config(servers), "--mode", "main")
    first = placed(daemon, servers)
    assert set(first.values()) == {0, 1, 2}, "all of them are used"
    assert placed(daemon, servers) == first

    servers[1].stop()
    second = placed(daemon, servers)  # nobody notices but by the place
    assert 1 not in second.values()
    assert {session: place for session, place in first.items() if place != 1}.items() <= second.items()

    port = int(servers[1].url.rsplit(":", 1)[1])
    servers[1] = contract(type("Again", (VllmServer,), {"port": port}))
    own = [session for session, place in first.items() if place == 1][:1]
    wait_for(lambda: placed(daemon, servers, own)[own[0]] == 1, "it has its conversations back", 60)
    assert placed(daemon, servers) == first


MAIN_THEN_SPARE = '[[routes]]\nmodel = "*"\nto = ["main", "spare"]\n'


def test_what_fails_before_its_first_word_is_asked_elsewhere(configured, contract, faulty):
    """A rule's second backend answers; the client hears nothing of the first."""
    broken = faulty(lambda *_: None)  # closes without a word
    daemon = configured(backend("main", broken) + backend("spare", contract(VllmServer))
                        + MAIN_THEN_SPARE, "--mode", "main")
    told = events(daemon.ask(ask("Hello?") | {"stream": True}))
    assert told[-1][0] == "message_stop" and broken.posts >= 1
    text = "".join(data["delta"].get("text", "") for name, data in told
                   if name == "content_block_delta")
    assert text == "Hello from the model."


def test_what_fails_after_its_first_word_is_an_error_and_not_asked_twice(configured, contract, faulty):
    broken = faulty(lambda _, connection, __: connection.sendall(STREAM + chunk("Half an")))
    spare = contract(VllmServer)
    daemon = configured(backend("main", broken) + backend("spare", spare) + MAIN_THEN_SPARE,
                        "--mode", "main")
    told = events(daemon.ask(ask("Hello?") | {"stream": True}))
    assert told[-1][0] == "error"
    assert not spare.chats()


def test_when_all_are_gone_the_error_names_each(configured, contract):
    fleet = Fleet(contract, "main", "spare")
    daemon = configured(fleet.config() + '[fallback]\nto = "spare"\n', "--mode", "main")
    for server in fleet.servers.values():
        server.stop()
    reply = daemon.ask(ask("Hello?"))
    assert reply.status == 529
    message = reply.error()["message"]
    assert all(f"{server.url} does not answer" in message for server in fleet.servers.values()), message


# The real Claude, who is played by a recording server.


@pytest.fixture
def claude(tmp_path):
    recording = Recording(tmp_path)
    yield recording
    recording.stop()


def ask_with_own_key(daemon, body):
    """As Claude Code does where the real Claude may answer: our token in the path, its key in a header."""
    return daemon.request("POST", f"/t/{daemon.token}/v1/messages", body, token=None,
                          headers={"x-api-key": KEY})


def test_a_rule_sends_one_model_to_the_real_claude_untouched(configured, contract, claude):
    fleet = Fleet(contract, "main")
    daemon = configured(fleet.config() + '[[routes]]\nmodel = "*opus*"\nto = "claude"\n', "--mode",
                        "main", "--claude-url", claude.url, token=OUR_TOKEN)
    body = json.dumps(ask("Hello?") | {"model": "claude-opus-4-1"}, indent=3).encode()
    reply = ask_with_own_key(daemon, body)
    assert reply.status == 200 and reply.json()["id"] == "msg_02"
    seen = claude.last()
    assert base64.b64decode(seen["body"]) == body
    assert dict(seen["headers"])["x-api-key"] == KEY
    assert OUR_TOKEN not in json.dumps(claude.entries())
    assert ask_with_own_key(daemon, ask("Hello?")).json()["content"][0]["text"] == "Hello from the model."
    assert len(fleet.servers["main"].chats()) == 1
    assert KEY not in json.dumps(fleet.servers["main"].chats()[0].headers)
    assert KEY not in daemon.log() and OUR_TOKEN not in daemon.log()


def test_the_real_claude_stands_in_when_the_person_has_said_so(configured, contract, claude):
    fleet = Fleet(contract, "main")
    daemon = configured(fleet.config() + '[fallback]\nto = ["claude:claude-sonnet-4-5"]\ncloud = true\n',
                        "--mode", "main", "--claude-url", claude.url, token=OUR_TOKEN)
    assert ask_with_own_key(daemon, ask("Hello?")).json()["content"][0]["text"] == "Hello from the model."
    assert not claude.entries()
    fleet.servers["main"].stop()
    # The one that finds it dead is told to come again, and then finds the other.
    wait_for(lambda: ask_with_own_key(daemon, ask("Hello?")).status == 200, "somebody answers")
    seen = claude.last()
    assert json.loads(base64.b64decode(seen["body"]))["model"] == "claude-sonnet-4-5"
    assert dict(seen["headers"])["x-api-key"] == KEY


def test_prompts_stay_here_unless_the_person_has_said_so(configured, contract, claude):
    fleet = Fleet(contract, "main")
    daemon = configured(fleet.config(), "--mode", "main", "--claude-url", claude.url, token=OUR_TOKEN)
    fleet.servers["main"].stop()
    for _ in range(3):
        assert daemon.ask(ask("Hello?")).status == 529
    assert not claude.entries()


def test_a_fallback_to_the_cloud_that_was_not_allowed_is_no_daemon(program, contract, tmp_path):
    (tmp_path / "config.toml").write_text(backend("main", contract(VllmServer))
                                          + '[fallback]\nto = ["claude:claude-sonnet-4-5"]\n')
    for command in (["serve", "--mode", "main"], ["config", "check"]):
        done = subprocess.run([program, *command], capture_output=True, text=True, timeout=60,
                              env={**os.environ, "ANYCLAUDE_HOME": str(tmp_path)}, check=False)
        assert done.returncode != 0
        assert "cloud = true in [fallback]" in done.stderr, done.stderr


# Real replicas, killed without warning.


@pytest.fixture
def llamas(demo_models, tmp_path_factory):
    if not LlamaServer.is_installed():
        pytest.skip("llama-server is not installed (llama.cpp-tools)")
    model = demo_models.scripted(SCRIPTS)
    servers = [LlamaServer(model, tmp_path_factory.mktemp("llama"), "-c", 16384) for _ in range(2)]
    try:
        yield [server.wait_until_ready() for server in servers]
    finally:
        for server in servers:
            server.stop()


def llama_config(llamas):
    return (f'[backends.main]\nkind = "llama-cpp"\nurl = "{llamas[0].url}"\n'
            f'replicas = ["{llamas[1].url}"]\n')


# Without, llama-server hands on the demo template's own tokens before it has computed anything.
THINKING = {"type": "adaptive"}


def busy(llamas):
    return next((server for server in llamas if not server.idle()), None)


def test_a_real_replica_that_dies_while_it_computes_the_prompt(configured, llamas):
    daemon = configured(llama_config(llamas), "--mode", "main")
    reply = []
    asking = threading.Thread(target=lambda: reply.append(
        daemon.ask(ask("word " * 5000, thinking=THINKING), headers={"x-claude-code-session-id": "one"})))
    asking.start()
    victim = wait_for(lambda: busy(llamas), "one of them computes")
    victim.kill()
    asking.join(120)
    assert reply[0].status == 200, reply[0].body
    again = daemon.ask(ask("Hello?"), headers={"x-claude-code-session-id": "one"})
    assert again.status == 200, again.body


def test_a_real_replica_that_dies_while_it_answers(configured, llamas):
    daemon = configured(llama_config(llamas), "--mode", "main")
    headers = {"x-claude-code-session-id": "one"}
    reply = []
    asking = threading.Thread(target=lambda: reply.append(
        daemon.ask(ask("ENDLESS", max_tokens=8000) | {"stream": True}, headers=headers)))
    asking.start()
    victim = wait_for(lambda: busy(llamas), "one of them answers")
    wait_for(lambda: victim.generated() > 20, "it has said something")
    victim.kill()
    asking.join(60)
    told = events(reply[0])
    assert told[-1][0] == "error", told[-1]
    again = daemon.ask(ask("Hello?"), headers=headers)
    assert again.status == 200, again.body
