"""The Messages API as the official SDK's types have it: every field that a request can have, every type that it
must not have, and every answer and event judged by the SDK's own models."""

import collections
import copy
import json
import pathlib

import anthropic
import anthropic.types.beta
import anthropic.types.shared
import pytest
import typing_extensions
from anthropic.types import message_count_tokens_params, message_create_params
from anthropic.types.beta import message_count_tokens_params as beta_message_count_tokens_params
from anthropic.types.beta import message_create_params as beta_message_create_params

from clients import PROMPT_TOKENS, ask, prompt_tokens
from daemon import Reply, wait_for
from not_read import NOT_READ, NOT_READ_IN_MESSAGES, is_not_read
from raw_http import RawConnection
from request_types import NAME, Walk, fields, parent_of, reachable, wrong_value
from response_types import check

MESSAGES, COUNT_TOKENS = "/v1/messages", "/v1/messages/count_tokens"
BETA = "?beta=true"
# What a request to each address can be, and what answers it.
REQUESTS = {
    MESSAGES: (message_create_params.MessageCreateParamsNonStreaming, anthropic.types.Message),
    MESSAGES + BETA: (beta_message_create_params.MessageCreateParamsNonStreaming, anthropic.types.beta.BetaMessage),
    COUNT_TOKENS: (message_count_tokens_params.MessageCountTokensParams, anthropic.types.MessageTokensCount),
    COUNT_TOKENS + BETA: (beta_message_count_tokens_params.MessageCountTokensParams,
                          anthropic.types.beta.BetaMessageTokensCount),
}
EVENTS = {MESSAGES: anthropic.types.RawMessageStreamEvent,
          MESSAGES + BETA: anthropic.types.beta.BetaRawMessageStreamEvent}
ANSWER_BLOCKS = {typing_extensions.get_args(block.model_fields["type"].annotation)[0]
                 for union in (anthropic.types.ContentBlock, anthropic.types.beta.BetaContentBlock)
                 for block in typing_extensions.get_args(typing_extensions.get_args(union)[0])}
# Fields that the SDK sends as headers.
HEADERS = {"betas": "anthropic-beta", "user_profile_id": "anthropic-user-profile-id",
           "workspace_id": "anthropic-workspace-id"}
WEATHER = {"name": "get_weather", "description": "The weather.", "input_schema": {
    "type": "object", "properties": {"city": {"type": "string"}, "days": {"type": "integer"}}}}
TIME = {"name": "get_time", "description": "The time.", "input_schema": {
    "type": "object", "properties": {"zone": {"type": "string"}, "seconds": {"type": "boolean"}}}}


def consistent(body):
    """With what the types do not say: a tool to be chosen, and who says which block."""
    if "tool_choice" in body and "tools" not in body:
        body["tools"] = [{"name": NAME, "input_schema": {"type": "object"}}]
    for message in body["messages"] if isinstance(body.get("messages"), list) else ():
        content = message.get("content") if isinstance(message, dict) else None
        if isinstance(content, list) and content and content[0].get("type") in ANSWER_BLOCKS - {"text"}:
            message["role"] = "assistant"
    return body


def all_variants(params):
    return [(place, consistent(copy.deepcopy(body))) for place, body in Walk().variants(params)]


VARIANTS = {address: all_variants(params) for address, (params, _) in REQUESTS.items()}
TOP_LEVEL = [(address, name) for address, (params, _) in REQUESTS.items() for name in fields(params)]


def variants_below(address, name):
    return [(place, body) for place, body in VARIANTS[address] if place and place.path[0] == name]


def places_below(address, name):
    """Each place once, with a request that has it."""
    return {place.path + (place.field,): (place, body) for place, body in variants_below(address, name)}.values()


def post(daemon, address, body, **options):
    return daemon.request("POST", address, body, **options)


def send(daemon, address, body):
    """As the SDK would: some fields are headers."""
    headers = {HEADERS[name]: value if isinstance(value, str) else ",".join(value)
               for name, value in body.items() if name in HEADERS}
    return post(daemon, address, {name: value for name, value in body.items() if name not in HEADERS},
                headers=headers)


def faults_of(cases, judge):
    """One line for each case that is judged wrong."""
    found = collections.Counter()
    for case in cases:
        try:
            judge(*case)
        except AssertionError as fault:
            found[f"{case[0]}: {str(fault).splitlines()[0][:300]}"] += 1
    return "\n".join(found)


