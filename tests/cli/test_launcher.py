"""`anyclaude` as a person types it."""

import json
import os
import signal
import subprocess
import urllib.request

import pytest

from daemon import metric_numbers, wait_for
from person import CHAPTERS, CLAUDE, LAST_WORDS, LONGEST_ANSWER, PROGRAM, daemon_pid, daemon_status, run


def running_requests(person):
    """How many the daemon computes now."""
    status = daemon_status(person)
    if not status or not status["base_url"]:
        return 0
    asked = urllib.request.Request(status["base_url"] + "/metrics",
                                   headers={"authorization": f"Bearer {status['token']}"})
    with urllib.request.urlopen(asked, timeout=60) as reply:
        return metric_numbers(reply.read())["anyclaude_engine_running"]


def test_the_summary_comes_last_and_the_daemon_ends(person):
    done = person.anyclaude("-p", "How much was it?")
    assert done.returncode == 0
    assert done.stdout.strip() == LAST_WORDS
    last = done.stderr.strip().splitlines()[-1]
    assert last.startswith("anyclaude: 1 request, ")
    assert "computed" in last and "generated" in last
    wait_for(lambda: daemon_pid(person) is None, "the daemon's end")
    wait_for(lambda: run([PROGRAM, "stop"], env=person.environment).stdout
             == "no daemon was running\n", "the end of its process")


def test_arguments_and_exit_status_pass_through(person):
    version = person.anyclaude("--", "--version")
    assert version.returncode == 0
    assert "(Claude Code)" in version.stdout
    wrong = person.anyclaude("--no-such-option-at-all")
    assert wrong.returncode == 1
    assert "no-such-option-at-all" in wrong.stderr


def test_without_a_model_it_says_how_to_get_one(person):
    done = run([PROGRAM, "--claude", CLAUDE, "-p", "hello"], env=person.environment)
    assert done.returncode == 1
    assert "no model is configured" in done.stderr
    assert "anyclaude model demo -o demo.gguf" in done.stderr
    assert str(person.files / "config.toml") in done.stderr


def test_the_configured_model_is_used(person):
    (person.files / "config.toml").write_text(f"model = '{person.model}'\nclaude = '{CLAUDE}'\n")
    done = run([PROGRAM, "-p", "Are you configured?"], env=person.environment, cwd=person.project)
    assert done.stdout.strip() == LAST_WORDS, done.stderr


def test_a_configuration_with_a_fault_is_named(person):
    (person.files / "config.toml").write_text("model = 'x'\nmodle = 'y'\n")
    done = run([PROGRAM, "-p", "hello"], env=person.environment)
    assert done.returncode == 1
    assert "config.toml:2: unknown key \"modle\"" in done.stderr


def test_a_model_that_is_none(person, tmp_path):
    missing = run([PROGRAM, "--claude", CLAUDE, "--model", tmp_path / "no.gguf", "-p", "hello"],
                  env=person.environment)
    assert missing.returncode == 2
    assert f"there is no model file {tmp_path / 'no.gguf'}" in missing.stderr
    broken = tmp_path / "broken.gguf"
    broken.write_bytes(person.model.read_bytes()[:100_000])
    done = run([PROGRAM, "--claude", CLAUDE, "--model", broken, "-p", "hello"],
               env=person.environment)
    assert done.returncode == 1
    assert "could not start" in done.stderr and "broken.gguf" in done.stderr


def test_two_launchers_share_a_daemon_that_outlives_the_first(person):
    first = subprocess.Popen(person.command("-p", "LONG-STORY please"), cwd=person.project,
                             env=person.environment, stdout=subprocess.PIPE, text=True)
    wait_for(lambda: daemon_pid(person), "the daemon")
    pid = daemon_pid(person)
    second = person.ask("A short question beside it")
    assert second["result"] == LAST_WORDS
    assert daemon_pid(person) == pid
    story, _ = first.communicate(timeout=LONGEST_ANSWER)
    assert story.count("chapter") == CHAPTERS
    assert len(person.records()) == 2


