"""The real Claude through the gateway: what goes in and out is compared to the byte with what a recording
upstream got and sent."""

import base64
import concurrent.futures
import hashlib
import json
import os
import pathlib
import socket
import sys

import pytest

from daemon import Daemon, metric_numbers, wait_for

CONTRACT = pathlib.Path(__file__).resolve().parent.parent / "contract"
sys.path.insert(0, str(CONTRACT))
import recording_upstream as sent  # noqa: E402
from recording import KEY, LOGIN, Recording  # noqa: E402

OUR_TOKEN = "our-own-token-0123456789"
ONE_CONNECTIONS = {"connection", "keep-alive", "x-hop", "host", "content-length", "transfer-encoding"}
STREAM_BODY = b'{"model":"claude-sonnet-4-5",  "stream":true, "messages":[{"role":"user","content":"h\\u00f6"}]}'


@pytest.fixture(scope="module")
def upstream(tmp_path_factory):
    upstream = Recording(tmp_path_factory.mktemp("upstream"))
    yield upstream
    upstream.stop()


def claude_mode(url):
    return ["--claude-url", url]


@pytest.fixture(scope="module")
def gateway(program, upstream, tmp_path_factory):
    daemon = Daemon(program, tmp_path_factory.mktemp("gateway"), None, claude_mode(upstream.url),
                    token=OUR_TOKEN)
    yield daemon
    daemon.stop()


class Raw:
    """One connection, and the answers on it to the byte."""

    def __init__(self, daemon):
        self.socket = socket.create_connection(("127.0.0.1", daemon.port), timeout=60)
        self._pending = b""

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()

    def send(self, method, target, headers, body=b"", prefix=f"/t/{OUR_TOKEN}/s/abc"):
        lines = [f"{method} {prefix}{target} HTTP/1.1", "Host: localhost"]
        lines += [f"{name}: {value}" for name, value in headers]
        if body or method == "POST":
            lines.append(f"Content-Length: {len(body)}")
        self.socket.sendall("\r\n".join([*lines, "", ""]).encode() + body)

    def _fill(self):
        part = self.socket.recv(1 << 16)
        if not part:
            raise ConnectionError("the connection ended within an answer")
        self._pending += part

    def _line(self):
        while b"\r\n" not in self._pending:
            self._fill()
        line, self._pending = self._pending.split(b"\r\n", 1)
        return line

    def _take(self, size):
        while len(self._pending) < size:
            self._fill()
        taken, self._pending = self._pending[:size], self._pending[size:]
        return taken

    def head(self):
        status = int(self._line().split()[1])
        headers = []
        while line := self._line():
            headers.append(tuple(line.decode("latin-1").split(": ", 1)))
        return status, headers

    def chunk(self):
        data = self._take(int(self._line(), 16))
        self._line()
        return data

    def answer(self, method="GET"):
        status, headers = self.head()
        names = {name.lower(): value for name, value in headers}
        body = b""
        if names.get("transfer-encoding") == "chunked":
            while data := self.chunk():
                body += data
        elif method != "HEAD":
            body = self._take(int(names.get("content-length", 0)))
        return status, headers, body


def end_to_end(headers):
    """Those of one name in their order, which alone has a meaning (RFC 9110, section 5.3)."""
    kept = [(name, value) for name, value in headers if name.lower() not in ONE_CONNECTIONS]
    return sorted(kept, key=lambda header: header[0].lower())


def body_of(entry):
    return base64.b64decode(entry["body"])


ODD_HEADERS = [
    ("X-API-Key", KEY), ("anthropic-version", "2023-06-01"), ("ANTHROPIC-beta", "a-2025-01-01,b"),
    ("x-dup", "1"), ("Accept-Encoding", "gzip, deflate, br, zstd"), ("X-Dup", "2"),
    ("User-Agent", "claude-cli/2.1.330 (external, cli)"), ("Accept", "*/*"),
    ("Content-Type", "application/json"), ("X-Empty", ""), ("x-stainless-retry-count", "0"),
    ("Connection", "keep-alive, X-Hop"), ("X-Hop", "of this connection"), ("Keep-Alive", "timeout=5")]


