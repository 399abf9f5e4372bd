"""Anthropic's TypeScript client (node_client.mjs) against the daemon.

ANYCLAUDE_NODE_SDK names a folder whose node_modules/ has @anthropic-ai/sdk.
"""

import json
import os
import pathlib
import shutil
import subprocess

import pytest
from clients import prompt_tokens

from daemon import wait_for
from scripts import long_answer

SDK = os.environ.get("ANYCLAUDE_NODE_SDK")
pytestmark = pytest.mark.skipif(not SDK, reason="ANYCLAUDE_NODE_SDK is not set: npm was out of reach")

ORDER = ["message_start", "content_block_start", "content_block_delta", "content_block_stop",
         "message_delta", "message_stop"]


@pytest.fixture(scope="module")
def node(tmp_path_factory):
    """Runs a scenario. Node looks for packages beside the script, so that is copied to them."""
    folder = tmp_path_factory.mktemp("node")
    shutil.copy(pathlib.Path(__file__).parent / "node_client.mjs", folder)
    (folder / "node_modules").symlink_to(pathlib.Path(SDK) / "node_modules")

    def run(scenario, daemon):
        done = subprocess.run(
            ["node", "node_client.mjs", scenario, daemon.base_url, daemon.token],
            cwd=folder, capture_output=True, text=True, timeout=120)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    return run


def test_a_stream(node, daemon):
    seen = node("stream", daemon)
    assert seen["events"] == ORDER
    assert seen["text"] == long_answer()
    assert seen["message"]["content"] == [{"type": "text", "text": long_answer()}]
    assert seen["message"]["stop_reason"] == "end_turn"
    assert seen["message"]["usage"]["output_tokens"] > 30
    assert prompt_tokens(seen["message"]["usage"]) > 5
    assert seen["requestID"].startswith("req_")


def test_thinking(node, daemon):
    seen = node("thinking", daemon)
    thought, text = seen["message"]["content"]
    assert thought["type"] == "thinking" and thought["signature"]
    assert seen["thought"] == thought["thinking"] == "Let me weigh this up."
    assert text["text"] == "I have thought about it."


def test_a_tool_loop(node, daemon):
    seen = node("tools", daemon)
    assert [block["type"] for block in seen["first"]["content"]] == ["text", "tool_use"]
    assert seen["first"]["stop_reason"] == "tool_use"
    assert seen["first"]["content"][1]["input"] == {"city": "Zürich", "days": 2}
    assert seen["lastInput"] == {"city": "Zürich", "days": 2}
    assert seen["second"]["content"] == [{"type": "text", "text": "It is raining in Zürich."}]


def test_the_tool_runner_of_the_client(node, daemon):
    seen = node("runner", daemon)
    assert seen["asked"] == [{"city": "Zürich", "days": 2}]
    assert seen["message"]["content"][0]["text"] == "It is raining in Zürich."


def test_errors(node, daemon):
    seen = node("errors", daemon)
    assert (seen["token"]["name"], seen["token"]["status"]) == ("AuthenticationError", 401)
    for case in ("path", "stream"):
        error = seen[case]
        assert (error["name"], error["status"]) == ("BadRequestError", 400)
        assert error["type"] == "invalid_request_error"
        assert error["message"] == "messages.0.content.0.text: Field required"
        assert error["requestID"].startswith("req_")
    assert (seen["model"]["name"], seen["model"]["status"]) == ("NotFoundError", 404)
    assert seen["large"]["status"] == 413
    assert seen["after"] == "Nothing else is in the script."


def test_abort(node, daemon):
    generated = daemon.metrics()["anyclaude_engine_generated_tokens_total"]
    seen = node("abort", daemon)
    assert seen["error"]["name"] == "APIUserAbortError"
    assert seen["aborted"]
    assert seen["text"].startswith("And this is line 1.\nAnd this is line 2.\n")
    wait_for(lambda: daemon.metrics()["anyclaude_engine_running"] == 0,
             "the work ends with the stream", 10)
    assert daemon.metrics()["anyclaude_engine_generated_tokens_total"] - generated < 1500


def test_models_counting_and_ids(node, daemon):
    seen = node("other", daemon)
    assert seen["models"] == ["scripted"]
    assert seen["counted"]["input_tokens"] == prompt_tokens(seen["usage"])
    assert seen["requestID"].startswith("req_")
