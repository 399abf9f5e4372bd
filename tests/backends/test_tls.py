"""Servers behind TLS: one that is trusted, and one that is not."""

import json
import ssl
import subprocess

import pytest

from clients import ask
from vllm_server import VllmServer


class TlsVllmServer(VllmServer):
    def __init__(self, certificate):
        super().__init__()
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate)
        self._server.socket = context.wrap_socket(self._server.socket, server_side=True)
        self.url = self.url.replace("http://127.0.0.1", "https://localhost")


@pytest.fixture(scope="module")
def certificate(tmp_path_factory):
    """Key and certificate of localhost in one file, signed by itself."""
    folder = tmp_path_factory.mktemp("certificate")
    key, made, both = folder / "key.pem", folder / "made.pem", folder / "both.pem"
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
                    "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2", "-subj", "/CN=localhost",
                    "-addext", "subjectAltName=DNS:localhost", "-keyout", key, "-out", made],
                   check=True, stderr=subprocess.DEVNULL)
    both.write_bytes(key.read_bytes() + made.read_bytes())
    return both


def test_a_trusted_server_answers(contract, serve, certificate):
    server = contract(TlsVllmServer, certificate=certificate)
    daemon = serve(server.url, "vllm", environment={"SSL_CERT_FILE": str(certificate)})
    for _ in range(3):
        reply = daemon.ask(ask("Hello?"))
        assert reply.json()["content"][0]["text"] == "Hello from the model."


def test_an_authority_of_claude_codes_own_setting_is_trusted(contract, serve, certificate):
    server = contract(TlsVllmServer, certificate=certificate)
    daemon = serve(server.url, "vllm", environment={"NODE_EXTRA_CA_CERTS": str(certificate)})
    assert daemon.ask(ask("Hello?")).status == 200


def test_a_server_that_is_not_trusted_is_not_asked(contract, serve, certificate):
    server = contract(TlsVllmServer, certificate=certificate)
    reply = serve(server.url, "vllm", ready=False).ask(ask("Hello?"))
    assert reply.status == 529
    assert "is not trusted" in reply.error()["message"] and "SSL_CERT_FILE" in reply.error()["message"]
    assert not server.asked


def test_the_key_is_sent_and_never_logged(contract, serve):
    server = contract(VllmServer)
    secret = "sk-a-key-that-nobody-may-read"
    daemon = serve(server.url, "vllm", environment={"ANYCLAUDE_BACKEND_API_KEY": secret})
    daemon.ask(ask("Hello?"))
    server.stop()
    failed = daemon.ask(ask("Hello?"))
    assert server.chats()[0].headers["authorization"] == f"Bearer {secret}"
    assert secret not in daemon.log() and secret not in json.dumps(failed.json())
