"""Anthropic's own Python client against the daemon: answers, streams, thinking, usage, models."""

import re

import anthropic
import pytest

from clients import ask, prompt_tokens, sdk
from scripts import LONG_LINES, long_answer

DEFAULT_ANSWER = "Nothing else is in the script."


def event_names(stream):
    """Types of the events, repeated deltas as one; pings may come at any time."""
    names = []
    for event in stream:
        name = event.type
        if name == "content_block_delta":
            name += ":" + event.delta.type
        if name != "ping" and (not names or names[-1] != name):
            names.append(name)
    return names


def test_a_message(client):
    message = client.messages.create(**ask("Hello."))
    assert message.type == "message" and message.role == "assistant"
    assert message.model == "claude-any"
    assert message.id.startswith("msg_")
    assert [block.type for block in message.content] == ["text"]
    assert message.content[0].text == DEFAULT_ANSWER
    assert message.stop_reason == "end_turn" and message.stop_sequence is None
    assert message.usage.output_tokens > 1
    assert prompt_tokens(message.usage) > 5


def test_the_order_of_a_stream(client):
    with client.messages.create(**ask("Hello."), stream=True) as stream:
        events = [event for event in stream if event.type != "ping"]
    names = [event.type for event in events]
    deltas = names.count("content_block_delta")
    assert deltas >= 1
    assert names == ["message_start", "content_block_start"] + ["content_block_delta"] * deltas + [
        "content_block_stop", "message_delta", "message_stop"]
    started, finished = events[0].message, events[-2]
    assert started.content == [] and started.stop_reason is None
    assert prompt_tokens(started.usage) > 5
    assert {event.index for event in events if event.type.startswith("content_block")} == {0}
    assert "".join(e.delta.text for e in events if e.type == "content_block_delta") == DEFAULT_ANSWER
    assert finished.delta.stop_reason == "end_turn"
    assert finished.usage.output_tokens > 1


def test_the_sdk_puts_a_stream_together(client):
    with client.messages.stream(**ask("LONG", max_tokens=20000)) as stream:
        pieces = list(stream.text_stream)
        message = stream.get_final_message()
    assert len(pieces) > LONG_LINES / 2  # it really was streamed
    assert "".join(pieces) == long_answer()
    assert message.content[0].text == long_answer()
    assert message.stop_reason == "end_turn"


def test_a_stream_and_a_whole_answer_are_the_same(client):
    whole = client.messages.create(**ask("THINK about it."))
    with client.messages.stream(**ask("THINK about it.")) as stream:
        streamed = stream.get_final_message()
    assert [b.type for b in whole.content] == [b.type for b in streamed.content]
    assert whole.content[-1].text == streamed.content[-1].text
    assert whole.usage.output_tokens == streamed.usage.output_tokens
    assert prompt_tokens(whole.usage) == prompt_tokens(streamed.usage)


@pytest.mark.parametrize("thinking", [{"type": "adaptive"},
                                      {"type": "enabled", "budget_tokens": 1024}])
def test_thinking_is_a_block_of_its_own(client, thinking):
    request = ask("THINK about it.", thinking=thinking, max_tokens=4000)
    with client.messages.create(**request, stream=True) as stream:
        names = event_names(stream)
    assert names == [
        "message_start",
        "content_block_start", "content_block_delta:thinking_delta",
        "content_block_delta:signature_delta", "content_block_stop",
        "content_block_start", "content_block_delta:text_delta", "content_block_stop",
        "message_delta", "message_stop"]
    message = client.messages.create(**request)
    thought, text = message.content
    assert thought.type == "thinking" and thought.thinking.strip() == "Let me weigh this up."
    assert text.text == "I have thought about it."
    # The client sends both back, and goes on.
    more = client.messages.create(**{**request, "messages": [
        *request["messages"], {"role": "assistant", "content": message.content},
        {"role": "user", "content": "And now?"}]})
    assert more.content[-1].text == DEFAULT_ANSWER


