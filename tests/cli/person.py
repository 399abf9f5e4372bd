"""A person with the real Claude Code, and what the scripted model says to them."""

import dataclasses
import json
import os
import pathlib
import re
import subprocess

PROGRAM = pathlib.Path(os.environ.get("ANYCLAUDE_BIN", "build/bin/anyclaude")).resolve()
CLAUDE = os.environ.get("ANYCLAUDE_CLAUDE")
# A cold prompt of 15,000 tokens takes ten seconds on two quiet cores.
LONGEST_ANSWER = 400  # seconds

SCRIPT = {
    "scripts": [
        {
            "when": {"tool_results": 0, "tool": "Bash", "marker": "COUNT-FILES"},
            "think": "The shell can count them.",
            "say": "I count the files.",
            "calls": [
                {
                    "name": "Bash",
                    "arguments": {
                        "command": "ls | wc -l | tee counted.txt",
                        "description": "Count the files",
                    },
                }
            ],
        },
        {
            "when": {"tool_results": 1, "marker": "COUNT-FILES"},
            "say": "Two more commands, side by side.",
            "calls": [
                {
                    "name": "Bash",
                    "arguments": {"command": "cat counted.txt", "description": "Read the count"},
                },
                {
                    "name": "Bash",
                    "arguments": {
                        "command": "echo 'a <tool_call> in quotes' > quoted.txt",
                        "description": "Write a file",
                    },
                },
            ],
        },
        {
            "when": {"tool_results": 3, "marker": "COUNT-FILES"},
            "say": "The folder has been counted, and both files are written.",
        },
        {
            "when": {"tool_results": 0, "marker": "FAILING-TOOL"},
            "say": "This command will fail.",
            "calls": [
                {
                    "name": "Bash",
                    "arguments": {"command": "exit 3", "description": "End with an error"},
                }
            ],
        },
        {
            "when": {"tool_results": 1, "marker": "FAILING-TOOL"},
            "say": "The command failed, and the conversation goes on all the same.",
        },
        {"when": {"marker": "LONG-STORY"}, "say": "This is chapter {n} of it.\n", "repeat": 400},
        {"say": "Nothing else stands in this script."},
    ]
}
LAST_WORDS = "Nothing else stands in this script."


def run(arguments, **options):
    return subprocess.run(
        [str(argument) for argument in arguments],
        capture_output=True, text=True, timeout=LONGEST_ANSWER, check=False, **options,
    )


def scripted_model(folder):
    """A model file that answers with SCRIPT."""
    script = folder / "script.json"
    script.write_text(json.dumps(SCRIPT))
    made = run([PROGRAM, "model", "demo", "--script", script, "-o", folder / "scripted.gguf"])
    assert made.returncode == 0, made.stderr
    return folder / "scripted.gguf"


@dataclasses.dataclass
class Record:
    """A line of the daemon's log about one request for a message."""

    session: str
    status: int
    prompt: int
    reused: int
    computed: int
    output: int


class Person:
    """Somebody with a home and a project folder of their own, and a daemon.

    The name of `folder` is short: the control socket's address has room for 108 bytes.
    """

    def __init__(self, folder, model):
        self.model = model
        self.home = folder / "home"
        self.project = folder / "project"
        self.files = folder / "files"
        for made in (self.home, self.project, self.files):
            made.mkdir()

    @property
    def environment(self):
        kept = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("ANTHROPIC_", "CLAUDE"))
        }
        return kept | {
            "HOME": str(self.home),
            "ANYCLAUDE_HOME": str(self.files),
            "IS_SANDBOX": "1",
            "TERM": "xterm-256color",
        }

    def command(self, *arguments):
        return [str(PROGRAM), "--claude", str(CLAUDE), "--model", str(self.model),
                *map(str, arguments)]

    def anyclaude(self, *arguments, project=None):
        return run(self.command(*arguments), cwd=project or self.project, env=self.environment)

    def ask(self, words, *arguments, project=None):
        """A headless question; returns Claude Code's result object."""
        done = self.anyclaude("-p", words, "--output-format", "json", *arguments, project=project)
        assert done.returncode == 0, f"{done.returncode}: {done.stdout}{done.stderr}{self.log()}"
        return json.loads(done.stdout)

    def log(self):
        log = self.files / "state" / "daemon.log"
        return log.read_text() if log.exists() else ""

    def records(self):
        found = re.findall(
            r"POST /s/(\w+)/v1/messages (\d+) \w+ prompt=(\d+) reused=(\d+) computed=(\d+) "
            r"output=(\d+)",
            self.log(),
        )
        return [Record(session, *map(int, numbers)) for session, *numbers in found]
