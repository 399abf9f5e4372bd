"""The commands and configurations that README.md and docs/ show, as they stand there."""

import dataclasses
import pathlib
import re

REPOSITORY = pathlib.Path(__file__).resolve().parent.parent.parent
PAGES = [REPOSITORY / "README.md", *sorted((REPOSITORY / "docs").rglob("*.md"))]

# What begins a command: in a fence without a language, one of these is a fence that lacks its `sh`; in
# running text, one of the first three with a word behind it is a command.
VARIABLES = r"(?:[A-Z_]+=\S+ )*"
PROGRAMS = (r"(?:\./dev|build/bin/anyclaude|anyclaude|llama-server|vllm|python -m|trtllm-serve|lms|ollama|"
            r"mlx_lm\.server|mlx-omni-server|npm|npx|apt|brew|curl|tar|systemctl)")
COMMAND = re.compile(rf"{VARIABLES}{PROGRAMS}( |$)")
COMMAND_IN_TEXT = re.compile(rf"{VARIABLES}(?:\./dev|build/bin/anyclaude|anyclaude|npm|apt) \S|[A-Z_]+=\S+ anyclaude$")


@dataclasses.dataclass(frozen=True)
class Fence:
    """A fenced block of a page."""

    page: str
    line: int  # of its first line, from 1
    language: str
    text: str

    def __str__(self):
        return f"{self.page}:{self.line}"


@dataclasses.dataclass(frozen=True)
class Command:
    """One command, on one line, without the comment behind it."""

    page: str
    line: int
    text: str

    def __str__(self):
        return f"{self.page}:{self.line} {self.text}"


def name_of(page):
    return str(page.relative_to(REPOSITORY))


def fences(page):
    found, opened, begins = [], None, 0
    for number, line in enumerate(page.read_text().splitlines(), 1):
        mark = re.match(r"( *)```(\S*)", line)
        if mark and opened is None:
            opened, lines, begins = mark, [], number + 1
        elif mark:
            found.append(Fence(name_of(page), begins, opened[2], "\n".join(lines)))
            opened = None
        elif opened:
            lines.append(line.removeprefix(opened[1]))
    assert opened is None, f"{page}: a fence is not closed"
    return found


def commands_of(fence):
    """Of a fence of `sh`."""
    pending, begins = "", fence.line
    for number, line in enumerate(fence.text.splitlines(), fence.line):
        begins = begins if pending else number
        pending += re.sub(r"(^|\s+)#.*", "", line).strip()
        if pending.endswith("\\"):
            pending = pending[:-1]
        elif pending:
            yield Command(fence.page, begins, pending)
            pending = ""


def commands_in_text(page):
    """In spans of code, which may go on in the next line."""
    text = re.sub(r"^ *```.*?^ *```", lambda fence: "\n" * fence[0].count("\n"), page.read_text(),
                  flags=re.S | re.M)
    for span in re.finditer(r"`([^`]+)`", text):
        command = " ".join(span[1].split())
        if COMMAND_IN_TEXT.match(command):
            yield Command(name_of(page), text.count("\n", 0, span.start()) + 1, command)


def all_commands():
    """Every fenced one, and those of the text that stand in no fence, each once."""
    found = [command for page in PAGES for fence in fences(page) if fence.language == "sh"
             for command in commands_of(fence)]
    known = {command.text for command in found}
    for page in PAGES:
        for command in commands_in_text(page):
            if command.text not in known:
                known.add(command.text)
                found.append(command)
    return found
