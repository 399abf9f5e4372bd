"""Every command of README.md and docs/ is run as it stands there, or stands in not_run.py and is read."""

import re
import subprocess

import pytest

from commands import COMMAND, PAGES, all_commands, fences
from not_run import NAMED_ONLY, NOT_RUN
from reading import check

ENDS_THE_DAEMON = re.compile("anyclaude stop$")
COMMANDS = all_commands()
RUN = sorted((command for command in COMMANDS if command.text not in NOT_RUN.keys() | NAMED_ONLY),
             key=lambda command: bool(ENDS_THE_DAEMON.search(command.text)))


@pytest.mark.parametrize("command", RUN, ids=str)
def test_it_does_what_the_page_says(reader, command):
    reader.run(command)


@pytest.mark.parametrize("text", NOT_RUN)
def test_what_is_not_run_can_be_read(program, text):
    check(text)


@pytest.mark.parametrize("text", sorted(NAMED_ONLY))
def test_what_is_only_named_is_there(program, text):
    told = subprocess.run([program, *text.split()[1:], "--help"], text=True, capture_output=True, timeout=30,
                          check=False)
    assert told.returncode == 0 and text in told.stdout


def test_the_list_of_what_is_not_run_is_up_to_date():
    stale = (NOT_RUN.keys() | NAMED_ONLY) - {command.text for command in COMMANDS}
    assert not stale, f"in no page, and still in not_run.py: {stale}"
    assert not NOT_RUN.keys() & NAMED_ONLY
    assert len(COMMANDS) > 70  # of about 90: they are found at all


def test_fences_say_that_they_hold_commands():
    for page in PAGES:
        for fence in fences(page):
            if fence.language != "sh":
                assert not COMMAND.match(fence.text), f"{fence} holds a command: ```sh"
