"""What the gateway costs, with a backend that answers at once: requests per second and added time beside
claude-code-router, with bodies of Claude Code's shape, translated to OpenAI's API and back; and in
claude mode, where they pass through, the added time and a thousand streams at once.

    ./dev bench gateway [--peer claude-code-router] [--rounds N] [--seconds S] [--json F]
"""

import argparse
import http.client
import json
import os
import pathlib
import statistics
import subprocess
import tempfile

from report import Report
from servers import REPOSITORY, Ours, Theirs, free_port, progress

LOAD = REPOSITORY / "build/bin/http_load_bench"
ROUTER = os.environ.get("ANYCLAUDE_CLAUDE_CODE_ROUTER")  # its cli.js
BODY_BYTES = 50_000
CLIENTS = 16
STREAMS = 1000
PACE_MS = 50  # between events of each of the thousand streams


def body_of_claude_codes_shape():
    """Thirteen tools of 35 KB, 7 KB of system text, a first turn and a tool call with its result."""
    words = "The tool reads what it is given and says what it did, in the order it was asked. "
    def tool(number):
        properties = {f"argument_{i}": {"type": "string", "description": (words * 4)[:200]}
                      for i in range(4)}
        return {"name": f"Tool{number}", "description": (words * 40)[:1700],
                "input_schema": {"type": "object", "properties": properties,
                                 "required": ["argument_0"], "additionalProperties": False}}
    body = {
        "model": "claude-sonnet-4-5-20250929", "max_tokens": 32000, "stream": True,
        "system": [{"type": "text", "text": (words * 100)[:7000],
                    "cache_control": {"type": "ephemeral"}}],
        "tools": [tool(number) for number in range(13)],
        "metadata": {"user_id": "user_1_session_2"},
        "messages": [
            {"role": "user", "content": [{"type": "text", "text": "Count the files here."}]},
            {"role": "assistant", "content": [
                {"type": "text", "text": "I look."},
                {"type": "tool_use", "id": "toolu_01", "name": "Tool1",
                 "input": {"argument_0": "ls | wc -l"}}]},
            {"role": "user", "content": [
                {"type": "tool_result", "tool_use_id": "toolu_01", "content": "12"},
                {"type": "text", "text": ""}]}]}
    missing = BODY_BYTES - len(json.dumps(body))
    body["messages"][-1]["content"][-1]["text"] = (words * 1000)[:missing]
    return json.dumps(body)


class InstantServer:
    def __init__(self):
        self._process = subprocess.Popen([LOAD, "serve"], stdout=subprocess.PIPE, text=True)
        self.port = int(self._process.stdout.readline())
        self.url = f"http://127.0.0.1:{self.port}"

    def stop(self):
        self._process.kill()
        self._process.wait()


class Gateway(Ours):
    """anyclaude; `claude_mode`: it passes everything through."""

    target = "/t/bench-token/v1/messages?beta=true"

    def __init__(self, folder, upstream, claude_mode=False):
        if claude_mode:
            options = ["--claude-url", upstream.url]
        else:
            options = ["--backend-url", upstream.url, "--backend-model", "m"]
        super().__init__(folder, options=options, token="bench-token")


class ClaudeCodeRouter(Theirs):
    """Configured as its README says, for one server that speaks OpenAI's API; its log is off."""

    who = "claude-code-router"
    target = "/v1/messages?beta=true"

    def __init__(self, folder, upstream):
        self.port = free_port()
        settings = folder / ".claude-code-router"
        settings.mkdir(parents=True)
        (settings / "config.json").write_text(json.dumps({
            "PORT": self.port, "HOST": "127.0.0.1", "LOG": False, "NON_INTERACTIVE_MODE": True,
            "Providers": [{"name": "local", "api_base_url": upstream.url + "/v1/chat/completions",
                           "api_key": "none", "models": ["m"]}],
            "Router": {"default": "local,m"}}))
        super().__init__(["node", ROUTER, "start"], folder / "log", {"HOME": str(folder)})

    def answers(self):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        connection.request("POST", "/v1/messages", json.dumps(
            {"model": "m", "max_tokens": 9, "stream": True,
             "messages": [{"role": "user", "content": "hi"}]}),
            {"content-type": "application/json"})
        return connection.getresponse().status == 200