def test_a_request_arrives_as_it_was_sent(gateway, upstream):
    body = b'{ "model": "claude-sonnet-4-5",\r\n "x": "\\u00e4\xc3\xa4",  "n": 1.0e2 }'
    with Raw(gateway) as client:
        client.send("POST", "/v1/messages?beta=true&x=%20%2F", ODD_HEADERS, body)
        assert client.answer()[0] == 200
    got = upstream.last()
    assert (got["method"], got["target"]) == ("POST", "/v1/messages?beta=true&x=%20%2F")
    assert body_of(got) == body
    assert end_to_end(tuple(header) for header in got["headers"]) == end_to_end(ODD_HEADERS)
    host = [value for name, value in got["headers"] if name.lower() == "host"]
    assert host == [f"127.0.0.1:{upstream.port}"]


def test_no_header_is_added(gateway, upstream):
    with Raw(gateway) as client:
        client.send("GET", "/v1/models", [("x-api-key", KEY)])
        client.answer()
    assert end_to_end(tuple(header) for header in upstream.last()["headers"]) == [("x-api-key", KEY)]


def test_an_answer_arrives_as_it_was_sent(gateway):
    with Raw(gateway) as client:
        client.send("POST", "/v1/messages?answered", [("x-api-key", KEY)], b'{"model":"m"}')
        status, headers, body = client.answer()
    assert (status, body) == (200, sent.MESSAGE)
    wait_for(lambda: gateway.log().count("/v1/messages 200"), "the log has its end")
    assert "/v1/messages 499" not in gateway.log(), "a client that leaves with its answer has not left"
    assert end_to_end(headers) == end_to_end(sent.END_TO_END)


def test_a_stream_arrives_as_it_was_sent(gateway):
    with Raw(gateway) as client:
        client.send("POST", "/v1/messages?beta=true", [("authorization", f"Bearer {LOGIN}")],
                    STREAM_BODY)
        status, headers, body = client.answer()
        assert (status, body) == (200, b"".join(sent.events()))
        assert dict(headers)["Content-Type"] == "text/event-stream; charset=utf-8"
        client.send("GET", "/v1/models?limit=1000", [("x-api-key", KEY)])  # the connection goes on
        assert client.answer()[2] == sent.MODELS


def test_bytes_come_as_they_are_sent_and_not_when_all_are_there(gateway, upstream):
    with Raw(gateway) as client:
        client.send("POST", "/v1/messages", [("x-api-key", KEY), ("x-answer", "hold")], STREAM_BODY)
        client.head()
        first = b""
        while len(first) < len(sent.events()[0]):
            first += client.chunk()
        assert first == sent.events()[0]
        upstream.ask("/release")  # only now does the upstream go on
        rest = b""
        while data := client.chunk():
            rest += data
        assert rest == b"".join(sent.events()[1:])


@pytest.mark.parametrize("method, target, answer", [
    ("POST", "/v1/messages/count_tokens?beta=true", sent.TOKENS),
    ("GET", "/v1/models?limit=1000", sent.MODELS),
    ("GET", "/v1/models/claude%2Fx", sent.MODELS),
    ("POST", "/v1/messages/batches", sent.MESSAGE),
    ("DELETE", "/v1/files/file_011", sent.MESSAGE),
    ("PUT", "/v1/anything/new/", sent.MESSAGE)])
def test_every_path_below_v1(gateway, upstream, method, target, answer):
    with Raw(gateway) as client:
        client.send(method, target, [("x-api-key", KEY)], b"{}" if method == "POST" else b"")
        status, _, body = client.answer(method)
    assert (status, body) == (200, answer)
    assert (upstream.last()["method"], upstream.last()["target"]) == (method, target)


def test_compressed_answers_and_errors_are_left_alone(gateway):
    with Raw(gateway) as client:
        client.send("POST", "/v1/messages", [("x-api-key", KEY), ("x-answer", "gzip")], b"{}")
        _, headers, body = client.answer()
        assert dict(headers)["Content-Encoding"] == "gzip"
        assert sent.gzip.decompress(body) == sent.MESSAGE
        client.send("POST", "/v1/messages", [("x-api-key", KEY), ("x-answer", "limited")], b"{}")
        status, headers, body = client.answer()
        assert (status, body) == (429, sent.LIMITED)
        assert ("retry-after", "17") in headers and ("x-should-retry", "true") in headers


def test_a_body_of_32_mib_and_no_more(gateway, upstream):
    body = b'{"model":"m","x":"' + os.urandom(12 << 20).hex().encode()
    body += b"." * ((32 << 20) - len(body) - 2) + b'"}'
    with Raw(gateway) as client:
        client.send("POST", "/v1/messages", [("x-api-key", KEY)], body)
        assert client.answer()[2] == sent.MESSAGE
    assert upstream.last()["size"] == 32 << 20
    assert upstream.last()["sha256"] == hashlib.sha256(body).hexdigest()
    reply = gateway.request("POST", f"/t/{OUR_TOKEN}/v1/messages", body + b" ", token=None)
    assert reply.status == 413


