"""Tool loops with Anthropic's Python client, on a model whose script calls tools."""

import json

import pytest

from clients import ask, prompt_tokens, sdk

WEATHER = {"name": "get_weather", "description": "The weather in a city.",
           "input_schema": {"type": "object", "required": ["city"],
                            "properties": {"city": {"type": "string"},
                                           "days": {"type": "integer"}}}}
TIME = {"name": "get_time", "description": "The time in a zone.",
        "input_schema": {"type": "object", "properties": {"zone": {"type": "string"},
                                                          "seconds": {"type": "boolean"}}}}


def answered(request, message, *results):
    """The request that follows when the calls in `message` have had their results."""
    return {**request, "messages": [
        *request["messages"],
        {"role": "assistant", "content": message.content},
        {"role": "user", "content": list(results)}]}


def result(call, content, **more):
    return {"type": "tool_result", "tool_use_id": call.id, "content": content, **more}


def calls_of(message):
    return [block for block in message.content if block.type == "tool_use"]


def test_a_tool_loop(client):
    request = ask("WEATHER please", tools=[WEATHER])
    first = client.messages.create(**request)
    assert [block.type for block in first.content] == ["text", "tool_use"]
    assert first.content[0].text == "I ask the weather tool."
    call = first.content[1]
    assert call.name == "get_weather" and call.id.startswith("toolu_")
    assert call.input == {"city": "Zürich", "days": 2}
    assert first.stop_reason == "tool_use"
    second = client.messages.create(**answered(request, first, result(call, "rain")))
    assert [block.text for block in second.content] == ["It is raining in Zürich."]
    assert second.stop_reason == "end_turn"
    # The second prompt goes on where the first answer ended, its last token apart.
    said = prompt_tokens(first.usage) + first.usage.output_tokens
    assert second.usage.cache_read_input_tokens == said - 1


def test_a_tool_loop_as_streams(client):
    request = ask("WEATHER please", tools=[WEATHER], thinking={"type": "adaptive"})
    with client.messages.create(**request, stream=True) as stream:
        events = [event for event in stream if event.type != "ping"]
    starts = [event for event in events if event.type == "content_block_start"]
    assert [event.content_block.type for event in starts] == ["thinking", "text", "tool_use"]
    assert [event.index for event in starts] == [0, 1, 2]
    assert starts[2].content_block.input == {}
    pieces = [event.delta.partial_json for event in events
              if event.type == "content_block_delta" and event.delta.type == "input_json_delta"]
    assert json.loads("".join(pieces)) == {"city": "Zürich", "days": 2}
    stops = [event.index for event in events if event.type == "content_block_stop"]
    assert stops == [0, 1, 2]
    assert [event.type for event in events[-2:]] == ["message_delta", "message_stop"]
    assert events[-2].delta.stop_reason == "tool_use"

    with client.messages.stream(**request) as stream:
        first = stream.get_final_message()
    call = calls_of(first)[0]
    with client.messages.stream(**answered(request, first, result(call, [
            {"type": "text", "text": "rain"}, {"type": "text", "text": "and wind"}]))) as stream:
        assert "".join(stream.text_stream) == "It is raining in Zürich."


def test_parallel_calls(client):
    request = ask("BOTH please", tools=[WEATHER, TIME])
    first = client.messages.create(**request)
    weather, time = calls_of(first)
    assert (weather.name, weather.input) == ("get_weather", {"city": "Bern"})
    assert (time.name, time.input) == ("get_time", {"zone": "Europe/Zurich", "seconds": False})
    assert weather.id != time.id
    # Their results may come back in any order.
    in_order = answered(request, first, result(weather, "sun"), result(time, "noon"))
    swapped = answered(request, first, result(time, "noon"), result(weather, "sun"))
    assert client.messages.create(**in_order).content[0].text == "Both tools have answered."
    again = client.messages.create(**swapped)
    assert again.content[0].text == "Both tools have answered."
    assert again.usage.input_tokens + again.usage.cache_creation_input_tokens == 1  # same prompt


