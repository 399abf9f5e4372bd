"""The daemon as a process: how it starts, what it says, how it ends."""

from daemon import wait_for


def test_says_how_to_reach_it_and_ends_well(start_daemon):
    daemon = start_daemon(token="a-token-of-mine")
    assert daemon.base_url.startswith("http://127.0.0.1:")
    assert daemon.token == "a-token-of-mine"
    daemon.stop()  # fails unless the status is 0


def test_makes_a_token_when_none_is_given(start_daemon):
    daemons = [start_daemon(), start_daemon()]
    assert len(daemons[0].token) >= 32
    assert daemons[0].token != daemons[1].token


def test_without_a_model_it_says_so_and_how_to_get_one(start_daemon):
    daemon = start_daemon()
    health = daemon.request("GET", "/health", token=None)
    assert health.status == 503
    assert health.json()["status"] == "not ready"
    reply = daemon.ask({"model": "m", "max_tokens": 9,
                        "messages": [{"role": "user", "content": "hi"}]})
    assert reply.status == 529
    assert "--model" in reply.error()["message"]
    assert daemon.request("GET", "/v1/models").json()["data"] == []
    wait_for(lambda: "no model is configured" in daemon.log(), "the log says so too", 5)


def test_a_broken_model_file_is_reported_not_fatal(start_daemon, tmp_path):
    broken = tmp_path / "broken.gguf"
    broken.write_bytes(b"GGUF" + bytes(100))
    daemon = start_daemon(broken, wait=False)

    def failed():
        health = daemon.request("GET", "/health", token=None)
        assert health.status == 503
        return "loading" not in health.json()["detail"] and health.json()["detail"]

    assert "broken.gguf" in wait_for(failed, "health says what is wrong with the file")
    reply = daemon.ask({"model": "m", "max_tokens": 9,
                        "messages": [{"role": "user", "content": "hi"}]})
    assert reply.status == 529
    assert "broken.gguf" in reply.error()["message"]
    assert not daemon.ended()
