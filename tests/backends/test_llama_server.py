"""The real llama-server, asked by the official client through anyclaude."""

import re
import time

import pytest

from clients import ask, prompt_tokens, sdk
from daemon import wait_for
from llama_server import LlamaServer
from scripts import SCRIPTS

TOOLS = [{"name": "get_weather", "description": "Weather of a city.",
          "input_schema": {"type": "object", "properties": {"city": {"type": "string"},
                                                            "days": {"type": "integer"}},
                           "required": ["city"]}}]


@pytest.fixture(scope="module")
def llama(demo_models, tmp_path_factory):
    if not LlamaServer.is_installed():
        pytest.skip("llama-server is not installed (llama.cpp-tools)")
    server = LlamaServer(demo_models.scripted(SCRIPTS), tmp_path_factory.mktemp("llama"), "-c", 8192)
    try:
        yield server.wait_until_ready()
    finally:
        server.stop()


@pytest.fixture
def client(serve, llama):
    with sdk(serve(llama.url, "llama-cpp")) as client:
        yield client


def stream(client, **request):
    with client.messages.stream(**request) as events:
        started = next(event for event in events if event.type == "message_start")
        return started.message, events.get_final_message()


def said(message):
    """The text without the marks by which a scripted model finds its place; llama-server shows them."""
    return re.sub(r"<\|script:[^|]*\|>", "", message.content[0].text)


def test_text(client):
    _, message = stream(client, **ask("Hello?"))
    assert said(message) == "Nothing else is in the script."
    assert message.stop_reason == "end_turn"
    assert message.usage.output_tokens > 1


def test_a_tool_call_its_result_and_reused_tokens(client):
    question = [{"role": "user", "content": "WEATHER in Zürich?"}]
    system = "You answer briefly. " * 100
    _, first = stream(client, model="m", max_tokens=300, system=system, tools=TOOLS, messages=question)
    assert first.stop_reason == "tool_use"
    call = first.content[-1]
    assert (call.name, call.input) == ("get_weather", {"city": "Zürich", "days": 2})
    history = question + [
        {"role": "assistant", "content": [block.model_dump() for block in first.content]},
        {"role": "user", "content": [{"type": "tool_result", "tool_use_id": call.id,
                                      "content": "rain"}]}]
    started, second = stream(client, model="m", max_tokens=300, system=system, tools=TOOLS,
                             messages=history)
    assert said(second) == "It is raining in Zürich."
    assert second.usage.cache_read_input_tokens > 0.95 * prompt_tokens(first.usage)
    # llama-server tells the true sizes while it computes, so message_start has them already.
    assert started.usage.cache_read_input_tokens == second.usage.cache_read_input_tokens
    assert prompt_tokens(started.usage) == prompt_tokens(second.usage)


def test_thinking(client):
    _, message = stream(client, **ask("THINK", max_tokens=3000,
                                      thinking={"type": "enabled", "budget_tokens": 1024}))
    assert [block.type for block in message.content] == ["thinking", "text"]
    assert message.content[0].thinking == "Let me weigh this up."


def test_counting_is_the_servers_own(client):
    request = {"messages": [{"role": "user", "content": "Hello?"}], "model": "m", "tools": TOOLS}
    counted = client.messages.count_tokens(**request)
    message = client.messages.create(**request, max_tokens=20)
    assert counted.input_tokens == prompt_tokens(message.usage)


def test_a_prompt_that_is_too_long(serve, llama):
    reply = serve(llama.url, "llama-cpp").ask({**ask("word " * 20000), "stream": True})
    assert reply.status == 400
    assert reply.error()["message"].startswith("prompt is too long: ")
    assert reply.error()["message"].endswith(" tokens > 8191 maximum")


def test_the_window_is_the_servers(serve, llama):
    daemon = serve(llama.url, "llama-cpp")
    assert daemon.request("GET", "/v1/models").json()["data"][0]["max_input_tokens"] == 8192


def test_a_client_that_leaves_frees_the_slot(serve, llama):
    daemon = serve(llama.url, "llama-cpp")
    with sdk(daemon) as client:
        with client.messages.stream(**ask("ENDLESS", max_tokens=7000)) as events:
            for event in events:
                if event.type == "content_block_delta":
                    break
        began = time.monotonic()
        wait_for(llama.idle, "the slot is free", 20)
        assert time.monotonic() - began < 20
