"""A server that is well until it is asked to talk: then it does what a test says."""

import json
import socket
import threading

MODELS = json.dumps({"object": "list", "data": [{"id": "m", "object": "model"}]})


class FaultyServer:
    """Answers GET /v1/models well, and every POST with what a test says: a function of its connection
    that has read the request."""

    def __init__(self, answer, port=0, host="127.0.0.1"):
        self._answer = answer
        self.posts = 0
        self.closed = threading.Event()  # some client closed a connection that was being answered
        self._listening = socket.create_server((host, port))
        self.url = f"http://{host}:{self._listening.getsockname()[1]}"
        threading.Thread(target=self._accept, daemon=True).start()

    def stop(self):
        try:
            self._listening.shutdown(socket.SHUT_RDWR)  # or accept() would go on
        finally:
            self._listening.close()

    def _accept(self):
        while True:
            try:
                connection, _ = self._listening.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=[connection], daemon=True).start()

    def _serve(self, connection):
        with connection:
            try:
                if self._read(connection).startswith(b"GET"):
                    connection.sendall(http(200, MODELS))
                else:
                    self.posts += 1
                    self._answer(self, connection, self.posts)
            except (BrokenPipeError, ConnectionResetError):
                self.closed.set()

    @staticmethod
    def _read(connection):
        data = b""
        while b"\r\n\r\n" not in data:
            data += connection.recv(65536)
        head, _, body = data.partition(b"\r\n\r\n")
        length = next((int(line.split(b":")[1]) for line in head.lower().split(b"\r\n")
                       if line.startswith(b"content-length")), 0)
        while len(body) < length:
            body += connection.recv(65536)
        return data

    def wait_until_left(self, connection):
        """Returns when the client has closed."""
        connection.recv(1)
        self.closed.set()


def http(status, body, *headers):
    head = [f"HTTP/1.1 {status} X", "Content-Type: application/json",
            f"Content-Length: {len(body.encode())}", "Connection: close", *headers]
    return ("\r\n".join(head) + "\r\n\r\n" + body).encode()


STREAM = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\n"


def chunk(content):
    return ("data: " + json.dumps({"choices": [{"delta": {"content": content}}]}) + "\n\n").encode()


def events(reply):
    """(event, data) of an answer in events."""
    blocks = [block for block in reply.body.decode().split("\n\n") if block.startswith("event:")]
    return [(lines[0][7:], json.loads(lines[1][6:])) for lines in
            (block.split("\n") for block in blocks)]
