"""A server that answers each question with words of its own, unless it is in a mood.

As a program it serves at a port until it is killed, and prints its address first: moody_server.py PORT
"""

import json
import pathlib
import sys
import threading

sys.path.append(str(pathlib.Path(__file__).resolve().parent.parent / "backends"))
from faulty_server import MODELS, STREAM, FaultyServer, http  # noqa: E402

WORDS = ["It", " says", " what", " it", " always", " says", ": grüezi", "."]
END = (b'data: {"choices":[{"delta":{},"finish_reason":"stop"}]}\n\n'
       b'data: {"choices":[],"usage":{"prompt_tokens":99,"completion_tokens":8}}\n\ndata: [DONE]\n\n')


def chunk(content):
    """Its letters as they are, so that they can be cut."""
    text = json.dumps({"choices": [{"delta": {"content": content}}]}, ensure_ascii=False)
    return f"data: {text}\n\n".encode()


class MoodyServer(FaultyServer):
    """Answers each question with words of its own, unless it is in a mood: a function that is given the
    connection and the good answer."""

    def __init__(self, port=0, host="127.0.0.1"):
        self.mood = None
        super().__init__(None, port, host)

    def _serve(self, connection):
        with connection:
            try:
                data = self._read(connection)
                if data.startswith(b"GET"):
                    connection.sendall(http(200, MODELS))
                    return
                asked = json.loads(data.partition(b"\r\n\r\n")[2])["messages"][-1]["content"]
                good = STREAM + b"".join(map(chunk, [*WORDS, f" To {asked}."])) + END
                if self.mood:
                    self.mood(connection, good)
                else:
                    connection.sendall(good)
            except (BrokenPipeError, ConnectionResetError):
                self.closed.set()


if __name__ == "__main__":
    print(MoodyServer(int(sys.argv[1])).url, flush=True)
    threading.Event().wait()