@pytest.mark.parametrize("address, name", TOP_LEVEL)
def test_every_well_formed_request_is_answered(daemon, address, name):
    cases = variants_below(address, name)
    assert cases

    def judge(place, body):
        reply = send(daemon, address, body)
        assert reply.status == 200, reply.body.decode()
        assert reply.headers["request-id"].startswith("req_")
        check(REQUESTS[address][1], reply.json())

    faults = faults_of(cases, judge)
    assert not faults, faults


@pytest.mark.parametrize("address, name", TOP_LEVEL)
def test_every_wrong_type_is_refused_with_its_path(daemon, address, name):
    if name in HEADERS:
        return  # no part of the body
    cases = [(place, body) for place, body in places_below(address, name)
             if wrong_value(place.annotation) is not None]

    def judge(place, whole):
        body = copy.deepcopy(whole)
        parent_of(body, place.path)[place.path[-1]] = wrong_value(place.annotation)
        judge_refusal(daemon, address, place, body, is_not_read(place, whole, is_missing=False))

    faults = faults_of(cases, judge)
    assert not faults, faults


@pytest.mark.parametrize("address, name", TOP_LEVEL)
def test_every_missing_field_is_refused_with_its_path(daemon, address, name):
    cases = [(place, body) for place, body in places_below(address, name) if place.is_required]

    def judge(place, whole):
        body = copy.deepcopy(whole)
        del parent_of(body, place.path)[place.path[-1]]
        judge_refusal(daemon, address, place, body, is_not_read(place, whole, is_missing=True))

    faults = faults_of(cases, judge)
    assert not faults, faults


def judge_refusal(daemon, address, place, body, may_pass):
    reply = post(daemon, address, body)
    if may_pass:
        assert reply.status == 200, f"is read, and stands in not_read.py: {reply.body}"
        return
    assert reply.status == 400, f"{reply.status}, and it does not stand in not_read.py: {place.field}"
    check_error(reply, "invalid_request_error")
    # Without its type an object is of another one, and lacks what that one has.
    named = place.path[:-1] if place.path[-1] == "type" else place.path
    assert reply.error()["message"].startswith(".".join(map(str, named))), reply.error()["message"]


def check_error(reply, kind):
    assert reply.headers["content-type"] == "application/json"
    assert reply.headers["request-id"].startswith("req_")
    assert reply.error()["type"] == kind and reply.error()["message"]
    body = reply.json()
    if kind == "request_too_large":  # documented, and missing in the SDK's union
        body["error"]["type"] = "invalid_request_error"
    check(anthropic.types.shared.ErrorResponse, body)


@pytest.mark.parametrize("address", REQUESTS)
def test_the_walk_reaches_every_field(address):
    """Found in another way, without making a request."""
    sent = {place.field for place, _ in VARIANTS[address] if place}
    fields_of_types = reachable(REQUESTS[address][0])
    print(f"{address}: {len(sent)} of {len(fields_of_types)} fields of {len({field.owner for field in sent})} "
          f"types, {len(VARIANTS[address])} requests, SDK {anthropic.__version__}")
    assert sent == fields_of_types, {str(field) for field in fields_of_types - sent}
    grouped = [pair for name in fields(REQUESTS[address][0]) for pair in variants_below(address, name)]
    assert len(grouped) == len(VARIANTS[address]) - 1  # all but the smallest request


def events_of(reply):
    """The events of a stream, whose names are their types."""
    assert reply.headers["content-type"].startswith("text/event-stream")
    for frame in reply.body.decode().split("\n\n")[:-1]:
        name, data = frame.split("\n")
        event = json.loads(data.removeprefix("data: "))
        assert name == f"event: {event['type']}", frame
        yield event