def load(port, target, body, clients, seconds, *headers):
    done = subprocess.run([LOAD, "load", str(port), target, body, str(clients), str(seconds), *headers],
                          capture_output=True, text=True, check=True, timeout=seconds + 300)
    result = json.loads(done.stdout)
    if result["failed"]:
        raise RuntimeError(f"{result['failed']} of {clients} connections to {target} got no answer")
    return result


def measure_translation(report, servers, upstream, body, rounds, seconds):
    added = []
    for number in range(rounds):
        progress(f"round {number + 1} of {rounds}: direct")
        direct = load(upstream.port, "/v1/chat/completions", body, 1, seconds)
        report.add("direct", "answer_ms_one_client", direct["last_ms"]["p50"], "ms")
        for server in servers if number % 2 == 0 else servers[::-1]:
            progress(f"round {number + 1} of {rounds}: {server.who}")
            one = load(server.port, server.target, body, 1, seconds)
            report.add(server.who, "answer_ms_one_client", one["last_ms"]["p50"], "ms")
            report.add(server.who, "requests_per_second_one_client",
                       one["requests"] / one["seconds"], "1/s")
            if server.who == "anyclaude":
                added.append(one["last_ms"]["p50"] - direct["last_ms"]["p50"])
            many = load(server.port, server.target, body, CLIENTS, seconds)
            report.add(server.who, "requests_per_second", many["requests"] / many["seconds"], "1/s")
    report.ratio("added_ms_p50", statistics.median(added))


def measure_pass_through(report, gateway, upstream, body, rounds, seconds):
    added = []
    for number in range(rounds):
        progress(f"claude mode, round {number + 1} of {rounds}")
        direct = load(upstream.port, "/v1/messages", body, 1, seconds)
        through = load(gateway.port, gateway.target, body, 1, seconds, "x-api-key: none")
        report.add("direct", "claude_mode_first_byte_ms", direct["first_ms"]["p50"], "ms")
        report.add("anyclaude", "claude_mode_first_byte_ms", through["first_ms"]["p50"], "ms")
        added.append(through["first_ms"]["p50"] - direct["first_ms"]["p50"])
    report.ratio("claude_mode_added_ms_p50", statistics.median(added))
    progress(f"claude mode, {STREAMS} streams")
    pace = f"x-pace: {PACE_MS}"
    direct = load(upstream.port, "/v1/messages", body, STREAMS, 0, pace)
    through = load(gateway.port, gateway.target, body, STREAMS, 0, pace, "x-api-key: none")
    for who, result in (("direct", direct), ("anyclaude", through)):
        report.add(who, f"claude_mode_{STREAMS}_streams_last_byte_ms_p50", result["last_ms"]["p50"], "ms")
        report.add(who, f"claude_mode_{STREAMS}_streams_last_byte_ms_p99", result["last_ms"]["p99"], "ms")
    report.ratio(f"claude_mode_{STREAMS}_streams_completed", through["requests"])


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--peer", choices=[ClaudeCodeRouter.who])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=int, default=4, help="of each measurement")
    parser.add_argument("--json", type=pathlib.Path)
    options = parser.parse_args()
    if options.peer and not ROUTER:
        parser.error("claude-code-router is not installed: npm's registry cannot be reached")
    report = Report({"name": "an instant server", "body_bytes": BODY_BYTES})
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        body = folder / "body.json"
        body.write_text(body_of_claude_codes_shape())
        upstream = InstantServer()
        running = [upstream]
        try:
            servers = [Gateway(folder / "anyclaude", upstream)]
            running += servers
            if options.peer:
                servers.append(ClaudeCodeRouter(folder / "peer", upstream))
                running.append(servers[-1])
            measure_translation(report, servers, upstream, body, options.rounds, options.seconds)
            passing = Gateway(folder / "claude", upstream, claude_mode=True)
            running.append(passing)
            measure_pass_through(report, passing, upstream, body, options.rounds, options.seconds)
        finally:
            for server in reversed(running):
                server.stop()
    progress("")
    report.print()
    if options.json:
        report.write(options.json)


if __name__ == "__main__":
    main()
