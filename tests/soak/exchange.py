"""One request as a client sends it, and what came back, checked for its form."""

import dataclasses
import http.client
import json
import socket
import time


class Wrong(Exception):
    """An answer that came and is not as it must be."""


class Failed(Exception):
    """An answer that did not come, or an error; `status` 0 where there was none."""

    def __init__(self, text, status=0):
        super().__init__(text)
        self.status = status


@dataclasses.dataclass
class Answer:
    content: list  # blocks as they go into the next turn
    stop_reason: str
    prompt: int  # tokens
    reused: int
    output: int
    first: float | None = None  # seconds to the first piece of a block; None where it was no stream

    @property
    def text(self):
        return "".join(block["text"] for block in self.content if block["type"] == "text")

    @property
    def calls(self):
        return [block for block in self.content if block["type"] == "tool_use"]


class Line:
    """A client's connection, kept between requests."""

    def __init__(self, daemon, timeout=120):
        self._daemon = daemon
        self._timeout = timeout
        self._connection = None

    def close(self):
        if self._connection:
            self._connection.close()
            self._connection = None

    def ask(self, body, headers=None, stream=True):
        """A message. A stream is read to its end."""
        began = time.monotonic()
        response = self._post("/v1/messages", {**body, "stream": stream}, headers)
        if stream:
            return read_stream(response, began)
        return answer_of(json.loads(response.read()))

    def count(self, body):
        return json.loads(self._post("/v1/messages/count_tokens", body).read())["input_tokens"]

    def vanish(self, body, headers, pieces, reset):
        """Reads one piece more than that of a stream (with -1, what comes before the first), and is gone: closed,
        or reset."""
        response = self._post("/v1/messages", {**body, "stream": True}, headers)
        try:
            for line in response:
                pieces -= line.startswith(b"event: content_block_delta")
                if pieces < 0:
                    break
        except (OSError, http.client.HTTPException) as error:
            raise Failed(f"{type(error).__name__}: {error}") from error
        if reset and self._connection.sock:
            self._connection.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        response.close()
        self.close()

    def status_with(self, token, body):
        """What a client with this token is told."""
        try:
            self._post("/v1/messages", body, {"authorization": f"Bearer {token}"})
        except Failed as error:
            return error.status
        return 200

    def _post(self, path, body, headers=None):
        data = json.dumps(body).encode()
        sent = {"content-type": "application/json", "anthropic-version": "2023-06-01",
                "authorization": f"Bearer {self._daemon.token}", **(headers or {})}
        for attempt in range(2):
            kept = self._connection is not None
            if not kept:
                self._connection = http.client.HTTPConnection("127.0.0.1", self._daemon.port,
                                                              timeout=self._timeout)
            try:
                self._connection.request("POST", path, data, sent)
                response = self._connection.getresponse()
                break
            except (OSError, http.client.HTTPException) as error:
                self.close()
                # A kept connection may have been closed while it was idle; any client asks once more.
                if not kept or attempt or isinstance(error, TimeoutError):
                    raise Failed(f"{type(error).__name__}: {error}") from error
        if response.status != 200:
            text = response.read().decode(errors="replace")
            raise Failed(f"{response.status} {text[:300]}", response.status)
        return response


def answer_of(message):
    usage = message["usage"]
    return Answer(message["content"], message["stop_reason"],
                  usage["input_tokens"] + usage["cache_read_input_tokens"]
                  + usage["cache_creation_input_tokens"],
                  usage["cache_read_input_tokens"], usage["output_tokens"])


def read_stream(response, began):
    """Puts a stream together as the SDKs do, and minds the order of its events."""
    message, inputs, open_block, first = None, {}, None, None
    last = ""
    try:
        for line in response:
            if not line.startswith(b"data:"):
                continue
            event = json.loads(line[5:])
            last = event["type"]
            if last == "message_start":
                message = event["message"]
            elif last == "content_block_start":
                if open_block is not None or event["index"] != len(message["content"]):
                    raise Wrong(f"a block begins out of turn: {event}")
                open_block = event["index"]
                message["content"].append(event["content_block"])
            elif last == "content_block_delta":
                first = first or time.monotonic() - began
                take_delta(message["content"], open_block, event["delta"], inputs)
            elif last == "content_block_stop":
                open_block = None
            elif last == "message_delta":
                message["stop_reason"] = event["delta"]["stop_reason"]
                message["usage"].update(event["usage"])
            elif last == "error":
                raise Failed(f"error event: {event['error']}")
    except (OSError, http.client.HTTPException) as error:
        raise Failed(f"{type(error).__name__}: {error}") from error
    if last != "message_stop" or open_block is not None:
        raise Failed(f"the stream ended behind {last or 'nothing'}")
    for index, text in inputs.items():
        message["content"][index]["input"] = json.loads(text or "{}")
    answer = answer_of(message)
    answer.first = first
    return answer


def take_delta(content, index, delta, inputs):
    block = content[index]
    if delta["type"] == "text_delta":
        block["text"] += delta["text"]
    elif delta["type"] == "thinking_delta":
        block["thinking"] += delta["thinking"]
    elif delta["type"] == "signature_delta":
        block["signature"] = delta["signature"]
    elif delta["type"] == "input_json_delta":
        inputs[index] = inputs.get(index, "") + delta["partial_json"]
    else:
        raise Wrong(f"an unknown delta: {delta}")