def test_no_thinking_unless_asked_for(client):
    message = client.messages.create(**ask("THINK about it.", thinking={"type": "disabled"}))
    assert [block.type for block in message.content] == ["text"]
    assert message.content[0].text == "I have thought about it."


@pytest.mark.parametrize("more", [
    {},
    {"system": "You are terse."},
    {"system": [{"type": "text", "text": "You are terse."}, {"type": "text", "text": "Very."}]},
    {"tools": [{"name": "get_weather", "description": "The weather.",
                "input_schema": {"type": "object", "properties": {"city": {"type": "string"}}}}]},
])
def test_count_tokens_is_what_the_answer_costs(client, more):
    request = ask("How many tokens are these? Ünïcödé 漢字 too.", **more)
    counted = client.messages.count_tokens(
        **{key: value for key, value in request.items() if key != "max_tokens"})
    message = client.messages.create(**request)
    assert counted.input_tokens == prompt_tokens(message.usage)


def test_cache_fields_tell_what_was_reused(client):
    def usage(text):
        return client.messages.create(**ask(text, system=[
            {"type": "text", "text": f"Rule {n} of the house is rule {n}."} for n in range(100)
        ] + [{"type": "text", "text": "Be kind.", "cache_control": {"type": "ephemeral"}}])).usage

    first, again, other = usage("One?"), usage("One?"), usage("Two, and different?")
    assert first.cache_read_input_tokens < 100
    assert first.cache_creation_input_tokens > 800
    # All but the last token, which is computed for every answer.
    assert again.cache_creation_input_tokens == 0 and again.input_tokens == 1
    assert again.cache_read_input_tokens == prompt_tokens(first) - 1
    assert other.cache_read_input_tokens > prompt_tokens(first) - 30


def test_system_is_read_from_a_string_blocks_and_inline(client):
    def tokens(**more):
        return client.messages.count_tokens(model="m", **more).input_tokens

    user = {"role": "user", "content": "Hello."}
    plain = tokens(messages=[user])
    string = tokens(messages=[user], system="You are terse.")
    blocks = tokens(messages=[user], system=[{"type": "text", "text": "You are terse."}])
    inline = tokens(messages=[user, {"role": "system", "content": "You are terse."}])
    assert plain < string == blocks
    assert plain < inline
    message = client.messages.create(model="m", max_tokens=100, messages=[
        {"role": "user", "content": "STOP"}, {"role": "system", "content": "Today is Monday."}])
    assert message.content[0].text == "alpha beta gamma delta"  # the question is still seen


def test_stop_sequences(client):
    message = client.messages.create(**ask("STOP", stop_sequences=["never", "gam"]))
    assert message.content[0].text == "alpha beta "
    assert message.stop_reason == "stop_sequence" and message.stop_sequence == "gam"
    with client.messages.stream(**ask("STOP", stop_sequences=["ta ga"])) as stream:
        assert "".join(stream.text_stream) == "alpha be"
        assert stream.get_final_message().stop_sequence == "ta ga"


@pytest.mark.parametrize("limit", [1, 7])
def test_max_tokens(client, limit):
    message = client.messages.create(**ask("LONG", max_tokens=limit))
    assert message.stop_reason == "max_tokens"
    assert message.usage.output_tokens == limit
    assert long_answer().startswith(message.content[0].text if message.content else "")


def test_models(client, scripted_model):
    models = list(client.models.list())
    assert [model.id for model in models] == [scripted_model.stem]
    assert models[0].created_at.year >= 2024
    one = client.models.retrieve(scripted_model.stem)
    assert one == models[0]
    with pytest.raises(anthropic.NotFoundError, match="GET /v1/models"):
        client.models.retrieve("gpt-2")


def test_every_answer_has_a_request_id(client):
    message = client.messages.create(**ask("Hello."))
    again = client.messages.create(**ask("Hello."))
    assert message._request_id.startswith("req_") and message._request_id != again._request_id
    with client.messages.stream(**ask("Hello.")) as stream:
        stream.until_done()
        assert stream.request_id.startswith("req_")
    with pytest.raises(anthropic.BadRequestError) as failed:
        client.messages.create(**ask(""), stop_sequences=5)
    assert failed.value.request_id.startswith("req_")


