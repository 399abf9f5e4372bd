"""What the real Claude Code's requests reuse, on a model whose answers are scripted: questions,
directories, tools, subagents, an MCP server, plan mode, compaction, restarts, and a conversation that
began on the real Claude.

    ./dev bench claude-code [--peer llama-server] [--only NAME...] [--json F]
"""

import argparse
import contextlib
import json
import pathlib
import sqlite3
import subprocess
import sys
import tempfile

from recorder import passing_on
from report import Report
from servers import REPOSITORY, LlamaServer, Setting, progress

sys.path.insert(0, str(REPOSITORY / "tests/cli"))
from daemon import wait_for  # noqa: E402
from person import CLAUDE, MCP_SERVER, PROGRAM, Person, direct, run  # noqa: E402
from played_claude import playing_claude, serving  # noqa: E402

BLOCK = 256  # tokens
CONTEXT = 131_072  # tokens: room for every scenario, so that nothing is evicted
TURNS = 12
LONGEST_PREFILL = 3600  # seconds: llama-server computes every new question's prompt from its start


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
    """A person at work, a server, and what each request cost."""

    who = None

    def __init__(self, folder, model, report):
        folder.mkdir()
        self.person = Person(folder, model)
        self._report = report
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

    def ask(self, case, words, *arguments, project=None, mode="bypassPermissions"):
        """A headless question; returns its requests in the order in which they ended."""
        progress(f"{self.who}: {case}")
        before = len(self.records())
        self._send(words, *arguments, "--permission-mode", mode, project=project)
        records = self.records()[before:]
        assert records and all(record.status == 200 for record in records), records
        for record in records:
            for name in ("prompt", "reused", "computed"):
                self._report.add(self.who, f"{case}_{name}", getattr(record, name), "tokens")
        return records


class Ours(Desk):
    """With a daemon that runs throughout."""

    who = "anyclaude"

    @contextlib.contextmanager
    def server(self):
        self.start()
        try:
            yield
        finally:
            self._process.terminate()
            self._process.wait(timeout=60)

    def start(self):
        state = self.person.files / "state"
        state.mkdir(mode=0o700, exist_ok=True)
        with open(state / "daemon.log", "a", encoding="utf-8") as log:
            self._process = subprocess.Popen(
                [str(PROGRAM), "serve", "--model", str(self.person.model), "--ctx", str(CONTEXT)],
                stdout=subprocess.PIPE, stderr=log, env=self.person.environment)
        self._process.stdout.readline()  # it listens

    def kill(self):
        self._process.kill()
        self._process.wait()

    def records(self):
        return self.person.records()

    def _send(self, words, *arguments, project):
        self.person.ask(words, *arguments, project=project)

    def wait_until_stored(self, record, answers):
        """Until the whole blocks of a conversation have their files, and all answers are kept."""
        cache = self.person.files / "cache"

        def answers_stored():
            with sqlite3.connect(f"file:{cache}/replay/replay.db?mode=ro", uri=True) as database:
                return database.execute("SELECT count(*) FROM turns").fetchone()[0]

        wait_for(lambda: answers_stored() >= answers, "the answers are stored", 60)
        tokens = record.prompt + record.output - 1
        wait_for(lambda: len(list(cache.glob("prefixes/*/*/*.kv"))) >= tokens // BLOCK,
                 "the blocks are stored", 120)