class Accumulated:
    """A message put together from its events, whose order it holds to."""

    def __init__(self):
        self.message = None
        self.is_open = False
        self.ended = False
        self._input = ""

    def add(self, event):
        assert not self.ended, f"behind message_stop: {event}"
        getattr(self, event["type"])(event)

    def message_start(self, event):
        assert self.message is None
        self.message = event["message"]
        assert self.message["content"] == [] and self.message["stop_reason"] is None

    def content_block_start(self, event):
        assert not self.is_open and self.message["stop_reason"] is None
        assert event["index"] == len(self.message["content"])
        self.message["content"].append(event["content_block"])
        self.is_open, self._input = True, ""

    def content_block_delta(self, event):
        assert self.is_open and event["index"] == len(self.message["content"]) - 1
        block, delta = self.message["content"][-1], event["delta"]
        if delta["type"] == "input_json_delta":
            self._input += delta["partial_json"]
            return
        (key,) = delta.keys() - {"type"}
        assert delta[key] and delta["type"].startswith(key), delta
        block[key] += delta[key]

    def content_block_stop(self, event):
        assert self.is_open and event["index"] == len(self.message["content"]) - 1
        if self._input:
            self.message["content"][-1]["input"] = json.loads(self._input)
        self.is_open = False

    def message_delta(self, event):
        assert not self.is_open and self.message["stop_reason"] is None
        self.message.update(event["delta"])
        self.message["usage"].update(event["usage"])
        assert self.message["stop_reason"]

    def message_stop(self, event):
        assert self.message["stop_reason"] and event == {"type": "message_stop"}
        self.ended = True


def comparable(message):
    """Without what differs between two answers to one request: names made at random, and what was reused."""
    message = copy.deepcopy(message)
    assert message.pop("id").startswith("msg_")
    usage = message["usage"]
    usage["prompt"] = sum(usage.pop(name) for name in PROMPT_TOKENS)
    names = {}
    for block in message["content"]:
        for key in {"id", "tool_use_id"} & block.keys():
            block[key] = names.setdefault(block[key], len(names))
    return message


ANSWERS = {
    "text": ask("Hello."),
    "nothing": ask("Hello.", max_tokens=1, stop_sequences=["Nothing"]),
    "thinking": ask("THINK about it.", thinking={"type": "enabled", "budget_tokens": 1024}),
    "adaptive thinking": ask("THINK about it.", thinking={"type": "adaptive"}),
    "thinking between tools": ask("THINK about it.", thinking={"type": "between_tools"}),
    "a call": ask("WEATHER", tools=[WEATHER]),
    "a call that was thought about": ask("WEATHER", tools=[WEATHER], thinking={"type": "adaptive"}),
    "two calls": ask("BOTH", tools=[WEATHER, TIME]),
    "a chosen tool": ask("WEATHER", tools=[WEATHER], tool_choice={"type": "tool", "name": "get_weather"}),
    "a stop sequence": ask("STOP", stop_sequences=["gamma"]),
    "a limit": ask("LONG", max_tokens=7),
    "JSON": ask("Hello.", output_config={"format": {"type": "json_schema", "schema": {
        "type": "object", "properties": {"n": {"type": "integer", "maximum": 9}}, "required": ["n"],
        "additionalProperties": False}}}),
    **{f"the server tool {name}": ask("Search.", tools=[{"type": kind, "name": name}],
                                      tool_choice={"type": "tool", "name": name})
       for kind, name in [("web_search_20250305", "web_search"), ("web_fetch_20250910", "web_fetch"),
                          ("code_execution_20250825", "code_execution"),
                          ("tool_search_tool_bm25_20251119", "tool_search_tool_bm25")]},
}
STOP_REASONS = {"a stop sequence": "stop_sequence", "nothing": "stop_sequence", "a limit": "max_tokens",
                "a call": "tool_use", "a call that was thought about": "tool_use", "two calls": "tool_use",
                "a chosen tool": "tool_use"}


@pytest.mark.parametrize("address", EVENTS)
@pytest.mark.parametrize("name", ANSWERS)
def test_events_and_message_are_what_the_sdk_knows_and_say_the_same(daemon, address, name):
    body = {**ANSWERS[name], "temperature": 0, "seed": 1}
    whole = post(daemon, address, body).json()
    check(REQUESTS[address][1], whole)
    assert whole["stop_reason"] == STOP_REASONS.get(name, "end_turn")
    accumulated = Accumulated()
    for event in events_of(post(daemon, address, {**body, "stream": True})):
        if event == {"type": "ping"}:
            continue
        check(EVENTS[address], event)
        accumulated.add(event)
    assert accumulated.ended
    check(REQUESTS[address][1], accumulated.message)
    assert comparable(accumulated.message) == comparable(whole)