def test_the_wrong_token_is_an_authentication_error(daemon):
    with sdk(daemon, auth_token="wrong") as client:
        with pytest.raises(anthropic.AuthenticationError) as failed:
            client.messages.create(**ask("Hello."))
    assert failed.value.status_code == 401
    assert failed.value.body["error"]["type"] == "authentication_error"


def test_the_token_may_be_an_api_key(daemon):
    with anthropic.Anthropic(base_url=daemon.base_url, api_key=daemon.token) as client:
        assert client.messages.create(**ask("Hello.")).content[0].text == DEFAULT_ANSWER


@pytest.mark.parametrize("wrong, path", [
    ({"messages": [{"role": "user", "content": [{"type": "text"}]}]},
     "messages.0.content.0.text: Field required"),
    ({"messages": [{"role": "robot", "content": "hi"}]}, "messages.0.role"),
    ({"messages": []}, "messages: "),
    ({"max_tokens": 0}, "max_tokens: "),
    ({"extra_body": {"temperature": "hot"}}, "temperature: "),
    ({"tools": [{"description": "no name"}]}, "tools.0.name: "),
    ({"system": [{"type": "text", "text": 3}]}, "system.0.text: "),
])
def test_malformed_requests_name_the_path(client, wrong, path):
    with pytest.raises(anthropic.BadRequestError) as failed:
        client.messages.create(**{**ask("Hello."), **wrong})
    error = failed.value.body["error"]
    assert error["type"] == "invalid_request_error"
    assert error["message"].startswith(path)


def test_a_prompt_that_is_too_long_says_the_numbers(start_daemon, scripted_model):
    daemon = start_daemon(scripted_model, "--ctx", 1024, "--threads", 1)
    with sdk(daemon) as client:
        long = ask("word " * 3000)
        with pytest.raises(anthropic.BadRequestError) as failed:
            client.messages.create(**long)
        tokens = client.messages.count_tokens(model="m", messages=long["messages"]).input_tokens
        # Claude Code reads the numbers from exactly this sentence.
        assert failed.value.body["error"]["message"] == (
            f"prompt is too long: {tokens} tokens > 1023 maximum")
        assert client.messages.create(**ask("Hello.")).content[0].text == DEFAULT_ANSWER


def test_an_answer_that_fills_the_context_says_so(start_daemon, scripted_model):
    daemon = start_daemon(scripted_model, "--ctx", 512, "--threads", 1)
    with sdk(daemon) as client:
        message = client.messages.create(**ask("ENDLESS", max_tokens=20000))
    assert message.stop_reason == "model_context_window_exceeded"
    assert prompt_tokens(message.usage) + message.usage.output_tokens >= 512
    assert message.content[0].text.startswith("And this is line 1.\nAnd this is line 2.\n")


def test_a_model_that_is_not_there_is_overloaded(start_daemon):
    with sdk(start_daemon()) as client:
        with pytest.raises(anthropic.OverloadedError) as failed:
            client.messages.create(**ask("Hello."))
    assert failed.value.status_code == 529
    assert failed.value.response.headers["retry-after"]


def test_a_body_of_100_megabytes(daemon, client):
    with pytest.raises(anthropic.RequestTooLargeError) as failed:
        client.messages.create(**ask("x" * 100_000_000))
    assert failed.value.status_code == 413
    assert client.messages.create(**ask("Hello.")).content[0].text == DEFAULT_ANSWER


def test_a_text_of_30_megabytes_is_refused_with_the_numbers(client):
    with pytest.raises(anthropic.BadRequestError) as failed:
        client.messages.create(**ask("word " * 6_000_000))
    tokens, most = re.search(r"prompt is too long: (\d+) tokens > (\d+) maximum",
                             failed.value.message).groups()
    assert int(tokens) > 1_000_000 and int(most) == 16383
    assert client.messages.create(**ask("Hello.")).content[0].text == DEFAULT_ANSWER
