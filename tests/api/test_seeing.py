"""What people see of a daemon: its dashboard over HTTP, `anyclaude top`, `anyclaude stats`, `anyclaude ui`."""

import http.client
import json
import os
import re
import subprocess
import urllib.parse

import pytest

from clients import ask, sdk
from daemon import wait_for


def run(program, daemon, *arguments):
    return subprocess.run([program, *arguments], capture_output=True, text=True, timeout=60, check=False,
                          env={**os.environ, "ANYCLAUDE_HOME": str(daemon.home)})


@pytest.fixture
def asked(start_daemon, scripted_model):
    """A daemon that has answered two questions, the second mostly from its cache."""
    daemon = start_daemon(scripted_model, "--ctx", 8192)
    with sdk(daemon) as client:
        for _ in range(2):
            client.messages.create(**ask("Good morning", system="Be brief. " * 200))
    return daemon


def log_in(daemon, token, **headers):
    body = urllib.parse.urlencode({"token": token}).encode()
    return daemon.request("POST", "/ui/login", body, token=None, headers={
        "content-type": "application/x-www-form-urlencoded", **headers})


def look(daemon, path="/ui", cookie=None):
    return daemon.request("GET", path, token=None, headers={"cookie": cookie} if cookie else {})


def test_the_dashboard_asks_for_the_token(asked):
    page = look(asked)
    assert page.status == 200 and b'name="token"' in page.body
    assert b"first-tokens" not in page.body
    assert look(asked, "/ui/events").status == 401
    assert look(asked, "/ui/state").status == 401
    assert look(asked, cookie=f"anyclaude_ui_{asked.port}=wrong").body == page.body
    wrong = log_in(asked, "wrong")
    assert wrong.status == 401 and "set-cookie" not in wrong.headers


def test_the_cookie_opens_the_dashboard_and_nothing_else(asked):
    entered = log_in(asked, asked.token, origin=f"http://127.0.0.1:{asked.port}")
    assert (entered.status, entered.headers["location"]) == (303, "/ui")
    cookie, *traits = entered.headers["set-cookie"].split("; ")
    assert set(traits) == {"Path=/ui", "HttpOnly", "SameSite=Strict"}
    assert asked.token not in cookie
    page = look(asked, cookie=f"other=1; {cookie}")
    assert b'id="first-tokens"' in page.body
    assert page.body.count(b"<svg class=\"waterfall\"") == 2
    policy = page.headers["content-security-policy"]
    assert "default-src 'none'" in policy and "unsafe" not in policy
    value = cookie.split("=")[1]
    refused = asked.request("GET", "/v1/models", token=value, headers={"cookie": cookie})
    assert refused.status == 401


def test_a_foreign_page_cannot_log_in(asked):
    assert log_in(asked, asked.token, origin="http://evil.example").status == 403
    assert log_in(asked, asked.token, origin=f"http://127.0.0.1:{asked.port + 1}").status == 403


def test_what_is_open_has_no_numbers(asked):
    for path, kind in (("/ui/style.css", "text/css"), ("/ui/script.js", "text/javascript")):
        reply = look(asked, path)
        assert reply.status == 200 and reply.headers["content-type"].startswith(kind)


def test_the_page_follows_what_happens(asked):
    cookie = log_in(asked, asked.token).headers["set-cookie"].split(";")[0]
    connection = http.client.HTTPConnection("127.0.0.1", asked.port, timeout=60)
    connection.request("GET", "/ui/events", headers={"cookie": cookie})
    events = connection.getresponse()
    assert events.headers["content-type"].startswith("text/event-stream")

    def next_section():
        while not (line := events.readline()).startswith(b"data: "):
            assert line, "the stream has ended"
        return json.loads(line[6:])

    first = {}
    while len(first) < 9:
        section = next_section()
        first[section["id"]] = section["html"]
    assert first["requests"].count("<tr>") == 3  # the head and two requests
    with sdk(asked) as client:
        client.messages.create(**ask("And once more"))
    while (section := next_section())["id"] != "requests":
        pass
    assert section["html"].count("<tr>") == 4
    connection.close()
    asked.stop()  # with a page still open as far as it knows


def test_the_state_for_programs(asked):
    state = asked.request("GET", "/ui/state").json()
    assert state["ready"] and state["live"] == []
    assert [record["status"] for record in state["records"]] == [200, 200]
    assert state["records"][1]["reused_tokens"] > 0.9 * state["records"][1]["prompt_tokens"]
    assert state["engine"]["cells"] >= 8192


def test_top_prints_once_where_there_is_no_terminal(asked, program):
    shown = run(program, asked, "top")
    assert shown.returncode == 0, shown.stderr
    assert "8,192 tokens of context · ready" in shown.stdout
    assert "nothing is being asked" in shown.stdout


def test_stats_outlive_the_daemon(asked, program):
    def both():
        return json.loads(run(program, asked, "stats", "--json").stdout)["total"]["requests"] == 2

    wait_for(both, "the history has both requests while the daemon runs", 10)
    asked.stop()
    told = run(program, asked, "stats")
    assert told.returncode == 0, told.stderr
    assert re.search(r"^in all +2 ", told.stdout, re.MULTILINE), told.stdout
    total = json.loads(run(program, asked, "stats", "--json", "--since", "1h").stdout)["total"]
    assert total["prompt_tokens"] == total["reused_tokens"] + total["computed_tokens"] > 0
    assert (asked.home / "state/history.db").stat().st_mode & 0o777 == 0o600
    assert b"Good morning" not in (asked.home / "state/history.db").read_bytes()


def test_stats_say_what_a_time_is(asked, program):
    wrong = run(program, asked, "stats", "--since", "yesterday")
    assert wrong.returncode == 2 and "12h" in wrong.stderr


def test_ui_prints_the_address(asked, program):
    told = run(program, asked, "ui")
    assert told.returncode == 0, told.stderr
    assert told.stdout == f"{asked.base_url}/ui#token={asked.token}\n"


def test_without_a_daemon_they_say_so(program, tmp_path):
    for command in ("top", "ui"):
        done = subprocess.run([program, command], capture_output=True, text=True, timeout=60, check=False,
                              env={**os.environ, "ANYCLAUDE_HOME": str(tmp_path)})
        assert done.returncode == 1 and "no daemon is running" in done.stderr
