"""`anyclaude bench` with the real Claude Code."""

import json

from person import CLAUDE, PROGRAM, run


def test_its_own_prompt_is_captured_and_kept_private(person, tmp_path):
    (person.project / "CLAUDE.md").write_text("The secret word is Xylophonist-7.\n")
    done = run([PROGRAM, "bench", "--model", person.model, "--claude", CLAUDE, "--prompt", "claude",
                "--repeats", "1", "--sessions", "2", "--json", tmp_path / "a.json",
                "--markdown", tmp_path / "a.md", "--svg", tmp_path / "a.svg"],
               cwd=person.project, env=person.environment)
    assert done.returncode == 0, done.stderr
    result = json.loads((tmp_path / "a.json").read_text())
    assert result["prompt"].startswith("claude-code 2.")
    rows = {row["name"]: row for row in result["requests"]}
    assert rows["cold"]["prompt_tokens"] > 8000
    assert rows["cold"]["reused_tokens"] < 64  # it was captured a moment before
    assert rows["followup"]["computed_tokens"] < 100
    assert rows["new_session"]["reused_tokens"] > 0.9 * rows["new_session"]["prompt_tokens"]
    assert rows["after_restart"]["reused_tokens"] > 0.9 * rows["after_restart"]["prompt_tokens"]
    written = done.stdout + done.stderr + "".join(
        (tmp_path / name).read_text() for name in ("a.json", "a.md", "a.svg"))
    for private in ("Xylophonist", str(person.project), "You are"):
        assert private not in written
    left = [path for path in person.files.rglob("*") if path.is_file() and path.suffix != ".gguf"]
    assert not [path for path in left if b"Xylophonist" in path.read_bytes()]


def test_it_asks_itself(person, tmp_path):
    done = run([PROGRAM, "bench", "--client", "claude", "--claude", CLAUDE, "--model", person.model,
                "--json", tmp_path / "a.json"], cwd=person.project, env=person.environment)
    assert done.returncode == 0, done.stderr
    result = json.loads((tmp_path / "a.json").read_text())
    assert result["client"].startswith("claude-code 2.")
    rows = {row["name"]: row for row in result["requests"]}
    assert list(rows) == ["cold", "followup", "new_session", "after_restart"]
    assert rows["followup"]["computed_tokens"] < 100
    assert rows["after_restart"]["reused_tokens"] > 0.9 * rows["after_restart"]["prompt_tokens"]