@pytest.mark.parametrize("content, more", [
    ("it failed", {"is_error": True}), ("", {}), ([], {}),
    ([{"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "AAAA"}}],
     {}),
])
def test_results_of_every_kind(client, content, more):
    request = ask("WEATHER please", tools=[WEATHER])
    first = client.messages.create(**request)
    follow_up = answered(request, first, result(calls_of(first)[0], content, **more))
    assert client.messages.create(**follow_up).content[0].text == "It is raining in Zürich."


def test_without_the_tool_there_is_no_call(client):
    message = client.messages.create(**ask("WEATHER please"))
    assert [block.type for block in message.content] == ["text"]
    assert message.stop_reason == "end_turn"


def test_tool_choice_none_offers_no_tools(client):
    tokens = [client.messages.count_tokens(
        model="m", messages=[{"role": "user", "content": "WEATHER please"}], **more).input_tokens
        for more in ({}, {"tools": [WEATHER], "tool_choice": {"type": "none"}},
                     {"tools": [WEATHER]})]
    assert tokens[0] <= tokens[1] <= tokens[2] and tokens[0] < tokens[2]
    message = client.messages.create(
        **ask("WEATHER please", tools=[WEATHER], tool_choice={"type": "none"}))
    assert not calls_of(message)


def test_a_deferred_tool_costs_nothing_until_it_is_referenced(client):
    """Claude Code's ToolSearch: a tool is declared, and its schema is shown where a result names
    it, so that what stands before stays the same."""
    deferred = {**TIME, "defer_loading": True}
    question = {"role": "user", "content": "What time is it?"}
    search = [{"role": "assistant", "content": [
                  {"type": "tool_use", "id": "toolu_1", "name": "get_weather", "input": {}}]},
              {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "toolu_1",
                                            "content": [{"type": "tool_reference",
                                                         "tool_name": "get_time"}]}]}]

    def tokens(tools, messages):
        return client.messages.count_tokens(model="m", tools=tools, messages=messages).input_tokens

    assert tokens([WEATHER], [question]) == tokens([WEATHER, deferred], [question])
    unknown = tokens([WEATHER], [question, *search])
    assert tokens([WEATHER, deferred], [question, *search]) > unknown + 20  # the schema
    message = client.messages.create(model="m", max_tokens=100, tools=[WEATHER, deferred],
                                     messages=[question, *search])
    assert message.content[0].text == "Nothing else is in the script."


WEB_SEARCH = {"type": "web_search_20250305", "name": "web_search"}


def test_a_demanded_server_tool_is_said_to_be_unavailable(client):
    """As Claude Code's WebSearch asks for it: with a stream."""
    with client.messages.stream(**ask("Search for it", tools=[WEB_SEARCH],
                                      tool_choice={"type": "tool", "name": "web_search"})) as stream:
        message = stream.get_final_message()
    call, outcome, words = message.content
    assert (call.type, call.name) == ("server_tool_use", "web_search")
    assert outcome.type == "web_search_tool_result" and outcome.tool_use_id == call.id
    assert outcome.content.error_code == "unavailable"
    assert "not available" in words.text and message.stop_reason == "end_turn"
    again = answered(ask("Search for it", tools=[WEB_SEARCH]), message,
                     {"type": "text", "text": "Go on."})
    assert client.messages.create(**again).content[0].text == "Nothing else is in the script."


def test_a_server_tool_that_is_only_offered_is_in_nobodys_way(client):
    message = client.messages.create(**ask("WEATHER please", tools=[WEATHER, WEB_SEARCH]))
    assert [call.name for call in calls_of(message)] == ["get_weather"]


def test_an_answer_that_fits_a_schema(start_daemon, demo_models):
    """As Claude Code asks for a conversation's title; random weights would say anything else."""
    schema = {"type": "object", "required": ["title"], "additionalProperties": False,
              "properties": {"title": {"type": "string", "maxLength": 20}}}
    with sdk(start_daemon(demo_models.random())) as client:
        for seed in range(5):
            message = client.messages.create(**ask("A title, please"), extra_body={
                "temperature": 1, "seed": seed,
                "output_config": {"format": {"type": "json_schema", "schema": schema}}})
            (said,) = message.content
            title = json.loads(said.text)
            assert list(title) == ["title"] and len(title["title"]) <= 20
            assert message.stop_reason == "end_turn"
