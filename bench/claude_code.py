"""What the real Claude Code's requests reuse, on a model whose answers are scripted: questions,
directories, tools, subagents, an MCP server, plan mode, compaction.

    ./dev bench claude-code [--only NAME...] [--json F]
"""

import argparse
import contextlib
import json
import pathlib
import subprocess
import sys
import tempfile

from report import Report
from servers import REPOSITORY

sys.path.insert(0, str(REPOSITORY / "tests/cli"))
from person import CLAUDE, PROGRAM, Person, run  # noqa: E402

CONTEXT = 131_072  # tokens: room for every scenario, so that nothing is evicted
TURNS = 12
MCP_SERVER = REPOSITORY / "bench/mcp_server.py"


def bash(command):
    return {"name": "Bash", "arguments": {"command": command, "description": "Run it"}}


def search(names):
    return {"name": "ToolSearch", "arguments": {"query": f"select:{names}", "max_results": 5}}


def agent(kind):
    return {"name": "Agent", "arguments": {"description": "Look around", "prompt": "LOOK-AROUND here",
                                           "subagent_type": kind}}


def answer(marker, results, say, *calls):
    """What the model says in a turn, by how many results of tools the question has had."""
    script = {"when": {"marker": marker, "tool_results": results}, "say": say}
    if calls:
        script["calls"] = list(calls)
        script["when"]["tool"] = sorted({call["name"] for call in calls})
    return script


SCRIPTS = [
    *(answer("MANY-TURNS", n, f"Command {n}.", bash(f"echo turn {n}")) for n in range(TURNS - 1)),
    answer("LOAD-TOOL", 0, "I look for it.", search("NotebookEdit")),
    answer("LOAD-TOOL", 1, "It is there, and another one is needed.", search("WebFetch")),
    answer("ASK-EXPLORER", 0, "Somebody else looks.", agent("Explore")),
    answer("ASK-GENERAL", 0, "Somebody else works.", agent("general-purpose")),
    answer("LOOK-AROUND", 0, "I list the folder.", bash("ls")),
    answer("ADD-NUMBERS", 0, "I look for the server's tool.", search("mcp__sums__add")),
    answer("ADD-NUMBERS", 1, "Now I add.",
           {"name": "mcp__sums__add", "arguments": {"a": 2, "b": 3}}),
    {"say": "That is all there is to say."},
]
# A tool that is loaded later is not among those in front, where scripts look for their tools.
SCRIPTS[-2]["when"].pop("tool")


class Desk:
    """A person at work, a daemon that runs throughout, and what each request cost."""

    def __init__(self, folder, report):
        self.person = Person(folder, folder / "scripted.gguf")
        self._report = report
        script = folder / "script.json"
        script.write_text(json.dumps({"scripts": SCRIPTS}))
        made = run([PROGRAM, "model", "demo", "--script", script, "-o", self.person.model])
        assert made.returncode == 0, made.stderr
        self.elsewhere = folder / "elsewhere"
        for project in (self.person.project, self.elsewhere):
            project.mkdir(exist_ok=True)
            self._commit(project)
        (self.elsewhere / "changed.txt").write_text("not committed\n")
        (self.person.project / "CLAUDE.md").write_text("Write short sentences.\n")

    def _commit(self, project):
        git = ["git", "-C", project, "-c", "user.name=Ann", "-c", "user.email=ann@example.org"]
        (project / "README").write_text(f"{project.name}\n")
        for arguments in (["init", "-q"], ["add", "."], ["commit", "-qm", f"About {project.name}"]):
            run([*git, *arguments], env=self.person.environment).check_returncode()

    @contextlib.contextmanager
    def daemon(self):
        state = self.person.files / "state"
        state.mkdir(mode=0o700, exist_ok=True)
        with open(state / "daemon.log", "a", encoding="utf-8") as log:
            process = subprocess.Popen(
                [str(PROGRAM), "serve", "--model", str(self.person.model), "--ctx", str(CONTEXT)],
                stdout=subprocess.PIPE, stderr=log, env=self.person.environment)
            process.stdout.readline()  # it listens
            try:
                yield
            finally:
                process.terminate()
                process.wait(timeout=60)

    def ask(self, case, words, *arguments, project=None, mode="bypassPermissions"):
        """A headless question; returns its requests in the order in which they ended."""
        before = len(self.person.records())
        self.person.ask(words, *arguments, "--permission-mode", mode, project=project)
        records = self.person.records()[before:]
        assert records and all(record.status == 200 for record in records), records
        for record in records:
            for name in ("prompt", "reused", "computed"):
                self._report.add("anyclaude", f"{case}_{name}", getattr(record, name), "tokens")
        return records


