"""A person with the real Claude Code, and what the scripted model says to them."""

import dataclasses
import json
import os
import pathlib
import re
import socket
import subprocess

PROGRAM = pathlib.Path(os.environ.get("ANYCLAUDE_BIN", "build/bin/anyclaude")).resolve()
CLAUDE = os.environ.get("ANYCLAUDE_CLAUDE")
MCP_SERVER = pathlib.Path(__file__).parent.resolve() / "mcp_server.py"
# A cold prompt of 15,000 tokens takes ten seconds on two quiet cores.
LONGEST_ANSWER = 400  # seconds


def loaded_tool(marker, name, arguments, at_last):
    """Scripts that look for a tool, call it once it has been loaded, and speak when it has answered."""
    search = {"name": "ToolSearch", "arguments": {"query": f"select:{name}", "max_results": 5}}
    return [
        {"when": {"tool_results": 0, "tool": "ToolSearch", "marker": marker},
         "say": "I look for the tool.", "calls": [search]},
        # Loaded, it is not among the tools in front, where "tool" would look for it.
        {"when": {"tool_results": 1, "marker": marker},
         "say": "Now I call it.", "calls": [{"name": name, "arguments": arguments}]},
        {"when": {"tool_results": 2, "marker": marker}, "say": at_last},
    ]


CHAPTERS = 1000  # of an answer that takes seconds, so that something can happen meanwhile
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
        {
            "when": {"tool_results": 0, "tool": "Bash", "marker": "LIST-FILES"},
            "say": "I look first.",
            "calls": [
                {"name": "Bash", "arguments": {"command": "ls", "description": "List the folder"}}
            ],
        },
        {"when": {"tool_results": 1, "marker": "LIST-FILES"}, "say": "This is the plan."},
        *loaded_tool("ADD-NUMBERS", "mcp__sums__add", {"a": 40, "b": 2}, "They have been added."),
        *loaded_tool("SEARCH-THE-WEB", "WebSearch", {"query": "what is new"}, "There is no web."),
        {
            "when": {"tool_results": 0, "tool": "Bash", "marker": "READ-IT-ALL"},
            "say": "I read it.",
            "calls": [
                {"name": "Bash", "arguments": {"command": "cat long.txt", "description": "Read it"}}
            ],
        },
        {"when": {"tool_results": 1, "marker": "READ-IT-ALL"}, "say": "It has been read."},
        {
            "when": {"tool_results": 0, "tool": "Agent", "marker": "ASK-SOMEBODY"},
            "say": "Somebody else looks.",
            "calls": [
                {
                    "name": "Agent",
                    "arguments": {
                        "description": "Look around",
                        "prompt": "LOOK-AROUND here",
                        "subagent_type": "general-purpose",
                    },
                }
            ],
        },
        {"when": {"tool_results": 1, "marker": "ASK-SOMEBODY"}, "say": "They have looked."},
        {"when": {"marker": "LOOK-AROUND"}, "say": "NOTHING-TO-BE-SEEN here."},
        # It may have been started in the background, and its answer come as a message of its own.
        {"when": {"marker": "NOTHING-TO-BE-SEEN"}, "say": "They have looked."},
        {"when": {"marker": "LONG-STORY"}, "say": "This is chapter {n} of it.\n", "repeat": CHAPTERS},
        {"say": "Nothing else stands in this script."},
    ]
}
LAST_WORDS = "Nothing else stands in this script."


def run(arguments, timeout=LONGEST_ANSWER, **options):
    return subprocess.run(
        [str(argument) for argument in arguments],
        capture_output=True, text=True, timeout=timeout, check=False, **options,
    )


def direct(port, model="local", context=65536):
    """The environment that sends Claude Code to a server without anyclaude between."""
    models = dict.fromkeys(("ANTHROPIC_MODEL", "ANTHROPIC_DEFAULT_OPUS_MODEL",
                            "ANTHROPIC_DEFAULT_SONNET_MODEL", "ANTHROPIC_DEFAULT_HAIKU_MODEL",
                            "ANTHROPIC_SMALL_FAST_MODEL", "CLAUDE_CODE_SUBAGENT_MODEL"), model)
    return models | {"ANTHROPIC_BASE_URL": f"http://127.0.0.1:{port}",
                     "ANTHROPIC_AUTH_TOKEN": "any",
                     "CLAUDE_CODE_MAX_CONTEXT_TOKENS": str(context),
                     "CLAUDE_CODE_MAX_OUTPUT_TOKENS": "16000",
                     "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1",
                     "CLAUDE_STREAM_IDLE_TIMEOUT_MS": "1800000",
                     "CLAUDE_STREAM_FIRST_BYTE_TIMEOUT_MS": "1800000",
                     "API_FORCE_IDLE_TIMEOUT": "0", "API_TIMEOUT_MS": "7200000"}


def scripted_model(folder):
    """A model file that answers with SCRIPT."""
    script = folder / "script.json"
    script.write_text(json.dumps(SCRIPT))
    made = run([PROGRAM, "model", "demo", "--size", "nano", "--script", script, "-o", folder / "scripted.gguf"])
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
        self.options = None  # instead of the model
        self.login = {}  # variables that bring Claude Code a login or a key
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
            **self.login,
        }

    def command(self, *arguments):
        options = self.options or ("--model", str(self.model))
        return [str(PROGRAM), "--claude", str(CLAUDE), *options, *map(str, arguments)]

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
            r"POST (?:/t/…)?/s/(\w+)/v1/messages (\d+) \w+ prompt=(\d+) reused=(\d+) computed=(\d+) "
            r"output=(\d+)",
            self.log(),
        )
        return [Record(session, *map(int, numbers)) for session, *numbers in found]


def daemon_pid(person):
    """None while there is no daemon."""
    status = daemon_status(person)
    return status and status["pid"]


def daemon_status(person):
    """As the daemon itself says, over its control socket: pid, port, token and more; none while there is none."""
    with socket.socket(socket.AF_UNIX) as control:
        try:
            control.connect(str(person.files / "run" / "control.sock"))
            control.sendall(b'{"hello":{"version":"","pid":0,"session":"","attach":false}}\n')
            answer = control.makefile().readline()
        except OSError:
            return None
    return json.loads(answer)["status"] if answer else None