def test_the_upstream_is_told_when_the_client_leaves(gateway, upstream):
    with Raw(gateway) as client:
        client.send("POST", "/v1/messages?leaves", [("x-api-key", KEY), ("x-answer", "hold")],
                    STREAM_BODY)
        client.head()
        client.chunk()
        (live,) = gateway.request("GET", "/ui/state").json()["live"]
        assert live["id"].startswith("req_")
    wait_for(lambda: {"closed": "/v1/messages?leaves"} in upstream.entries(),
             "the upstream's connection is closed")
    wait_for(lambda: gateway.request("GET", "/ui/state").json()["live"] == [], "nothing is under way")


def test_an_answer_cut_short_is_seen_as_cut_short(gateway):
    with Raw(gateway) as client:
        client.send("POST", "/v1/messages", [("x-api-key", KEY), ("x-answer", "cut")], b"{}")
        with pytest.raises(ConnectionError):
            client.answer()


def test_an_unreachable_upstream_is_a_529_that_names_it(program, start_daemon):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{free.getsockname()[1]}"
    daemon = start_daemon(None, *claude_mode(url))
    reply = daemon.request("POST", f"/t/{daemon.token}/v1/messages", {}, token=None)
    assert reply.status == 529 and reply.headers["retry-after"]
    assert reply.error()["type"] == "overloaded_error" and url in reply.error()["message"]


def test_our_token_is_asked_for_in_the_path_and_nowhere_else(gateway, upstream):
    before = len(upstream.entries())
    wrong = gateway.request("POST", "/t/wrong/v1/messages", {}, token=None)
    assert wrong.status == 401
    none = gateway.request("POST", "/v1/messages", {}, headers={"x-api-key": KEY}, token=None)
    assert none.status == 401
    in_a_header = gateway.request("POST", "/v1/messages", {}, token=OUR_TOKEN)
    assert in_a_header.status == 401 and "/t/TOKEN" in in_a_header.error()["message"]
    assert gateway.request("GET", f"/t/{OUR_TOKEN}/v2/x", token=None).status == 404
    assert len(upstream.entries()) == before, "nothing of that has left this machine"


def test_what_it_cost_is_counted(gateway):
    def numbers():
        return metric_numbers(gateway.request("GET", "/metrics", token=OUR_TOKEN).body)
    before = numbers()
    with Raw(gateway) as client:
        client.send("POST", "/v1/messages", [("x-api-key", KEY)], STREAM_BODY)
        client.answer()
    def grown():
        return {name: value - before[name] for name, value in numbers().items()}
    wait_for(lambda: grown()["anyclaude_requests_total"] == 1, "the request is counted")
    assert grown()["anyclaude_prompt_tokens_total"] == 12 + 300 + 18190
    assert grown()["anyclaude_reused_tokens_total"] == 18190
    assert grown()["anyclaude_output_tokens_total"] == 7


def test_a_thousand_streams_at_once_all_complete(gateway, upstream):
    """All of them are open at the same time: none ends before the last has begun."""
    count = 1000
    before = len(upstream.entries())
    whole = b"".join(sent.events())
    streams = [Raw(gateway) for _ in range(count)]
    try:
        for stream in streams:
            stream.send("POST", "/v1/messages?many", [("x-api-key", KEY), ("x-answer", "hold")],
                        STREAM_BODY)
        wait_for(lambda: len(upstream.entries()) == before + count, "all have arrived", 60)
        upstream.ask("/release")
        with concurrent.futures.ThreadPoolExecutor(8) as pool:
            bodies = list(pool.map(lambda stream: stream.answer()[2], streams))
    finally:
        for stream in streams:
            stream.socket.close()
    assert bodies == [whole] * count


def test_no_credential_is_in_any_file_of_the_daemon(gateway):
    """After all of the above, on every level of the log that is kept."""
    with Raw(gateway) as client:
        client.send("POST", "/v1/messages", [("x-api-key", KEY), ("authorization", f"Bearer {LOGIN}")],
                    b"{}")
        client.answer()
    files = [path for path in gateway.home.rglob("*") if path.is_file()]
    log = gateway.log()
    assert "/t/…/s/abc/v1/messages" in log, "requests are logged, without the token"
    for path in files:
        text = path.read_bytes()
        for secret in (KEY, LOGIN, OUR_TOKEN):
            assert secret.encode() not in text, f"{path} has a credential in it"
