"""Each server's contract, from both sides: what it refuses is never sent, what it says becomes the Messages
API's. Every test of a conversation runs against every server."""

import json

import pytest

from clients import ask, prompt_tokens, sdk
from lmstudio_server import LmStudioServer
from mlx_servers import MlxLmServer, MlxOmniServer
from ollama_server import OllamaServer
from sglang_server import SglangServer
from tensorrt_llm_server import TensorRtLlmServer
from vllm_server import VllmServer

SERVERS = {
    "vllm": VllmServer, "tensorrt-llm": TensorRtLlmServer, "lmstudio": LmStudioServer,
    "ollama": OllamaServer, "sglang": SglangServer, "mlx-lm": MlxLmServer, "mlx-omni": MlxOmniServer,
}
# Larger than what the requests need, where a server would refuse or cut.
CONTEXT = {"ollama": {"context": 64000}}
TOOLS = [
    {"name": "get_weather", "description": "Weather of a city.",
     "input_schema": {"type": "object", "properties": {"city": {"type": "string"},
                                                       "days": {"type": "integer"}},
                      "required": ["city"]}},
    {"name": "get_time", "description": "Time in a zone.",
     "input_schema": {"type": "object", "properties": {"zone": {"type": "string"}}}},
]


@pytest.fixture(params=SERVERS)
def dialect(request):
    return request.param


@pytest.fixture
def server(contract, dialect):
    return contract(SERVERS[dialect], **CONTEXT.get(dialect, {}))


@pytest.fixture
def daemon(serve, server, dialect):
    return serve(server.url, dialect)


@pytest.fixture
def client(daemon):
    with sdk(daemon) as client:
        yield client


def stream(client, **request):
    """Events by type, and the final message."""
    with client.messages.stream(**request) as events:
        kinds = [event.type for event in events]
        return kinds, events.get_final_message()


def test_text(client):
    kinds, message = stream(client, **ask("Hello?"))
    assert message.content[0].text == "Hello from the model."
    assert message.stop_reason == "end_turn"
    assert kinds[0] == "message_start" and kinds[-1] == "message_stop"
    assert prompt_tokens(message.usage) > 5 and message.usage.output_tokens > 3


def test_without_streaming(client):
    message = client.messages.create(**ask("Hello?"))
    assert message.content[0].text == "Hello from the model."


def test_a_tool_call_its_result_and_reuse(client, server):
    """The second request begins with the first one's bytes, so that the server's cache finds them."""
    system = "You are terse. " * 200
    question = [{"role": "user", "content": "WEATHER in Zürich?"}]
    _, first = stream(client, model="m", max_tokens=500, system=system, tools=TOOLS,
                      messages=question)
    call = first.content[-1]
    assert first.stop_reason == "tool_use"
    assert (call.type, call.name, call.input) == ("tool_use", "get_weather",
                                                  {"city": "Zürich", "days": 2})
    history = question + [
        {"role": "assistant", "content": [block.model_dump() for block in first.content]},
        {"role": "user", "content": [{"type": "tool_result", "tool_use_id": call.id,
                                      "content": "rain"},
                                     {"type": "text", "text": "Well?"}]}]
    second_history = history[:-1] + [
        {"role": "user", "content": [{"type": "tool_result", "tool_use_id": call.id,
                                      "content": "rain"}]}]
    _, second = stream(client, model="m", max_tokens=500, system=system, tools=TOOLS,
                       messages=second_history)
    assert second.content[0].text == "The tool said: rain."
    before, after = (asked.body["messages"] for asked in server.chats()[-2:])
    assert after[:len(before)] == before
    assert json.dumps(server.chats()[0].body["tools"]) == json.dumps(server.chats()[1].body["tools"])
    if server.reports_cached:
        assert second.usage.cache_read_input_tokens > 0.8 * prompt_tokens(first.usage)
    else:
        assert second.usage.cache_read_input_tokens == 0


def test_parallel_calls(client):
    _, message = stream(client, **ask("BOTH, please", tools=TOOLS))
    calls = [block for block in message.content if block.type == "tool_use"]
    assert [(call.name, call.input) for call in calls] == [
        ("get_weather", {"city": "Bern"}), ("get_time", {"zone": "UTC"})]
    assert len({call.id for call in calls}) == 2


def test_thinking(client):
    _, message = stream(client, **ask("THINK", max_tokens=3000,
                                      thinking={"type": "enabled", "budget_tokens": 1024}))
    assert [block.type for block in message.content] == ["thinking", "text"]
    assert message.content[0].thinking == "Let me weigh this up."
    assert message.content[0].signature
    assert message.content[1].text == "I have thought about it."


def test_stop_sequence(client):
    _, message = stream(client, **ask("STOP", stop_sequences=["gamma"]))
    assert message.content[0].text == "alpha beta "
    assert (message.stop_reason, message.stop_sequence) == ("stop_sequence", "gamma")


def test_one_tool_demanded(client, server, dialect):
    _, message = stream(client, **ask("WEATHER", tools=TOOLS,
                                      tool_choice={"type": "tool", "name": "get_weather"}))
    assert message.content[-1].name == "get_weather"
    body = server.chats()[-1].body
    if isinstance(body.get("tool_choice"), dict):
        assert body["tool_choice"]["function"]["name"] == "get_weather"
    else:
        assert [tool["function"]["name"] for tool in body["tools"]] == ["get_weather"]


