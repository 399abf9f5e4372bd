"""HTTP by hand, for what no well-behaved client does."""

import json
import socket


class RawConnection:
    """A TCP connection to a daemon, with the bytes that have come in."""

    def __init__(self, daemon, timeout=30, host="127.0.0.1"):
        self._daemon = daemon
        self.socket = socket.create_connection((host, daemon.port), timeout=timeout)
        self.received = b""

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()

    def head(self, length, method="POST", path="/v1/messages"):
        """A request's head, with the token."""
        return (f"{method} {path} HTTP/1.1\r\nHost: 127.0.0.1\r\n"
                f"Authorization: Bearer {self._daemon.token}\r\n"
                f"Content-Length: {length}\r\n\r\n").encode()

    def send(self, data):
        self.socket.sendall(data)

    def post(self, body):
        """Sends a whole request for a message."""
        data = json.dumps(body).encode()
        self.send(self.head(len(data)) + data)

    def receive_what_is_there(self):
        """Reads what has come in so far, and returns everything so far."""
        self.socket.setblocking(False)
        try:
            self.received += self.socket.recv(65536)
        except BlockingIOError:
            pass
        return self.received

    def receive_until(self, text):
        """Reads until `text` has come in, and returns everything so far; fails at the end."""
        while text not in self.received:
            self.receive(text)
        return self.received

    def receive(self, wanted=b"more"):
        """Reads what comes next; fails when nothing does."""
        try:
            part = self.socket.recv(65536)
        except TimeoutError:
            part = b""
        assert part, f"{wanted} did not come, only this: {self.received[-2000:]}"
        self.received += part

    def receive_all(self):
        """Reads until the server closes."""
        while part := self.socket.recv(65536):
            self.received += part
        return self.received

    def abort(self):
        """Closes at once, with a reset, as a killed client's machine would."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        self.socket.close()
