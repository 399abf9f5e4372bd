"""Reads a command that is not run: the shell's syntax, and whether the program knows its words."""

import functools
import os
import re
import shlex
import subprocess

from commands import REPOSITORY


def output(*arguments):
    done = subprocess.run([str(argument) for argument in arguments], text=True, capture_output=True,
                          timeout=60, check=False, cwd=REPOSITORY)
    return done.stdout + done.stderr


def check_shell(text):
    done = subprocess.run(["bash", "-n", "-c", text], text=True, capture_output=True, check=False)
    assert done.returncode == 0, f"{text}: {done.stderr}"


@functools.cache
def help_of(*program):
    return output(*program, "--help")


def check_options(words, text):
    """The options among the words stand in that help."""
    for word in words:
        if word.startswith("-"):
            option = word.split("=")[0]
            assert re.search(rf"(?<![\w-]){re.escape(option)}(?![\w-])", text), f"no option {option} in: {text}"


def check_dev(words):
    name, *words = words
    told = output("./dev", "help")
    assert re.search(rf"^  {name}\b", told, re.M), f"./dev help names no {name}"
    if name == "test":
        ours, _, program = " ".join(words).partition("-- ")
        check_options(ours.split(), told)
        groups = [word for word in ours.split() if not word.startswith("-")]
        for group in groups:
            assert re.search(rf"\b{group}\b", told), f"./dev help names no group {group}"
        check_filter(groups, shlex.split(program))
    elif name == "fuzz":
        assert (REPOSITORY / f"tests/fuzz/{words[0]}_fuzz.cpp").exists(), words[0]
    elif name == "bench" and words != ["--list"]:
        check_bench(*words)


def check_filter(groups, words):
    """It leaves something to run."""
    for word in words:
        if word.startswith("--gtest_filter="):
            listed = output(f"build/bin/{groups[0]}_tests", "--gtest_list_tests", word)
            assert re.search(r"^  \S", listed, re.M), f"no test of {groups[0]} is called {word}"
    if words[:1] == ["-k"]:
        files = sorted((REPOSITORY / "tests" / groups[0]).glob("test_*.py"))
        tests = "".join(f"def {path.stem}\n{path.read_text()}" for path in files)
        assert re.search(rf"def test_\w*{words[1]}", tests), f"no test of {groups[0]} is called {words[1]}"


def check_bench(name, *words):
    listed = output("bash", "-c", "source dev.d/build.sh; benchmark_names").split()
    assert name in listed, f"./dev bench --list names no {name}: {listed}"
    file = name.replace("-", "_")
    program = [f"build/bin/{file}_bench"] if os.access(REPOSITORY / f"build/bin/{file}_bench", os.X_OK) \
        else ["python3", f"bench/{file}.py"]
    if words:
        check_options(words, help_of(*program))


def check_variables(names):
    """Something reads them."""
    for name in names:
        found = subprocess.run(["grep", "-rqw", name, "src", "tests", "bench", "dev.d"], cwd=REPOSITORY, check=False)
        assert found.returncode == 0, f"nothing reads {name}"


def check(text):
    check_shell(text)
    words = shlex.split(text)
    variables = [word.split("=")[0] for word in words if re.match(r"[A-Z_]+=", word)]
    check_variables(variables)
    words = words[len(variables):]
    if words[0] == "./dev":
        check_dev(words[1:])
