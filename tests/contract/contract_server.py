"""What the stand-ins for other servers share: HTTP, server-sent events, a model that follows markers in the
last question, and a prefix cache that is honest: what counts as reused is what the prompt shares, from its
first byte on, with one that came before.

Each server's own file says how it differs and where that is documented. A request that the real one would
refuse is refused here, in its words.
"""

import dataclasses
import http.server
import json
import socket
import threading

BYTES_PER_TOKEN = 4
BLOCK_TOKENS = 16  # prefixes are kept in blocks, as real servers do


class Refusal(Exception):
    def __init__(self, status, body, headers=()):
        super().__init__(status)
        self.status, self.body, self.headers = status, body, headers


@dataclasses.dataclass
class Asked:
    """One request that came in."""

    method: str
    path: str
    headers: dict  # names in lower case
    body: dict


@dataclasses.dataclass
class Turn:
    """What the model says."""

    reasoning: str = ""
    text: str = ""
    calls: list = dataclasses.field(default_factory=list)  # (name, input)
    finish: str = "stop"


def text_of(message):
    content = message.get("content") or ""
    if isinstance(content, list):
        return "\n".join(part.get("text", "") for part in content)
    return content


def script(body):
    """The model: it does what a marker in the last turn says."""
    last = body["messages"][-1]
    text = text_of(last)
    tools = {tool["function"]["name"] for tool in body.get("tools", [])}
    if last["role"] == "tool":
        return Turn(text=f"The tool said: {text}.")
    if "WEATHER" in text and "get_weather" in tools:
        return Turn(text="I ask.", calls=[("get_weather", {"city": "Zürich", "days": 2})])
    if "BOTH" in text:
        return Turn(calls=[("get_weather", {"city": "Bern"}), ("get_time", {"zone": "UTC"})])
    if "THINK" in text:
        return Turn(reasoning="Let me weigh this up.", text="I have thought about it.")
    if "STOP" in text:
        return Turn(text="alpha beta gamma delta")
    return Turn(text="Hello from the model.")


