#!/usr/bin/env python3
"""Stands where the real Claude would be: records every request to the byte and answers as its API does.

    recording_upstream.py RECORD.jsonl

prints the port it listens on. One line of the record is one request: method, target, headers in their
order and spelling, and the body in base64 (its SHA-256 and size where it is over 1 MiB), or
{"closed": target} when a client left before its answer was complete. What is answered depends on the
header x-answer:

    (none)     a stream where the body says "stream": true, else a Message or a list of models
    gzip       a Message, compressed
    limited    429 with the headers of a rate limit
    hold       the stream's first event, and the rest after a request for /release
    cut        half of a Message, and the end of the connection

Also imported by tests, which compare what came through with what was sent here.
Source of the shapes: https://docs.anthropic.com/en/docs/build-with-claude/streaming
"""

import asyncio
import base64
import gzip
import hashlib
import json
import sys

USAGE = {"input_tokens": 12, "cache_creation_input_tokens": 300, "cache_read_input_tokens": 18190,
         "output_tokens": 1}


def sse(name, data):
    return f"event: {name}\ndata: {json.dumps({'type': name} | data)}\n\n".encode()


def events(text="Hello, wörld"):
    """The pieces of a stream as they are written: some end within an event, one within a letter."""
    start = sse("message_start", {"message": {
        "id": "msg_01", "type": "message", "role": "assistant", "model": "claude-sonnet-4-5-20250929",
        "content": [], "stop_reason": None, "stop_sequence": None, "usage": USAGE}})
    delta = sse("content_block_delta", {"index": 0, "delta": {"type": "text_delta", "text": text}})
    delta = delta.replace(json.dumps(text)[1:-1].encode(), text.encode())
    cut = delta.find("ö".encode()) + 1 or len(delta) // 2
    return [
        start,
        sse("content_block_start", {"index": 0, "content_block": {"type": "text", "text": ""}})
        + b"event: ping\ndata: {\"type\":   \"ping\"}\n\n" + delta[:cut],
        delta[cut:] + sse("content_block_stop", {"index": 0})[:9],
        sse("content_block_stop", {"index": 0})[9:]
        + sse("message_delta", {"delta": {"stop_reason": "end_turn", "stop_sequence": None},
                                "usage": {"output_tokens": 7}})
        + b": a comment, kept\n\n" + sse("message_stop", {})]


MESSAGE = json.dumps({"id": "msg_02", "type": "message", "role": "assistant",
                      "model": "claude-sonnet-4-5-20250929",
                      "content": [{"type": "text", "text": "Hi  there"}], "stop_reason": "end_turn",
                      "stop_sequence": None, "usage": USAGE | {"output_tokens": 4}}, indent=1).encode()
MODELS = b'{"data": [ {"type":"model","id":"claude-sonnet-4-5-20250929"} ],  "has_more":false}'
TOKENS = b'{"input_tokens" : 14}'
LIMITED = b'{"type":"error","error":{"type":"rate_limit_error","message":"slow down"}}'
END_TO_END = [("Content-Type", "application/json"), ("request-id", "req_011CXX"),
              ("anthropic-organization-id", "0f0f-11"), ("CF-RAY", "8f1-FRA"),
              ("Set-Cookie", "a=1; Path=/"), ("Set-Cookie", "b=2; Path=/"),
              ("Date", "Tue, 03 Mar 2026 10:00:00 GMT"), ("server", "cloudflare"),
              ("Strict-Transport-Security", "max-age=31536000; includeSubDomains")]
OF_THE_CONNECTION = [("Connection", "keep-alive, X-Hop"), ("Keep-Alive", "timeout=60"), ("X-Hop", "1")]


class Upstream:
    def __init__(self, record):
        self._record = record
        self._release = asyncio.Event()

    def note(self, entry):
        self._record.write(json.dumps(entry) + "\n")
        self._record.flush()

    async def serve(self, reader, writer):
        try:
            while await self._one(reader, writer):
                pass
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    async def _one(self, reader, writer):
        try:
            head = await reader.readuntil(b"\r\n\r\n")
        except asyncio.IncompleteReadError:
            return False
        line, *lines = head[:-4].decode("latin-1").split("\r\n")
        method, target, _ = line.split(" ")
        headers = [tuple(text.split(": ", 1)) for text in lines]
        by_name = {name.lower(): value for name, value in headers}
        body = await reader.readexactly(int(by_name.get("content-length", 0)))
        entry = {"method": method, "target": target, "headers": headers}
        if len(body) > 1 << 20:
            entry |= {"sha256": hashlib.sha256(body).hexdigest(), "size": len(body)}
        else:
            entry["body"] = base64.b64encode(body).decode()
        self.note(entry)
        answer = by_name.get("x-answer", "")
        if target.startswith("/release"):
            self._release.set()
            self._release = asyncio.Event()
        if method == "POST" and target.startswith("/v1/messages") and not answer.startswith(
                ("gzip", "limited", "cut")) and b'"stream": true' in body.replace(
                b'"stream":true', b'"stream": true')[-200_000:]:
            await self._stream(reader, writer, target, answer)
            return True
        if answer == "cut":
            await self._send(writer, 200, MESSAGE, cut=len(MESSAGE) // 2)
            return False
        if answer == "gzip":
            await self._send(writer, 200, gzip.compress(MESSAGE, mtime=0),
                             [("Content-Encoding", "gzip")])
        elif answer == "limited":
            await self._send(writer, 429, LIMITED, [("retry-after", "17"), ("x-should-retry", "true")])
        elif method == "HEAD":
            await self._send(writer, 200, b"")
        else:
            await self._send(writer, 200, MODELS if "/v1/models" in target
                             else TOKENS if "count_tokens" in target else MESSAGE)
        return True

    async def _send(self, writer, status, body, more=(), cut=None):
        lines = [f"HTTP/1.1 {status} Whatever"]
        lines += [f"{name}: {value}" for name, value in [*END_TO_END, *more, *OF_THE_CONNECTION]]
        lines.append(f"Content-Length: {len(body)}")
        writer.write("\r\n".join([*lines, "", ""]).encode() + body[:cut])
        await writer.drain()

    async def _stream(self, reader, writer, target, answer):
        headers = [(name, value) for name, value in END_TO_END if name != "Content-Type"]
        lines = ["HTTP/1.1 200 OK", "Content-Type: text/event-stream; charset=utf-8"]
        lines += [f"{name}: {value}" for name, value in [*headers, *OF_THE_CONNECTION]]
        writer.write("\r\n".join([*lines, "Transfer-Encoding: chunked", "", ""]).encode())
        release = self._release
        for index, piece in enumerate(events()):
            if index == 1 and answer == "hold":
                gone = asyncio.ensure_future(reader.read(1))
                freed = asyncio.ensure_future(release.wait())
                await asyncio.wait([gone, freed], return_when=asyncio.FIRST_COMPLETED)
                freed.cancel()
                if gone.done():
                    self.note({"closed": target})
                    raise ConnectionError
                gone.cancel()
            writer.write(b"%x\r\n%b\r\n" % (len(piece), piece))
            await writer.drain()
        writer.write(b"0\r\n\r\n")
        await writer.drain()


async def main():
    with open(sys.argv[1], "a", encoding="utf-8") as record:
        server = await asyncio.start_server(Upstream(record).serve, "127.0.0.1", 0, backlog=2048,
                                            limit=1 << 26)
        print(server.sockets[0].getsockname()[1], flush=True)
        await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main())
