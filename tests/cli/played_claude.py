"""A server that plays the real Claude, so that Claude Code's own record of a conversation with it can
be made here.
"""

import contextlib
import http.server
import json
import threading
import uuid


class Handler(http.server.BaseHTTPRequestHandler):
    """Says nothing on the terminal; every answer ends its connection."""

    protocol_version = "HTTP/1.1"

    def log_message(self, format, *arguments):  # pylint: disable=redefined-builtin
        pass

    def body(self):
        return self.rfile.read(int(self.headers.get("content-length", 0)))

    def begin(self, status, content_type):
        self.send_response(status)
        self.send_header("content-type", content_type)
        self.send_header("connection", "close")
        self.end_headers()
        self.close_connection = True

    def do_HEAD(self):
        self.begin(200, "text/plain")


@contextlib.contextmanager
def serving(handler):
    """The port that a server with this handler listens at."""
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield server.server_address[1]
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def claudes_id(kind):
    return f"{kind}_01{uuid.uuid4().hex[:22]}"


# As long as those that the real one sends.
SIGNATURE = "EqQBCkYIBRgCKkD" + "c2lnbmF0dXJlIG9mIHNvbWVib2R5IGVsc2U" * 8 + "=="


def claudes_answer(turn, model):
    """The blocks of an answer, and why it ends: a call of Bash first, then words."""
    thinking = {"type": "thinking", "thinking": f"The person wants turn {turn}.",
                "signature": SIGNATURE}
    if turn == 0:
        call = {"type": "tool_use", "id": claudes_id("toolu"), "name": "Bash",
                "input": {"command": "ls", "description": "List the folder"}}
        return [thinking, {"type": "text", "text": "I look first."}, call], "tool_use"
    return [thinking, {"type": "text", "text": f"That was {model}'s answer."}], "end_turn"


def events_of(blocks, stop_reason, model):
    """An answer as the stream that the API describes."""
    usage = {"input_tokens": 3, "cache_creation_input_tokens": 12_000, "cache_read_input_tokens": 0,
             "output_tokens": 1}
    yield {"type": "message_start", "message": {
        "id": claudes_id("msg"), "type": "message", "role": "assistant", "model": model,
        "content": [], "stop_reason": None, "stop_sequence": None, "usage": usage}}
    for index, block in enumerate(blocks):
        deltas = {
            "thinking": lambda b: [{"type": "thinking_delta", "thinking": b["thinking"]},
                                   {"type": "signature_delta", "signature": b["signature"]}],
            "text": lambda b: [{"type": "text_delta", "text": b["text"]}],
            "tool_use": lambda b: [{"type": "input_json_delta",
                                    "partial_json": json.dumps(b["input"])}],
        }[block["type"]](block)
        empty = {"thinking": {"thinking": "", "signature": ""}, "text": {"text": ""},
                 "tool_use": {"input": {}}}[block["type"]]
        yield {"type": "content_block_start", "index": index, "content_block": {**block, **empty}}
        for delta in deltas:
            yield {"type": "content_block_delta", "index": index, "delta": delta}
        yield {"type": "content_block_stop", "index": index}
    yield {"type": "message_delta", "delta": {"stop_reason": stop_reason, "stop_sequence": None},
           "usage": {**usage, "output_tokens": 60}}
    yield {"type": "message_stop"}


def playing_claude(model):
    """A handler that answers as the real Claude does, with identifiers and signatures of its own."""

    class PlayClaude(Handler):
        def do_POST(self):
            asked = json.loads(self.body())
            if self.path.split("?")[0].endswith("/count_tokens"):
                self.begin(200, "application/json")
                self.wfile.write(b'{"input_tokens": 12000}')
                return
            turn = sum(1 for message in asked["messages"] if message["role"] == "assistant")
            blocks, stop_reason = claudes_answer(turn if asked.get("tools") else 1, model)
            self.begin(200, "text/event-stream")
            for event in events_of(blocks, stop_reason, model):
                self.wfile.write(f"event: {event['type']}\ndata: {json.dumps(event)}\n\n".encode())
                self.wfile.flush()

    return PlayClaude
