"""Servers that people already have, each started by `ANYCLAUDE_MODE=… anyclaude --model PATH` and driven
by the real Claude Code."""

import os
import re
import signal

from daemon import wait_for
from person import LAST_WORDS, PROGRAM, run


def prompt_of(usage):
    return (usage["input_tokens"] + usage["cache_creation_input_tokens"]
            + usage["cache_read_input_tokens"])


def started_processes(log):
    return [int(found) for found in re.findall(r"started [\w.-]+ \(process (\d+)\)", log)]


def started_process(log):
    (found,) = started_processes(log)
    return found


def is_alive(process):
    try:
        os.kill(process, 0)
        return True
    except ProcessLookupError:
        return False


def test_text_tool_call_and_a_follow_up_that_reuses(person):
    counted = person.ask("COUNT-FILES in this folder", "--allowedTools", "Bash")
    assert counted["result"] == "The folder has been counted, and both files are written."
    assert (person.project / "counted.txt").exists() and (person.project / "quoted.txt").exists()

    # The launcher has ended, and with it what was started for it.
    server = started_process(person.log())
    wait_for(lambda: not is_alive(server), "the server has gone with the last launcher")


def test_a_follow_up_reuses_what_was_computed(person):
    with person.serving():
        one = person.ask("What is here?")
        two = person.ask("And now?", "--continue")
    assert one["result"] == two["result"] == LAST_WORDS
    reused = two["usage"]["cache_read_input_tokens"]
    assert reused >= 0.9 * prompt_of(one["usage"]), (one["usage"], two["usage"])


def test_what_runs_is_reused_and_never_stopped(person, tmp_path_factory):
    with person.serving():
        person.ask("Somebody asks")
        other = person.somebody_else(tmp_path_factory.mktemp("two"))
        assert other.ask("Somebody else asks")["result"] == LAST_WORDS
        assert "started " not in other.log()
        wait_for(lambda: "ending on" in other.log(), "the other's daemon has ended")
        assert is_alive(started_process(person.log()))


def test_the_doctor_measures_that_it_reuses(person):
    with person.serving():
        person.ask("Is it there?")
        done = run([PROGRAM, "doctor", "--url", person.server_url(), "--tokens", 1500],
                   env=person.environment)
    assert "it reuses: " in done.stdout, done.stdout + done.stderr


def test_a_server_that_dies_is_started_again(person):
    with person.serving():
        assert person.ask("Before it dies")["result"] == LAST_WORDS
        os.kill(started_process(person.log()), signal.SIGKILL)
        wait_for(lambda: len(started_processes(person.log())) == 2, "it is started again", 60)
        assert person.ask("After it died")["result"] == LAST_WORDS