def test_another_model_than_the_running_daemon_serves(same_person, tmp_path):
    other = tmp_path / "other.gguf"
    other.write_bytes(same_person.model.read_bytes())
    done = run([PROGRAM, "--claude", CLAUDE, "--model", other, "-p", "hello"],
               env=same_person.environment)
    assert done.returncode == 1
    assert f"serves {same_person.model}, not {other}" in done.stderr


def test_a_persons_own_settings_lead_nowhere_else(same_person):
    """Variables in a settings file outrank the shell's, and --settings outranks them."""
    settings = same_person.home / ".claude/settings.json"
    settings.parent.mkdir(exist_ok=True)
    settings.write_text(json.dumps({"env": {"ANTHROPIC_BASE_URL": "http://127.0.0.1:9",
                                            "ANTHROPIC_AUTH_TOKEN": "another", "ANTHROPIC_MODEL": "other"}}))
    try:
        assert same_person.ask("Who answers?")["result"] == LAST_WORDS
    finally:
        settings.unlink()


def test_a_daemon_that_is_killed_is_replaced_and_the_answer_comes(person):
    asking = subprocess.Popen(
        person.command("-p", "Will you survive?", "--output-format", "json"), cwd=person.project,
        env=person.environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    wait_for(lambda: running_requests(person), "the question is being answered", LONGEST_ANSWER)
    killed = daemon_pid(person)
    os.kill(killed, signal.SIGKILL)
    output, errors = asking.communicate(timeout=LONGEST_ANSWER)
    assert asking.returncode == 0, errors + person.log()
    assert json.loads(output)["result"] == LAST_WORDS
    assert f"(process {killed}) ended with signal 9 (Killed, as when no memory is left); " in errors
    assert "was started in its place" in errors
    assert person.log().count("listening on") == 2


def test_sigterm_ends_claude_and_the_daemon(person):
    asking = subprocess.Popen(person.command("-p", "LONG-STORY now"), cwd=person.project,
                              env=person.environment, stdout=subprocess.DEVNULL,
                              stderr=subprocess.PIPE, text=True)
    wait_for(lambda: running_requests(person), "the story has begun", LONGEST_ANSWER)
    asking.terminate()
    _, errors = asking.communicate(timeout=60)
    assert asking.returncode in (128 + signal.SIGTERM, 1), errors
    wait_for(lambda: daemon_pid(person) is None, "the daemon's end")


def test_without_standard_streams_it_does_not_write_into_its_own_files(person):
    shell = " ".join(f"'{part}'" for part in person.command("-p", "Is anybody there?"))
    done = run(["sh", "-c", f"exec <&- >&- 2>&-; {shell}"], cwd=person.project,
               env=person.environment)
    assert done.returncode == 0
    (record,) = person.records()
    assert record.status == 200
    assert "anyclaude:" not in person.log()


@pytest.mark.parametrize("arguments", [
    ("-p", "words"), ("mcp", "list"), ("--unknown", "--flag=1", "words"), ("words", "--", "-p"), ("--", "--model", "x")])
def test_the_settings_stand_in_front_of_all_that_claude_is_told(person, arguments):
    """Behind a command of Claude Code's own, or behind `--`, they would be something else."""
    stand_in = person.home / "claude"
    stand_in.write_text('#!/bin/sh\nprintf "%s\\n" "$@"\n')
    stand_in.chmod(0o755)
    done = run([PROGRAM, "--claude", stand_in, "--model", person.model, *arguments], cwd=person.project,
               env=person.environment)
    assert done.returncode == 0, done.stderr
    option, file, *rest = done.stdout.splitlines()
    assert option == "--settings" and "/claude-settings-" in file
    assert rest == list(arguments[arguments[0] == "--":])  # that one was for us