class Theirs(Desk):
    """With llama-server, which Claude Code is sent to as its own documentation says."""

    who = "llama-server"

    def __init__(self, folder, model, report):
        super().__init__(folder, model, report)
        self._folder = folder
        self._costs = []

    @contextlib.contextmanager
    def server(self):
        self.start()
        try:
            with serving(passing_on(lambda: self._server.port, self._costs)) as self._port:
                yield
        finally:
            self._server.stop()

    def start(self):
        self._server = LlamaServer(Setting(self.person.model, CONTEXT, 2), self._folder)

    def kill(self):
        self._server.kill()

    def records(self):
        return self._costs

    def _send(self, words, *arguments, project):
        done = run([CLAUDE, "-p", words, "--output-format", "json", *arguments],
                   cwd=project or self.person.project, timeout=LONGEST_PREFILL,
                   env=self.person.environment | direct(self._port, context=CONTEXT // 2))
        assert done.returncode == 0, done.stdout + done.stderr

    def wait_until_stored(self, record, answers):
        """It keeps nothing by itself."""


def scripted_model(folder):
    script = folder / "script.json"
    script.write_text(json.dumps({"scripts": SCRIPTS}))
    made = run([PROGRAM, "model", "demo", "--script", script, "-o", folder / "scripted.gguf"])
    assert made.returncode == 0, made.stderr
    return folder / "scripted.gguf"


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


def restart(desk, figures):
    """The server is killed in the middle of a conversation, and started again."""
    requests = desk.ask("before_restart", "MANY-TURNS please, and then a restart")
    requests += desk.ask("before_restart", "And what else?", "--continue")
    desk.wait_until_stored(requests[-1], len(requests))
    desk.kill()
    desk.start()
    after = desk.ask("after_restart", "Are you still there?", "--continue")
    figures.add("reuse_after_restart", of_the_conversation(requests[-1:] + after))


def begun_elsewhere(desk, figures):
    """The client's own record of a conversation with the real Claude is resumed."""
    model = "claude-sonnet-4-5-20250929"
    with serving(playing_claude(model)) as port:
        begun = run([CLAUDE, "-p", "What is in this folder?", "--output-format", "json",
                     "--permission-mode", "bypassPermissions"], cwd=desk.person.project,
                    env=desk.person.environment | direct(port, model))
    assert begun.returncode == 0, begun.stdout + begun.stderr
    session = json.loads(begun.stdout)["session_id"]
    (record,) = desk.person.home.glob(f".claude/projects/*/{session}.jsonl")
    kept = record.read_text()
    assert "toolu_01" in kept and "msg_01" in kept and model in kept, kept
    resumed = desk.ask("resumed", "Go on with it.", "--resume", session)
    resumed += desk.ask("resumed", "And now?", "--resume", session)
    figures.add("reuse_conversation", of_the_conversation(resumed))


TOGETHER = (questions, tool_loop, deferred_tool, subagents, mcp_server, plan_mode, compaction,
            begun_elsewhere)
ALONE = (restart,)  # counts what is on the disk
SCENARIOS = [scenario.__name__ for scenario in TOGETHER + ALONE]
PEERS = {Theirs.who: Theirs}
# What a peer is asked by default: those that another share than reuse_conversation comes from.
OF_PEERS = [scenario.__name__ for scenario in (questions, deferred_tool, subagents, restart)]


def run_scenario(scenario, desk, figures):
    """What a peer cannot do is said, and the others are measured all the same."""
    try:
        scenario(desk, figures)
    except AssertionError as failure:
        if desk.who == Ours.who:
            raise
        print(f"{desk.who} failed in {scenario.__name__}: {str(failure)[:500]}", file=sys.stderr)


def measure(kind, folder, model, report, names):
    """Runs the scenarios with one server; its shares."""
    figures = Figures()
    for number, group in enumerate((TOGETHER, ALONE)):
        chosen = [scenario for scenario in group if scenario.__name__ in names]
        if not chosen:
            continue
        desk = kind(folder / f"{kind.who[0]}{number}", model, report)
        with desk.server():
            for scenario in chosen:
                run_scenario(scenario, desk, figures)
    return figures.smallest


def main():
    parser = argparse.ArgumentParser(prog="./dev bench claude-code",
                                     description=__doc__.split("\n\n", maxsplit=1)[0])
    parser.add_argument("--peer", choices=PEERS,
                        help="also measure this server, in " + ", ".join(OF_PEERS))
    parser.add_argument("--only", nargs="*", choices=SCENARIOS, help="these, of both servers")
    parser.add_argument("--json", help="write the figures to this file as well")
    options = parser.parse_args()
    if not CLAUDE:
        sys.exit("Claude Code is not installed: the npm registry could not be reached")
    version = run([CLAUDE, "--version"]).stdout.split()[0]
    report = Report({"file": "a scripted demo model, tiny", "client": f"Claude Code {version}"})
    with tempfile.TemporaryDirectory(prefix="anyclaude-") as name:
        folder = pathlib.Path(name)
        model = scripted_model(folder)
        ours = measure(Ours, folder, model, report, options.only or SCENARIOS)
        for share, value in sorted(ours.items()):
            report.add(Ours.who, share, value, "share")
            report.ratio(share, value)
        if options.json:
            report.write(options.json)  # a peer may take long
        if options.peer:
            theirs = measure(PEERS[options.peer], folder, model, report, options.only or OF_PEERS)
            for share, value in sorted(theirs.items()):
                report.add(options.peer, share, value, "share")
    report.print()
    if options.json:
        report.write(options.json)


if __name__ == "__main__":
    main()
