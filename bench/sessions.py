"""Twenty sessions in five directories with the same tools, over daemons that end and start again in
between: how much is computed, and kept on the disk, beside what there is to compute. The requests are of
Claude Code's shape (12 tools, three system blocks, the directory in a later one), with none of its words.

    ./dev bench sessions [--sessions N] [--json F]

What there is to compute is counted in the store's files: the tokens of all blocks, laid over one another.
"""

import argparse
import pathlib
import struct
import tempfile
import time

from report import Report
from servers import SERVERS, Setting, ask, progress
from ttft import long_winded, prose, user

DIRECTORIES = 5
TURNS = 3
PER_DAEMON = 5  # sessions
CONTEXT = 40_960  # tokens
BLOCK_KIND = 1


def tool(number):
    names = [f"{word}_{number}" for word in ("path", "pattern", "limit", "mode")]
    return {"name": f"Tool{number}", "description": prose(100 + number, 320),
            "input_schema": {"type": "object", "required": names[:2], "properties": {
                name: {"type": "string", "description": prose(name, 18)} for name in names}}}


TOOLS = [tool(number) for number in range(12)]
INSTRUCTIONS = prose("instructions", 1200)


def cached(text):
    return {"type": "text", "text": text, "cache_control": {"type": "ephemeral"}}


def session_request(session, messages):
    directory = f"/home/anna/project-{session % DIRECTORIES}"
    return {"model": "bench", "max_tokens": 24, "temperature": 0, "tools": TOOLS, "messages": messages,
            "system": [
                {"type": "text", "text": f"x-anthropic-billing-header: cc_version=2.1.330.{session:03x}; "
                                         "cc_entrypoint=sdk-cli;"},
                cached("You are a synthetic agent."),
                cached(f"{INSTRUCTIONS}\n# Environment\nWorking directory: {directory}\n"
                       + prose(directory, 250))]}


class Block:
    """Of a block file (docs/kv-store.md, Files): where it hangs and what it holds."""

    def __init__(self, path):
        header = path.read_bytes()
        self.key, self.parent = header[48:80], header[80:112]
        self.begin, count, sections, self.kind = struct.unpack_from("<4I", header, 112)
        self.tokens = struct.unpack_from(f"<{count}i", header, 144)
        self.cells = sum(struct.unpack_from("<Q", header, 144 + 4 * count + 56 * number + 16)[0]
                         for number in range(sections))
        self.size = len(header)


def distinct_tokens(blocks):
    """How many there are when equal beginnings are counted once."""
    ends, edges = {}, {}
    for block in sorted(blocks, key=lambda block: block.begin):
        node = ends.setdefault(block.parent, ("root", block.parent))
        for token in block.tokens:
            node = edges.setdefault((node, token), len(edges))
        ends[block.key] = node
    return len(edges)


def stored_blocks(home):
    """All blocks, once nothing is added any more."""
    before, since = -1, time.monotonic()
    while time.monotonic() - since < 2:
        files = list((home / "cache/prefixes").glob("*/*/*.kv"))
        if len(files) != before:
            before, since = len(files), time.monotonic()
        time.sleep(0.05)
    return [block for block in map(Block, files) if block.kind == BLOCK_KIND]


def main():
    parser = argparse.ArgumentParser(prog="./dev bench sessions", description=__doc__.split("\n\n")[0])
    parser.add_argument("--sessions", type=int, default=20)
    parser.add_argument("--size", default="tiny", help="of the demo model [tiny]")
    parser.add_argument("--json", help="write the figures to this file as well")
    options = parser.parse_args()

    with tempfile.TemporaryDirectory(prefix="anyclaude-bench-") as name:
        folder = pathlib.Path(name)
        home = folder / "anyclaude"
        model = long_winded(folder, options.size).resolve()
        report = Report({"file": model.name, "bytes": model.stat().st_size})
        prompts = computed = longest = 0
        for first in range(0, options.sessions, PER_DAEMON):
            server = SERVERS["anyclaude"](Setting(model, CONTEXT, 1), folder)
            for session in range(first, min(first + PER_DAEMON, options.sessions)):
                progress(f"session {session + 1} of {options.sessions}")
                messages = []
                for turn in range(TURNS):
                    messages.append(user(f"Question {turn} of session {session}: "
                                         + prose(f"{session} {turn}", 40)))
                    answer = ask(server, session_request(session, messages))
                    messages.append({"role": "assistant", "content": answer.text})
                    computed += answer.computed + max(0, answer.output - 1)
                    prompts += answer.computed + answer.reused
                    longest = max(longest, answer.computed + answer.reused)
                    report.add("anyclaude", f"turn_{turn}_computed", answer.computed, "tokens")
                    report.add("anyclaude", f"turn_{turn}", answer.ttft, "s")
            blocks = stored_blocks(home)
            server.stop()
        assert max(block.begin + len(block.tokens) for block in blocks) >= longest, "not all is stored"
        distinct = distinct_tokens(blocks)
        whole = max(blocks, key=lambda block: len(block.tokens))
        distinct_bytes = distinct * whole.cells / len(whole.tokens)
        on_disk = sum(block.size for block in blocks)
        report.add("anyclaude", "prompts", prompts, "tokens")
        report.add("anyclaude", "computed", computed, "tokens")
        report.add("anyclaude", "distinct", distinct, "tokens")
        report.add("anyclaude", "on_disk", on_disk / 1e6, "MB")
        report.add("anyclaude", "distinct_blocks", distinct_bytes / 1e6, "MB")
    report.ratio("computed_over_distinct", computed / distinct)
    report.ratio("disk_over_distinct", on_disk / distinct_bytes)
    report.print()
    if options.json:
        report.write(options.json)


if __name__ == "__main__":
    main()
