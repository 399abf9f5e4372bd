"""`anyclaude doctor --prompt`: what broke the common prefix, and where."""

import os
import subprocess

from clients import ask, sdk


def doctor(program, home):
    return subprocess.run([program, "doctor", "--prompt"], capture_output=True, text=True, timeout=60,
                          check=False, env={**os.environ, "ANYCLAUDE_HOME": str(home)})


def test_names_the_place_where_prompts_part(program, start_daemon, scripted_model):
    daemon = start_daemon(scripted_model, "--ctx", 4096)
    assert doctor(program, daemon.home).stdout == "The daemon has seen no prompt yet.\n"
    with sdk(daemon) as client:
        for name in ("Ann", "Bob"):
            client.messages.create(**ask("Good morning", system=f"Be brief. You work for {name}."))
    done = doctor(program, daemon.home)
    assert done.returncode == 0, done.stderr
    first, second, *places = done.stdout.splitlines()
    assert first.endswith("tokens, 0 of them as in an earlier prompt")
    assert "; they part in turn 1 of " in second
    behind, now, before = (line.split(maxsplit=1)[1] for line in places)
    assert behind.endswith('You work for"') or behind.endswith('You work for "')
    assert "Bob" in now and "Ann" in before


def test_without_a_daemon_it_says_so(program, tmp_path):
    done = doctor(program, tmp_path)
    assert done.returncode == 1
    assert "no daemon is running" in done.stderr