def test_every_kind_of_answer_was_judged(daemon):
    """Of those that this server gives."""
    blocks = {block["type"] for body in ANSWERS.values()
              for block in post(daemon, MESSAGES, body).json()["content"]}
    assert blocks >= {"text", "thinking", "tool_use", "server_tool_use", "web_search_tool_result"}


@pytest.mark.parametrize("models, info", [(anthropic.types.ModelInfo, "/v1/models"),
                                          (anthropic.types.beta.BetaModelInfo, "/v1/models?beta=true")])
def test_models(daemon, scripted_model, models, info):
    page = daemon.request("GET", info).json()
    assert page.keys() == {"data", "has_more", "first_id", "last_id"}  # SyncPage's
    for model in page["data"]:
        check(models, model)
    assert [page["first_id"], page["last_id"], page["has_more"]] == [scripted_model.stem] * 2 + [False]
    path, _, query = info.partition("?")
    one = daemon.request("GET", f"{path}/{scripted_model.stem}?{query}").json()
    check(models, one)
    assert [one] == page["data"]


QUESTION = ask("Hello.")
ERRORS = [
    ("a wrong token", 401, "authentication_error", "POST", MESSAGES, QUESTION, {"token": "wrong"}),
    ("no token", 401, "authentication_error", "GET", "/v1/models", None, {"token": None}),
    ("another Host", 403, "permission_error", "POST", MESSAGES, QUESTION, {"headers": {"Host": "evil.example"}}),
    ("no such path", 404, "not_found_error", "GET", "/v1/nothing", None, {}),
    ("no such model", 404, "not_found_error", "GET", "/v1/models/gpt-2", None, {}),
    ("a method", 405, "invalid_request_error", "GET", MESSAGES, None, {}),
    ("a method for models", 405, "invalid_request_error", "DELETE", "/v1/models", None, {}),
    ("no JSON", 400, "invalid_request_error", "POST", MESSAGES, b"{", {}),
    ("no object", 400, "invalid_request_error", "POST", COUNT_TOKENS, [], {}),
    ("a long prompt", 400, "invalid_request_error", "POST", MESSAGES, ask("word " * 20_000), {}),
    ("a large body", 413, "request_too_large", "POST", MESSAGES, b" " * 34_000_000, {}),
]


@pytest.mark.parametrize("status, kind, method, path, body, options", [e[1:] for e in ERRORS], ids=[e[0] for e in ERRORS])
def test_errors_are_what_the_sdk_knows(daemon, status, kind, method, path, body, options):
    reply = daemon.request(method, path, body, **options)
    assert reply.status == status
    check_error(reply, kind)
    if status == 405:
        assert "OPTIONS" in reply.headers["allow"]


def test_a_full_queue_is_a_rate_limit(start_daemon, scripted_model):
    daemon = start_daemon(scripted_model, "--ctx", 2048, "--threads", 1)
    waiting = [RawConnection(daemon) for _ in range(300)]

    def refused():
        for connection in waiting:
            head, _, body = connection.receive_what_is_there().partition(b"\r\n\r\n")
            if head.startswith(b"HTTP/1.1 429") and body:
                lines = (line.partition(": ") for line in head.decode().split("\r\n")[1:])
                return Reply(429, {name.lower(): value for name, _, value in lines}, body)
        return None

    try:
        for connection in waiting:
            connection.post(ask("ENDLESS", max_tokens=100_000))
        reply = wait_for(refused, "what is too much is refused", 30)
        assert int(reply.headers["retry-after"]) > 0
        check_error(reply, "rate_limit_error")
    finally:
        for connection in waiting:
            connection.abort()


def test_no_model_is_overloaded(start_daemon):
    reply = start_daemon().ask(QUESTION)
    assert reply.status == 529 and int(reply.headers["retry-after"]) > 0
    check_error(reply, "overloaded_error")




def test_the_page_tells_of_what_is_not_read():
    page = (pathlib.Path(__file__).resolve().parents[2] / "docs/messages-api.md").read_text()
    untold = [name for name in NOT_READ.keys() | NOT_READ_IN_MESSAGES.keys() if f"`{name}`" not in page]
    assert not untold


def test_what_is_not_read_is_what_the_sdk_knows():
    known = {field.name for params, _ in REQUESTS.values() for field in reachable(params)}
    assert NOT_READ.keys() <= known, NOT_READ.keys() - known
