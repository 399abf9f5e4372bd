"""A server of the Messages API that passes everything on, and notes what each answer cost."""

import dataclasses
import http.client
import json
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "tests/cli"))
from played_claude import Handler  # noqa: E402

HOP_BY_HOP = {"connection", "transfer-encoding", "keep-alive", "content-length", "host"}


@dataclasses.dataclass
class Cost:
    """What a server says that an answer took, in tokens."""

    status: int
    computed: int = 0
    reused: int = 0
    output: int = 0

    @property
    def prompt(self):
        return self.computed + self.reused

    def read(self, event):
        kind = event.get("type")
        if kind == "message_start":
            usage = event["message"]["usage"]
            self.computed = usage["input_tokens"] + (usage.get("cache_creation_input_tokens") or 0)
            self.reused = usage.get("cache_read_input_tokens") or 0
        elif kind == "message_delta":
            self.output = event["usage"]["output_tokens"]
        elif "error" in str(kind):  # llama-server's own kind is "server_error"
            self.status = 500


def passing_on(target, costs):
    """A handler that passes requests on to `target()`, a port, and appends to `costs` what each
    answer in a stream took, in the order in which they end."""

    class PassOn(Handler):
        def pass_on(self):
            body = self.body()
            sent = {name: value for name, value in self.headers.items()
                    if name.lower() not in HOP_BY_HOP}
            upstream = http.client.HTTPConnection("127.0.0.1", target(), timeout=3600)
            upstream.request(self.command, self.path, body, sent)
            response = upstream.getresponse()
            self.begin(response.status, response.getheader("content-type", "application/json"))
            cost = Cost(response.status)
            for line in response:
                self.wfile.write(line)
                self.wfile.flush()
                if line.startswith(b"data: {"):
                    cost.read(json.loads(line[6:]))
            upstream.close()
            if self.path.split("?")[0].endswith("/v1/messages"):
                costs.append(cost)

        do_GET = do_POST = pass_on

    return PassOn