def of_the_whole(record, words):
    """The share of a prompt that was reused, the person's own new words left out. A token is at
    least a byte of them."""
    return record.reused / (record.prompt - min(len(words.split()), record.computed))


def of_the_conversation(requests):
    """The smallest share that a request reused of what those before it had computed. The last token
    of an answer is sampled, and not computed."""
    return min(after.reused / (before.prompt + before.output - 1)
               for before, after in zip(requests, requests[1:]))


class Figures:
    """Named shares; of several with one name the smallest counts."""

    def __init__(self):
        self.smallest = {}

    def add(self, name, value):
        self.smallest[name] = min(value, self.smallest.get(name, 1))


def questions(desk, figures):
    first = desk.ask("cold", "What is in this folder?")
    follow_up = desk.ask("follow_up", "And what else?", "--continue")
    figures.add("reuse_conversation", of_the_conversation(first + follow_up))
    words = "How would you test it?"
    (other,) = desk.ask("new_question", words)
    figures.add("reuse_new_question", of_the_whole(other, words))
    words = "What is in this other folder?"
    (elsewhere,) = desk.ask("new_directory", words, project=desk.elsewhere)
    figures.add("reuse_new_directory", of_the_whole(elsewhere, words))


def tool_loop(desk, figures):
    requests = desk.ask("tool_loop", "MANY-TURNS please")
    assert len(requests) == TURNS, requests
    figures.add("reuse_conversation", of_the_conversation(requests))


def deferred_tool(desk, figures):
    requests = desk.ask("deferred_tool", "LOAD-TOOL please")
    assert len(requests) == 3, requests
    figures.add("reuse_deferred_tool", of_the_conversation(requests))


def subagents(desk, figures):
    for case, words in (("explorer", "ASK-EXPLORER please"), ("general", "ASK-GENERAL please")):
        requests = desk.ask(case, words)
        main = max(record.prompt for record in requests)
        own = [record for record in requests if record.prompt < 0.8 * main]
        assert len(own) == 2, requests
        figures.add("reuse_subagent", own[0].reused / own[0].prompt)
        figures.add("reuse_conversation", of_the_conversation(own))


def mcp_server(desk, figures):
    servers = {"mcpServers": {"sums": {"command": sys.executable, "args": [str(MCP_SERVER)]}}}
    arguments = ("--mcp-config", json.dumps(servers), "--strict-mcp-config")
    requests = desk.ask("mcp", "ADD-NUMBERS please", *arguments)
    assert len(requests) == 3, requests
    figures.add("reuse_conversation", of_the_conversation(requests))


def plan_mode(desk, figures):
    requests = desk.ask("plan_mode", "What would you change?", mode="plan")
    requests += desk.ask("plan_mode", "Why?", "--continue", mode="plan")
    figures.add("reuse_conversation", of_the_conversation(requests))


def compaction(desk, figures):
    requests = desk.ask("compaction", "Tell me of this folder.")
    requests += desk.ask("compaction", "Go on.", "--continue")
    summary = desk.ask("compaction", "/compact", "--continue")
    figures.add("reuse_conversation", of_the_conversation(requests + summary[:1]))
    desk.ask("after_compaction", "And now?", "--continue")


SCENARIOS = {scenario.__name__: scenario for scenario in
             (questions, tool_loop, deferred_tool, subagents, mcp_server, plan_mode, compaction)}


def main():
    parser = argparse.ArgumentParser(prog="./dev bench claude-code",
                                     description=__doc__.split("\n\n", maxsplit=1)[0])
    parser.add_argument("--only", nargs="*", choices=SCENARIOS, default=list(SCENARIOS))
    parser.add_argument("--json", help="write the figures to this file as well")
    options = parser.parse_args()
    if not CLAUDE:
        sys.exit("Claude Code is not installed: the npm registry could not be reached")
    with tempfile.TemporaryDirectory(prefix="anyclaude-") as name:
        report = Report({"file": "a scripted demo model, tiny"})
        figures = Figures()
        desk = Desk(pathlib.Path(name), report)
        with desk.daemon():
            for scenario in options.only:
                SCENARIOS[scenario](desk, figures)
    for ratio, value in sorted(figures.smallest.items()):
        report.ratio(ratio, value)
    report.print()
    if options.json:
        report.write(options.json)


if __name__ == "__main__":
    main()
