"""What servers call their models, and what they say when they refuse, goes to terminals: without what would
steer one."""

import os
import subprocess

from contract_server import ContractServer, Refusal
from faulty_server import http

CLEARS_THE_SCREEN = "\x1b[2J\x1b]0;mine\x07evil\u009b31m\u202e"


class HostileServer(ContractServer):
    model = "qwen" + CLEARS_THE_SCREEN

    def check(self, body):
        raise Refusal(400, {"error": {"message": "no" + CLEARS_THE_SCREEN + "\n00:00:00.000 info: a line of its own"}})


def is_clean(text):
    return not any(c in text for c in "\x1b\x07\u009b\u202e")


def test_doctor_prints_no_control_characters(contract, program, tmp_path):
    server = contract(HostileServer)
    done = subprocess.run([program, "doctor", "--url", server.url], text=True, capture_output=True, timeout=60,
                          check=False, env={**os.environ, "ANYCLAUDE_HOME": str(tmp_path)})
    assert "evil" in done.stdout, done.stdout + done.stderr
    assert is_clean(done.stdout + done.stderr)


def test_the_log_has_one_line_for_a_message_and_no_control_characters(contract, faulty, serve):
    server = contract(HostileServer)
    daemon = serve(server.url, "openai")
    refused = daemon.ask({"model": "m", "max_tokens": 9, "messages": [{"role": "user", "content": "Hello"}]})
    assert refused.status == 400 and "evil" in refused.error()["message"]
    broken = faulty(lambda server, connection, count: connection.sendall(
        http(500, '{"error": {"message": "' + CLEARS_THE_SCREEN.replace("\x1b", "\\u001b").replace("\x07", "") + '"}}')))
    other = serve(broken.url, "openai")
    assert other.ask({"model": "m", "max_tokens": 9, "messages": [{"role": "user", "content": "Hello"}]}).status >= 500
    for log in (daemon.log(), other.log()):
        assert is_clean(log)
        assert not any(line.startswith("00:00:00.000") for line in log.splitlines())