def test_everything_at_once_is_refused_by_nobody(daemon):
    """All that a request can say, with strict schemas on the other side."""
    history = [
        {"role": "user", "content": [{"type": "text", "text": "first",
                                      "cache_control": {"type": "ephemeral"}}]},
        {"role": "assistant", "content": [
            {"type": "thinking", "thinking": "Hm.", "signature": "x"}, {"type": "text", "text": "Yes."},
            {"type": "tool_use", "id": "toolu_1", "name": "get_time", "input": {}}]},
        {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "toolu_1",
                                      "content": [{"type": "text", "text": "noon"}],
                                      "is_error": True}]},
        {"role": "assistant", "content": "So it is."},
        {"role": "user", "content": "Hello?"}]
    reply = daemon.ask({"model": "m", "max_tokens": 100, "temperature": 0.5, "top_p": 0.9, "top_k": 20,
                        "seed": 1, "system": [{"type": "text", "text": "Be brief."}], "tools": TOOLS,
                        "messages": history, "metadata": {"user_id": "u"},
                        "output_config": {"effort": "low"},
                        "tool_choice": {"type": "auto", "disable_parallel_tool_use": True}})
    assert reply.status == 200, reply.body
    assert reply.json()["content"][0]["text"] == "Hello from the model."


def test_models_and_counting(client, daemon, server, dialect):
    models = client.models.list()
    expected = "default_model" if dialect == "mlx-lm" else server.model
    assert models.data[0].id == expected
    few = client.messages.count_tokens(model="m", messages=[{"role": "user", "content": "x " * 100}])
    many = client.messages.count_tokens(model="m", messages=[{"role": "user", "content": "x " * 4000}])
    assert 1500 < many.input_tokens - few.input_tokens < 3000


def test_a_key_of_the_session_is_passed_on(daemon, server):
    """For routers in front of several replicas: always the same, and not the client's own id."""
    for session in ("3d0cf404", "3d0cf404", "other"):
        daemon.ask(ask("Hello?"), headers={"x-claude-code-session-id": session})
    one, again, other = (asked.headers["x-session-id"] for asked in server.chats())
    assert one == again != other
    assert "3d0cf404" not in one


# What is one server's alone.


def test_vllm_refuses_a_sum_and_gets_a_shorter_answer(contract, serve):
    server = contract(VllmServer, max_model_len=2000)
    with sdk(serve(server.url, "vllm")) as client:
        _, message = stream(client, **ask("Hello?", max_tokens=32000))
    assert message.content[0].text == "Hello from the model."
    sent = [asked.body["max_tokens"] for asked in server.chats()]
    assert sent[0] == 32000 and sent[1] < 2000


@pytest.mark.parametrize("kind, dialect", [(VllmServer, "vllm"), (SglangServer, "sglang"),
                                           (LmStudioServer, "lmstudio")])
def test_a_prompt_that_is_too_long_is_said_in_the_clients_words(contract, serve, kind, dialect):
    server = contract(kind, **({"max_model_len": 1000} if kind is VllmServer else {"context": 1000}))
    reply = serve(server.url, dialect).ask({**ask("x " * 4000), "stream": True})
    assert reply.status == 400
    assert reply.error()["message"].startswith("prompt is too long: ")
    assert reply.error()["message"].endswith(" tokens > 999 maximum")


def test_vllm_counts_with_its_own_tokenizer(contract, serve):
    class Counting(VllmServer):
        def post(self, path, body):
            return {"count": 4321, "tokens": []} if path == "/tokenize" else super().post(path, body)

    daemon = serve(contract(Counting).url, "vllm")
    assert daemon.request("POST", "/v1/messages/count_tokens", ask("Hello?")).json() == {"input_tokens": 4321}


def test_vllm_without_a_tool_parser_still_calls(contract, serve):
    server = contract(VllmServer, tool_parser=False)
    daemon = serve(server.url, "vllm")
    with sdk(daemon) as client:
        for _ in range(2):
            _, message = stream(client, **ask("WEATHER", tools=TOOLS))
            assert message.content[-1].input == {"city": "Zürich", "days": 2}
            assert message.stop_reason == "tool_use"
    assert [asked.body.get("tool_choice") for asked in server.chats()] == [None, "none", "none"]
    assert "--tool-call-parser" in daemon.log()


def test_vllm_without_cached_token_details(contract, serve):
    server = contract(VllmServer, prompt_tokens_details=False)
    with sdk(serve(server.url, "vllm")) as client:
        _, message = stream(client, **ask("Hello?"))
    assert message.usage.cache_read_input_tokens == 0 and message.usage.input_tokens > 5


def test_vllm_tells_the_prompts_size_before_the_answer(contract, serve):
    server = contract(VllmServer)
    with sdk(serve(server.url, "vllm")) as client:
        with client.messages.stream(**ask("Hello?")) as events:
            started = next(event for event in events if event.type == "message_start")
            final = events.get_final_message()
    assert prompt_tokens(started.message.usage) == prompt_tokens(final.usage)


def test_lmstudio_answers_with_what_is_loaded(contract, serve):
    server = contract(LmStudioServer, context=12345)
    with sdk(serve(server.url, "lmstudio")) as client:
        client.messages.create(**ask("Hello?"))
    assert server.chats()[-1].body["model"] == server.model


def test_ollama_is_not_asked_for_what_it_would_cut(contract, serve):
    server = contract(OllamaServer, context=4096)
    reply = serve(server.url, "ollama").ask(ask("x " * 20000))
    assert reply.status == 400
    message = reply.error()["message"]
    assert message.startswith("prompt is too long: ") and "OLLAMA_CONTEXT_LENGTH" in message
    assert not server.chats()


def test_mlx_omni_that_takes_a_path_for_a_hub_name(contract, serve):
    server = contract(MlxOmniServer)
    reply = serve(server.url, "mlx-omni", model="/home/ann/model").ask(ask("Hello?"))
    assert reply.status == 404
    assert "local path" in reply.error()["message"]
    assert "pip install -U mlx-omni-server" in reply.error()["message"]
