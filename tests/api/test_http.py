"""The API as bytes: who is let in, what is malformed, and clients that do not behave."""

import json

import pytest

from daemon import wait_for
from raw_http import RawConnection
from scripts import long_answer

QUESTION = {"model": "m", "max_tokens": 100, "messages": [{"role": "user", "content": "Hello."}]}
ROUTES = [("POST", "/v1/messages"), ("POST", "/v1/messages/count_tokens"), ("GET", "/v1/models"),
          ("GET", "/v1/models/scripted"), ("GET", "/metrics"), ("GET", "/v1/nothing"),
          ("POST", "/s/some-session/v1/messages")]


def still_serves(daemon):
    reply = daemon.ask(QUESTION)
    assert reply.status == 200
    assert reply.json()["content"][0]["text"] == "Nothing else is in the script."


@pytest.mark.parametrize("method, path", ROUTES)
@pytest.mark.parametrize("token", [None, "", "wrong", "x" * 5000])
def test_without_the_token_nothing_is_answered(daemon, method, path, token):
    reply = daemon.request(method, path, QUESTION if method == "POST" else None, token=token)
    assert reply.status == 401
    assert reply.error()["type"] == "authentication_error"
    assert reply.headers["www-authenticate"] == "Bearer"
    if method == "POST":
        reply = daemon.request(method, path, QUESTION, token=None, headers={"x-api-key": "wrong"})
        assert reply.status == 401


@pytest.mark.parametrize("path", ["/", "/health"])
def test_open_routes_tell_nothing_but_that_it_is_there(daemon, path):
    reply = daemon.request("GET", path, token=None)
    assert reply.status == 200
    assert reply.json() in ({"name": "anyclaude"}, {"status": "ok"})
    head = daemon.request("HEAD", path, token=None)
    assert head.status == 200 and head.body == b""
    assert head.headers["content-length"] == reply.headers["content-length"]


@pytest.mark.parametrize("headers", [
    {"Host": "evil.example"}, {"Host": "evil.example:80"}, {"Host": "127.0.0.1.evil.example"},
    {"Origin": "http://evil.example"}, {"Origin": "null"},
])
@pytest.mark.parametrize("path", ["/v1/messages", "/health"])
def test_web_pages_are_kept_out(daemon, headers, path):
    method, body = ("POST", QUESTION) if path == "/v1/messages" else ("GET", None)
    reply = daemon.request(method, path, body, headers=headers)
    assert reply.status == 403
    assert reply.error()["type"] == "permission_error"


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1:1", "[::1]"])
def test_this_machine_by_any_name(daemon, host):
    assert daemon.ask(QUESTION, headers={"Host": host}).status == 200


def test_an_allowed_host_of_another_name(start_daemon):
    daemon = start_daemon(None, "--allow-host", "box.lan")
    assert daemon.request("GET", "/health", headers={"Host": "box.lan:8080"}).status == 503
    assert daemon.request("GET", "/health", headers={"Host": "other.lan"}).status == 403


@pytest.mark.parametrize("body, where", [
    (b'{"model": "m", "max_tokens": 9, "messages": [{"role": "user", "content": nope}]}',
     "JSON: line 1, column 75 (byte 74), in messages.0.content: "),
    (b'{"model": "m", "messages": [{"role": "user", "content": "never ends', "messages.0.content"),
    (b"", "JSON"),
    (b"[]", "JSON object"),
    (b"\xff\xfe{}", "JSON"),
    (b'{"model": "m", "max_tokens": 9, "messages": [{"role": "user", "content": 5}]}',
     "messages.0.content"),
    (b'{"model": "m", "max_tokens": 9, "messages": {"role": "user"}}', "messages"),
    (b'{"max_tokens": 9, "messages": [{"role": "user", "content": "x"}]}', "model"),
    (b'{"model": "m", "messages": [{"role": "user", "content": "x"}]}', "max_tokens"),
    (b"[" * 100_000, "JSON"),
])
def test_malformed_bodies_say_where(daemon, body, where):
    reply = daemon.ask(body)
    assert reply.status == 400
    assert reply.error()["type"] == "invalid_request_error"
    assert where in reply.error()["message"]
    still_serves(daemon)


@pytest.mark.parametrize("chunked", [False, True])
def test_a_body_of_100_megabytes(daemon, chunked):
    """Refused whether it says its length or not, in little memory, and others are served on."""
    before = daemon.memory_kib("VmHWM")
    part = b"x" * 1_000_000
    with RawConnection(daemon) as connection:
        if chunked:
            connection.send(connection.head(0).replace(b"Content-Length: 0",
                                                       b"Transfer-Encoding: chunked"))
            part = b"%x\r\n" % len(part) + part + b"\r\n"
        else:
            connection.send(connection.head(100 * len(part)))
        try:
            for _ in range(100):
                connection.send(part)
        except (ConnectionResetError, BrokenPipeError):
            pytest.fail("the answer would be lost on a client that sends first and reads later")
        reply = connection.receive_until(b"request_too_large")
    assert reply.startswith(b"HTTP/1.1 413 ")
    assert daemon.memory_kib("VmHWM") - before < 80_000
    still_serves(daemon)


