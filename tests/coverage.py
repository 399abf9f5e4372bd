"""Which lines and branches of src/ a run of the coverage preset's programs reached, by layer and by file.

    python3 tests/coverage.py BUILD_FOLDER REPORT_FOLDER

asks gcov, prints a table of the layers and writes to the report folder: layers.txt, the same table;
files.txt, a line for each file; and uncovered.txt, the lines that were never reached and those with a
branch that was never taken. A branch that is taken when a call throws does not count: nearly every call
has one.
"""

import json
import pathlib
import subprocess
import sys
from collections import defaultdict

REPOSITORY = pathlib.Path(__file__).resolve().parent.parent


class File:
    """What is known of one source file: times for each line and for each branch of a line."""

    def __init__(self):
        self.lines = defaultdict(int)
        self.branches = defaultdict(int)

    def add(self, line):
        number = line["line_number"]
        self.lines[number] += line["count"]
        for index, branch in enumerate(line.get("branches", [])):
            if not branch["throw"]:
                self.branches[number, index] += branch["count"]


def read(build):
    """Every file of src/, by its path in the repository. A header is a part of many objects."""
    files = defaultdict(File)
    for notes in sorted(build.rglob("*.gcno")):
        told = subprocess.run(["gcov", "--json-format", "--branch-probabilities", "--stdout", notes],
                              cwd=build, capture_output=True, check=True).stdout
        for document in told.splitlines():
            for source in json.loads(document)["files"]:
                path = (build / source["file"]).resolve()
                if path.is_relative_to(REPOSITORY / "src"):
                    for line in source["lines"]:
                        files[str(path.relative_to(REPOSITORY))].add(line)
    return files


def figures(files):
    """Lines, branches, and how many of each were reached."""
    lines = [count for file in files for count in file.lines.values()]
    branches = [count for file in files for count in file.branches.values()]
    return len(lines), sum(map(bool, lines)), len(branches), sum(map(bool, branches))


def row(name, files):
    lines, reached, branches, taken = figures(files)
    return (f"{name:40} {lines:7} {100 * reached / max(lines, 1):6.1f}% "
            f"{branches:9} {100 * taken / max(branches, 1):6.1f}%")


def uncovered(path, file):
    """One line of the report for each of the file that something of is missing."""
    text = (REPOSITORY / path).read_text().splitlines()
    missing = {number for (number, _), count in file.branches.items() if count == 0}
    for number in sorted(set(file.lines) & (missing | {n for n, count in file.lines.items() if count == 0})):
        mark = "line  " if file.lines[number] == 0 else "branch"
        yield f"{path}:{number}: {mark} {text[number - 1].strip()}"


def main():
    build, report = (pathlib.Path(argument).resolve() for argument in sys.argv[1:])
    files = read(build)
    layers = defaultdict(list)
    for path, file in files.items():
        layers[path.split("/")[1]].append(file)
    head = f"{'':40} {'lines':>7} {'reached':>7} {'branches':>9} {'taken':>7}"
    table = "\n".join([head, *(row(layer, layers[layer]) for layer in sorted(layers) if "." not in layer),
                       row("all", files.values())])
    report.mkdir(parents=True, exist_ok=True)
    (report / "layers.txt").write_text(table + "\n")
    (report / "files.txt").write_text("\n".join([head, *(row(path, [files[path]]) for path in sorted(files))]) + "\n")
    (report / "uncovered.txt").write_text(
        "".join(f"{line}\n" for path in sorted(files) for line in uncovered(path, files[path])))
    print(table)


if __name__ == "__main__":
    main()
