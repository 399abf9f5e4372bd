"""Servers that are not there, that break off, or that send nonsense: what the client gets."""

import json
import socket
import threading

import pytest

from clients import ask
from daemon import wait_for
from faulty_server import STREAM, chunk, events, http
from vllm_server import VllmServer


def streamed(text="Hello?"):
    return {**ask(text), "stream": True}


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("status, body, expected, kind, words", [
    (400, '{"error":{"message":"bad top_p"}}', 400, "invalid_request_error", "bad top_p"),
    (401, '{"error":"Invalid API key"}', 403, "permission_error", "API key"),
    (404, '{"detail":"Not Found"}', 404, "not_found_error", "/v1/models"),
    (500, "<html>oops</html>", 500, "api_error", "oops"),
    (502, "", 500, "api_error", "no reason given"),
])
def test_an_error_keeps_its_kind_and_words(faulty, serve, status, body, expected, kind, words, stream):
    server = faulty(lambda _, connection, __: connection.sendall(http(status, body)))
    reply = serve(server.url, "openai").ask({**ask("Hello?"), "stream": stream})
    assert reply.status == expected
    assert reply.error()["type"] == kind
    assert words in reply.error()["message"] and server.url in reply.error()["message"]
    assert server.posts == 1


@pytest.mark.parametrize("status, expected", [(429, 429), (503, 529)])
def test_a_busy_server_is_asked_again_and_then_believed(faulty, serve, status, expected):
    server = faulty(lambda _, connection, __: connection.sendall(
        http(status, '{"error":"busy"}', "Retry-After: 0")))
    reply = serve(server.url, "openai").ask(streamed())
    assert reply.status == expected and server.posts == 3
    assert "retry-after" in reply.headers


def test_a_server_that_was_busy_answers_in_the_end(faulty, serve):
    def answer(_, connection, post):
        if post == 1:
            connection.sendall(http(503, '{"error":{"message":"Loading model"}}'))
        else:
            connection.sendall(STREAM + chunk("Here I am.") + b"data: [DONE]\n\n")

    server = faulty(answer)
    reply = serve(server.url, "openai").ask(ask("Hello?"))
    assert reply.status == 200 and reply.json()["content"][0]["text"] == "Here I am."


def test_a_dead_server_is_a_529_that_says_what_to_do(contract, serve):
    server = contract(VllmServer)
    daemon = serve(server.url, "vllm")
    server.stop()
    for body in (ask("Hello?"), streamed()):
        reply = daemon.ask(body)
        assert reply.status == 529 and reply.error()["type"] == "overloaded_error"
        message = reply.error()["message"]
        assert "vLLM at " + server.url in message
        assert "tried 3 times" in message and "Connection refused" in message
        assert "vllm serve" in message
    wait_for(lambda: daemon.request("GET", "/health", token=None).status == 503,
             "health says that the server is gone")


def test_a_server_that_was_never_there(serve):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        url = f"http://127.0.0.1:{taken.getsockname()[1]}"
    daemon = serve(url, "llama-cpp", ready=False)
    reply = daemon.ask(ask("Hello?"))
    assert reply.status == 529 and "llama-server -m" in reply.error()["message"]
    health = daemon.request("GET", "/health", token=None)
    assert health.status == 503 and "Connection refused" in health.body.decode()


def test_a_server_that_comes_late_is_found(faulty, serve):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    daemon = serve(f"http://127.0.0.1:{port}", "openai", ready=False)
    faulty(lambda _, connection, __: connection.sendall(
        STREAM + chunk("Late.") + b"data: [DONE]\n\n"), port)
    assert daemon.ask(ask("Hello?")).json()["content"][0]["text"] == "Late."


def test_a_stream_that_is_cut(faulty, serve):
    server = faulty(lambda _, connection, __: connection.sendall(STREAM + chunk("Half an")))
    daemon = serve(server.url, "openai")
    told = events(daemon.ask(streamed()))
    assert told[-1][0] == "error" and "without an end" in told[-1][1]["error"]["message"]
    assert any(data.get("delta", {}).get("text") == "Half an" for _, data in told)
    assert daemon.ask(ask("Hello?")).status == 500


@pytest.mark.parametrize("sent", [
    b"data: <html>\n\n", b"data: [1]\n\n", b"data: \xff\xfe{\n\n", b"\x00\x01\x02",
    b'data: {"choices":[{"delta":{"tool_calls":[{"index":3,"function":{"arguments":"x"}}]}}]}\n\n',
    b'data: {"error":{"message":"CUDA out of memory"}}\n\n',
])
def test_nonsense_in_a_stream(faulty, serve, sent):
    server = faulty(lambda _, connection, __: connection.sendall(STREAM + sent))
    daemon = serve(server.url, "openai")
    reply = daemon.ask(ask("Hello?"))
    assert reply.status == 500 and server.url in reply.error()["message"]
    assert daemon.request("GET", "/health", token=None).status == 200


def test_a_body_that_is_no_http(faulty, serve):
    server = faulty(lambda _, connection, __: connection.sendall(b"220 smtp ready\r\n"))
    reply = serve(server.url, "openai").ask(ask("Hello?"))
    assert reply.status == 500 and "something else listening" in reply.error()["message"]


def test_a_slow_server_gets_pings_meanwhile(faulty, serve):
    """The headers come soon, pings after them, and message_start when the prompt is computed."""
    go = threading.Event()

    def answer(_, connection, __):
        go.wait(30)
        connection.sendall(STREAM + chunk("At last.") + b"data: [DONE]\n\n")

    server = faulty(answer)
    daemon = serve(server.url, "openai")
    connection = socket.create_connection(("127.0.0.1", daemon.port), timeout=30)
    body = json.dumps(streamed()).encode()
    connection.sendall((f"POST /v1/messages HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer "
                        f"{daemon.token}\r\nContent-Length: {len(body)}\r\n\r\n").encode() + body)
    received = b""
    while b"event: ping" not in received:
        received += connection.recv(65536)
    assert b"message_start" not in received
    go.set()
    while b"message_stop" not in received:
        received += connection.recv(65536)
    assert b"At last." in received
    connection.close()


@pytest.mark.parametrize("begun", [False, True])
def test_a_client_that_leaves_ends_the_servers_work(faulty, serve, begun):
    def answer(server, connection, _):
        if begun:
            connection.sendall(STREAM + chunk("Once upon a time"))
        server.wait_until_left(connection)

    server = faulty(answer)
    daemon = serve(server.url, "openai")
    with socket.create_connection(("127.0.0.1", daemon.port), timeout=30) as connection:
        body = json.dumps(streamed()).encode()
        connection.sendall((f"POST /v1/messages HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer "
                            f"{daemon.token}\r\nContent-Length: {len(body)}\r\n\r\n").encode() + body)
        wait_for(lambda: server.posts == 1, "the request arrives")
        if begun:
            received = b""
            while b"Once upon" not in received:
                received += connection.recv(65536)
    assert server.closed.wait(10)


def test_connections_are_used_again(contract, serve):
    server = contract(VllmServer)
    daemon = serve(server.url, "vllm")
    before = daemon.open_files()
    for _ in range(30):
        assert daemon.ask(ask("Hello?")).status == 200
    assert daemon.open_files() <= before + 3