@pytest.mark.parametrize("leave", ["close", "reset", "half_close"])
@pytest.mark.parametrize("cut", ["head", "body"])
def test_a_request_cut_in_half(daemon, leave, cut):
    connections = daemon.metrics()["anyclaude_open_connections"]
    data = json.dumps(QUESTION).encode()
    connection = RawConnection(daemon)
    head = connection.head(len(data))
    connection.send(head[:40] if cut == "head" else head + data[: len(data) // 2])
    wait_for(lambda: daemon.metrics()["anyclaude_open_connections"] == connections + 1,
             "the connection is seen")
    still_serves(daemon)
    if leave == "reset":
        connection.abort()
    elif leave == "half_close":
        connection.socket.shutdown(1)
        connection.receive_all()  # it says nothing, and closes
        assert connection.received == b""
        connection.socket.close()
    else:
        connection.socket.close()
    wait_for(lambda: daemon.metrics()["anyclaude_open_connections"] == connections,
             "the connection is gone")
    still_serves(daemon)


def test_slow_heads_hold_nobody_up(daemon):
    data = json.dumps(QUESTION).encode()
    slow = [RawConnection(daemon) for _ in range(50)]
    head = slow[0].head(len(data))
    for position in range(0, 60, 20):
        for connection in slow:
            connection.send(head[position:position + 20])
        still_serves(daemon)
    for connection in slow:
        connection.send(head[60:] + data)
    for connection in slow:
        assert connection.receive_until(b"in the script.").startswith(b"HTTP/1.1 200 ")
        connection.socket.close()


def test_unknown_keys_are_ignored(daemon):
    body = {**QUESTION, "safeguards": {"x": [1]}, "context_management": {"edits": []},
            "metadata": {"user_id": "u"}, "from_the_future": None,
            "messages": [{"role": "user", "new_key": 1, "content": [
                {"type": "text", "text": "Hello.", "citations": None, "new": {}}]}]}
    plain = daemon.request("POST", "/v1/messages/count_tokens?beta=true", QUESTION).json()
    assert daemon.request("POST", "/v1/messages/count_tokens", body).json() == plain
    assert daemon.request("POST", "/v1/messages?beta=true", body).status == 200


PNG = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
HISTORY = {
    "image": ("user", {"type": "image", "source": {
        "type": "base64", "media_type": "image/png", "data": PNG}}),
    "image by URL": ("user", {"type": "image", "source": {"type": "url", "url": "https://x.example"}}),
    "document": ("user", {"type": "document", "source": {
        "type": "base64", "media_type": "application/pdf", "data": "JVBERi0="}, "title": "a.pdf"}),
    "redacted thinking": ("assistant", {"type": "redacted_thinking", "data": "c2VjcmV0"}),
    "server tool": ("assistant", {"type": "server_tool_use", "id": "srvtoolu_1",
                                  "name": "web_search", "input": {"query": "x"}}),
    "server tool's result": ("assistant", {"type": "web_search_tool_result",
                                           "tool_use_id": "srvtoolu_1", "content": []}),
    "unknown": ("assistant", {"type": "hologram", "data": {"deep": [1, {"er": None}]}}),
    "unknown of the user": ("user", {"type": "container_upload", "file_id": "f"}),
}


@pytest.mark.parametrize("name", [*HISTORY, "all"])
def test_a_history_with_content_that_no_local_model_can_use_goes_on(daemon, name):
    parts = list(HISTORY.values()) if name == "all" else [HISTORY[name]]
    blocks = {role: [block for of, block in parts if of == role] for role in ("user", "assistant")}
    words = {"type": "text", "text": "Look."}

    def body(extra):
        return {"model": "m", "max_tokens": 100, "messages": [
            {"role": "user", "content": [*(blocks["user"] if extra else []), words]},
            {"role": "assistant", "content": [*(blocks["assistant"] if extra else []), words]},
            {"role": "user", "content": "LONG"}]}

    reply = daemon.ask(body(True))
    assert reply.status == 200, reply.body
    assert reply.json()["content"] == [{"type": "text", "text": long_answer()}]

    def count(extra):
        return daemon.request("POST", "/v1/messages/count_tokens", body(extra)).json()["input_tokens"]

    assert count(True) >= count(False) + 3  # a placeholder stands there


def test_strings_and_blocks_are_the_same_prompt(daemon):
    """Claude Code sends a message as blocks when it is the last one, and later as a string."""
    text = "The same words. " * 50

    def body(blocks):
        content = [{"type": "text", "text": text}] if blocks else text
        return {"model": "m", "max_tokens": 50,
                "system": [{"type": "text", "text": "Be brief."}] if blocks else "Be brief.",
                "messages": [{"role": "user", "content": content}]}

    counts = [daemon.request("POST", "/v1/messages/count_tokens", body(blocks)).json()
              for blocks in (True, False)]
    assert counts[0] == counts[1]
    first, second = (daemon.ask(body(blocks)).json()["usage"] for blocks in (True, False))
    assert first["input_tokens"] > 100
    assert second["input_tokens"] == 1
    assert second["cache_read_input_tokens"] == counts[0]["input_tokens"] - 1


def test_two_requests_on_one_connection(daemon):
    with RawConnection(daemon) as connection:
        for _ in range(2):
            connection.received = b""
            connection.post(QUESTION)
            connection.receive_until(b"in the script.")
        connection.received = b""
        connection.post({"model": 5})
        assert connection.receive_until(b"request_id").startswith(b"HTTP/1.1 400 ")
        connection.received = b""
        connection.post(QUESTION)  # an error does not end the connection
        assert connection.receive_until(b"in the script.").startswith(b"HTTP/1.1 200 ")


@pytest.mark.parametrize("host, is_warned", [("0.0.0.0", True), ("127.0.0.1", False)])
def test_listening_on_the_network_is_warned_of(start_daemon, host, is_warned):
    log = start_daemon(None, "--host", host).log()
    assert (f"listening on {host}: other machines" in log) == is_warned
