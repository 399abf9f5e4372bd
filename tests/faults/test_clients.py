"""Clients that leave, stall, flood and send what no client should."""

import json
import socket
import time

import pytest

from clients import ask
from daemon import wait_for
from raw_http import RawConnection

ENDLESS = {**ask("A long story", max_tokens=4000), "stream": True}


def begun(daemon):
    """A connection on which an endless answer has begun."""
    connection = RawConnection(daemon)
    connection.post(ENDLESS)
    connection.receive_until(b"content_block_delta")
    return connection


def refused(daemon, data, status):
    """What a connection that sends this is told."""
    with RawConnection(daemon) as connection:
        connection.send(data)
        connection.socket.shutdown(socket.SHUT_WR)
        head, _, body = connection.receive_all().partition(b"\r\n\r\n")
    assert head.startswith(f"HTTP/1.1 {status} ".encode()), head
    error = json.loads(body)["error"]
    return f"{status} {error['message'][:90]}"


def all_gone(harness):
    """The engine has stopped working for whoever left."""
    def gone():
        now = harness.daemon.metrics()
        return now["anyclaude_engine_running"] <= 2 and now["anyclaude_engine_queued"] == 0
    wait_for(gone, "nobody's answer is computed any more", 5)


def test_clients_that_vanish_in_mid_stream(harness):
    with harness.fault("8 clients vanish in mid-stream (reset)") as fault:
        for connection in [begun(harness.daemon) for _ in range(8)]:
            connection.abort()
        all_gone(harness)
        fault.told = "nobody is left to be told; their work ends within a batch"


def test_clients_that_close_in_mid_stream(harness):
    with harness.fault("8 clients close in mid-stream") as fault:
        for connection in [begun(harness.daemon) for _ in range(8)]:
            connection.socket.close()
        all_gone(harness)
        fault.told = "nobody is left to be told; their work ends within a batch"


def test_clients_that_vanish_while_their_prompt_is_computed(harness):
    long = {**ask("word " * 3000), "stream": True, "max_tokens": 5}
    with harness.fault("8 clients vanish while their prompts are computed") as fault:
        for number in range(8):
            connection = RawConnection(harness.daemon)
            connection.post({**long, "system": f"This is client {number}."})
            connection.receive_until(b"ping")
            connection.abort()
        all_gone(harness)
        fault.told = "nobody is left to be told; their work ends within a batch"


def test_requests_cut_in_half(harness):
    with harness.fault("40 requests are cut in half and reset") as fault:
        body = json.dumps(ENDLESS).encode()
        for number in range(40):
            connection = RawConnection(harness.daemon)
            whole = connection.head(len(body)) + body
            connection.send(whole[:1 + number * (len(whole) - 2) // 40])
            connection.abort()
        fault.told = "nobody is left to be told"


def test_connections_that_never_ask(harness):
    with harness.fault("200 connections that say nothing") as fault:
        silent = [RawConnection(harness.daemon) for _ in range(200)]
        assert harness.daemon.metrics()["anyclaude_open_connections"] >= 200
        for connection in silent:
            connection.socket.close()
        fault.told = "served beside them; closed without a word after 30 s"


def test_heads_and_bodies_that_never_end(harness):
    with harness.fault("100 clients that send their head and body a byte at a time") as fault:
        slow = [RawConnection(harness.daemon) for _ in range(100)]
        for number, connection in enumerate(slow):
            if number % 2:
                connection.send(connection.head(1000))
        for _ in range(10):
            for connection in slow:
                connection.send(b"x")
            time.sleep(0.02)  # what makes them slow
        for connection in slow:
            connection.abort()
        fault.told = "served beside them; 408 after 30 s (head) and 120 s (body)"


def test_a_client_that_does_not_read(harness):
    with harness.fault("a client that stops reading and is reset with its answer unread") as fault:
        connection = begun(harness.daemon)
        time.sleep(0.5)  # its buffers fill
        connection.abort()
        all_gone(harness)
        fault.told = "nobody is left to be told"


def test_heads_that_are_too_large(harness):
    with harness.fault("heads of 100 KB") as fault:
        for _ in range(10):
            fault.told = refused(harness.daemon, b"GET /health HTTP/1.1\r\nHost: 127.0.0.1\r\nX: "
                                 + b"a" * 100_000 + b"\r\n\r\n", 431)


def test_bodies_that_are_too_large(harness):
    with harness.fault("bodies of 100 MB are announced") as fault:
        for _ in range(10):
            with RawConnection(harness.daemon) as connection:
                head = connection.head(100_000_000)
            fault.told = refused(harness.daemon, head, 413)


@pytest.mark.parametrize("name, body", [
    ("JSON nested 500,000 deep", b'{"model":"x","max_tokens":1,"messages":' + b"[" * 500_000),
    ("bodies that are not UTF-8",
     b'{"model":"x","max_tokens":1,"messages":[{"role":"user","content":"\xff\xfe\xc3"}]}'),
], ids=["too-deep", "no-text"])
def test_bodies_that_cannot_be_read(harness, name, body):
    with harness.fault(name) as fault:
        for _ in range(5):
            with RawConnection(harness.daemon) as connection:
                head = connection.head(len(body))
            fault.told = refused(harness.daemon, head + body, 400)


def test_more_requests_than_the_queue_holds(harness):
    with harness.fault("400 requests at once", seconds=10) as fault:
        flood = [RawConnection(harness.daemon) for _ in range(400)]
        for connection in flood:
            connection.post(ENDLESS)

        def turned_away():
            answers = [connection.receive_what_is_there() for connection in flood]
            heads = [answer for answer in answers if answer.startswith(b"HTTP/1.1 429")]
            return heads if len(heads) >= 400 - (16 + 256) * 3 // 4 else None

        head, _, body = wait_for(turned_away, "what is too much is refused", 30)[0].partition(b"\r\n\r\n")
        assert b"retry-after: " in head.lower()
        fault.told = f"429 with retry-after: {json.loads(body)['error']['message'][:90]}"
        for connection in flood:
            connection.abort()
