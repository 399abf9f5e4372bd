"""The real Claude Code in claude mode: its own credentials reach the upstream, and it is answered."""

import json
import pathlib
import subprocess
import sys

import pytest

from person import CLAUDE, PROGRAM, run

TESTS = pathlib.Path(__file__).resolve().parent.parent
sys.path[:0] = [str(TESTS), str(TESTS / "contract")]
from daemon import Daemon  # noqa: E402
from recording import CREDENTIALS  # noqa: E402


def ask(tmp_path, base_url, **credentials):
    home = tmp_path / "home"
    (home / "project").mkdir(parents=True)
    environment = {"PATH": "/usr/local/bin:/usr/bin:/bin", "HOME": str(home), "IS_SANDBOX": "1",
                   "ANTHROPIC_BASE_URL": base_url, "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1",
                   **credentials}
    return run([CLAUDE, "-p", "Say hello", "--output-format", "json"], env=environment,
               cwd=home / "project", stdin=subprocess.DEVNULL)


@pytest.mark.parametrize("variable, secret, header, value", CREDENTIALS)
def test_claude_codes_own_credential_reaches_the_upstream(tmp_path, upstream, variable, secret, header,
                                                          value):
    daemon = Daemon(PROGRAM, tmp_path / "daemon", None,
                    ["--claude-url", upstream.url], token="our-own-token-01234")
    try:
        done = ask(tmp_path, f"{daemon.base_url}/t/{daemon.token}/s/one", **{variable: secret})
        assert done.returncode == 0, done.stdout + done.stderr
        assert json.loads(done.stdout)["result"] == "Hello, wörld"
        asked = [entry for entry in upstream.entries() if entry["target"].startswith("/v1/messages")]
        assert asked, "the upstream was asked"
        for entry in asked:
            headers = {name.lower(): text for name, text in entry["headers"]}
            assert headers[header] == value
            assert "our-own-token" not in json.dumps(entry)
        assert secret not in daemon.log() and "our-own-token" not in daemon.log()
    finally:
        daemon.stop()