class PrefixCache:
    def __init__(self):
        self._prompts = []
        self._lock = threading.Lock()

    def add(self, prompt):
        """Tokens of the prompt, and of them those that are reused: whole blocks, never the last token."""
        with self._lock:
            shared = max((self._common(prompt, other) for other in self._prompts), default=0)
            self._prompts.append(prompt)
        tokens = max(1, len(prompt) // BYTES_PER_TOKEN)
        reused = min(shared // BYTES_PER_TOKEN, tokens - 1) // BLOCK_TOKENS * BLOCK_TOKENS
        return tokens, reused

    @staticmethod
    def _common(a, b):
        for i, (x, y) in enumerate(zip(a, b)):
            if x != y:
                return i
        return min(len(a), len(b))


def render(body):
    """As a chat template does: the tools first, then the turns."""
    parts = ["tools:" + json.dumps(body.get("tools", []))]
    for message in body["messages"]:
        parts.append(json.dumps(message))
    return "\n".join(parts).encode()


class ContractServer:
    """A server on a port of its own, until stop(). Subclasses say how it differs."""

    model = "a-model"
    reasoning_field = "reasoning_content"
    calls_come_whole = False
    reports_cached = True
    port = 0  # any free one

    def __init__(self):
        self.asked = []  # every POST
        self.cache = PrefixCache()
        self.answered = 0
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *_):
                pass

            def do_GET(self):
                outer._handle(self, None)

            def do_POST(self):
                length = int(self.headers.get("content-length", 0))
                outer._handle(self, self.rfile.read(length))

        self._connections = []

        class Server(http.server.ThreadingHTTPServer):
            daemon_threads = True

            def get_request(self):
                connection, peer = super().get_request()
                outer._connections.append(connection)
                return connection, peer

        self._server = Server(("127.0.0.1", self.port), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def stop(self):
        self._server.shutdown()
        self._server.server_close()
        for connection in self._connections:  # those that clients keep
            try:
                connection.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass  # closed already

    def chats(self):
        return [asked for asked in self.asked if asked.path == "/v1/chat/completions"]

    # What subclasses override.

    def get(self, path):
        """The body of a GET, or None."""
        if path == "/v1/models":
            return {"object": "list", "data": [{"id": self.model, "object": "model", "created": 1}]}
        return None

    def post(self, path, body):
        """The body of a POST other than a chat's, or None."""
        return None

    def check(self, body):
        """Raises Refusal where the real server would refuse."""

    def script(self, body):
        return script(body)

    def usage(self, prompt, reused, output):
        usage = {"prompt_tokens": prompt, "completion_tokens": output,
                 "total_tokens": prompt + output}
        if self.reports_cached:
            usage["prompt_tokens_details"] = {"cached_tokens": reused}
        return usage

    def extra_first(self, body, prompt, reused):
        """Raw SSE text before the first chunk."""
        return ""

    def error_body(self, status, message):
        return {"error": {"message": message, "type": "invalid_request_error", "code": status}}

    # The rest is the same everywhere.

    def _handle(self, handler, data):
        path = handler.path.split("?")[0]
        try:
            if data is None:
                found = self.get(path)
                if found is None:
                    raise Refusal(404, self.error_body(404, "Not Found"))
                return self._json(handler, 200, found)
            body = json.loads(data)
            headers = {name.lower(): value for name, value in handler.headers.items()}
            self.asked.append(Asked("POST", path, headers, body))
            if path != "/v1/chat/completions":
                found = self.post(path, body)
                if found is None:
                    raise Refusal(404, self.error_body(404, "Not Found"))
                return self._json(handler, 200, found)
            self.check(body)
            return self._stream(handler, body)
        except Refusal as refusal:
            return self._json(handler, refusal.status, refusal.body, refusal.headers)
        except (BrokenPipeError, ConnectionResetError):
            handler.close_connection = True

    def _json(self, handler, status, body, headers=()):
        data = json.dumps(body).encode()
        handler.send_response(status)
        handler.send_header("Content-Type", "application/json")
        handler.send_header("Content-Length", str(len(data)))
        for name, value in headers:
            handler.send_header(name, value)
        handler.end_headers()
        handler.wfile.write(data)

    def _stream(self, handler, body):
        assert body["stream"] is True, "everything is streamed"
        prompt, reused = self.cache.add(render(body))
        handler.send_response(200)
        handler.send_header("Content-Type", "text/event-stream; charset=utf-8")
        handler.send_header("Transfer-Encoding", "chunked")
        handler.end_headers()

        def send(text):
            data = text.encode()
            handler.wfile.write(f"{len(data):x}\r\n".encode() + data + b"\r\n")
            handler.wfile.flush()

        output = 0
        if first := self.extra_first(body, prompt, reused):
            send(first)
        for delta, finish in self._deltas(self.script(body)):
            output += 1
            chunk = {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1,
                     "model": body["model"],
                     "choices": [{"index": 0, "delta": delta, "finish_reason": finish}]}
            if body.get("stream_options", {}).get("continuous_usage_stats"):
                chunk["usage"] = self.usage(prompt, reused, output)
            send(f"data: {json.dumps(chunk)}\n\n")
        if body.get("stream_options", {}).get("include_usage"):
            send("data: " + json.dumps({"id": "chatcmpl-1", "choices": [], "model": body["model"],
                                        "usage": self.usage(prompt, reused, output)}) + "\n\n")
        send("data: [DONE]\n\n")
        handler.wfile.write(b"0\r\n\r\n")
        self.answered += 1

    def _deltas(self, turn):
        yield {"role": "assistant", "content": ""}, None
        for word in turn.reasoning.split(" ") if turn.reasoning else []:
            yield {self.reasoning_field: word + " "}, None
        for i, word in enumerate(turn.text.split(" ") if turn.text else []):
            yield {"content": (" " if i else "") + word}, None
        calls = [{"index": i, "id": f"call_{i}", "type": "function",
                  "function": {"name": name, "arguments": json.dumps(given)}}
                 for i, (name, given) in enumerate(turn.calls)]
        if calls and self.calls_come_whole:
            yield {"tool_calls": calls}, None
        elif calls:
            for call in calls:
                arguments = call["function"]["arguments"]
                yield {"tool_calls": [{**call, "function": {**call["function"], "arguments": ""}}]}, None
                for i in range(0, len(arguments), 7):
                    yield {"tool_calls": [{"index": call["index"],
                                           "function": {"arguments": arguments[i:i + 7]}}]}, None
        yield {}, "tool_calls" if calls else turn.finish
