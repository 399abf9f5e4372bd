"""The menu that `anyclaude` shows at a terminal, driven in tmux. Claude Code is a stand-in that prints its
arguments: which ones it gets is what a choice decides."""

import os
import pathlib
import re

import pytest

from person import PROGRAM, run
from terminal_picture import take_picture
from tmux import Terminal

DOCUMENTED = pathlib.Path(__file__).parent.parent.parent / "docs/guides/modes.md"

SHOWN = "What are you about to do?"


@pytest.fixture
def stand_in(person):
    """A program to be called instead of Claude Code."""
    script = person.home / "claude"
    script.write_text('#!/bin/sh\nprintf "argument: %s\\n" "$@"\necho "base: $ANTHROPIC_BASE_URL"\n')
    script.chmod(0o755)
    return script


def terminal(person, stand_in, *arguments, config=""):
    (person.files / "config.toml").write_text(f'model = "{person.model}"\n{config}')
    return Terminal([PROGRAM, "--claude", stand_in, *arguments], person.project, person.environment)


def chosen_line(screen):
    return next(line for line in screen.splitlines() if "›" in line)


def test_arrows_choose_and_q_leaves(person, stand_in):
    with terminal(person, stand_in) as screen:
        shown = screen.wait_for(SHOWN)
        assert "analysis" in shown and "editing" in shown and "cloud" in shown
        assert "editing" in chosen_line(shown)
        assert "Fast is no longer read-only" in shown and "Enter start" in shown
        assert f"Answers: local ({person.model.name})" in shown
        screen.press("Down")
        screen.wait_for("Your prompts leave this machine.")
        screen.press("Up", "Up")
        screen.wait_for("› 1  analysis")
        screen.press("q")
        screen.wait_for("exit status 0")
        assert "argument:" not in screen.screen()


def test_analysis_is_read_only_and_remembered(person, stand_in):
    with terminal(person, stand_in) as screen:
        screen.wait_for(SHOWN)
        screen.press("1")
        shown = screen.wait_for("exit status 0")
        assert "argument: --disallowedTools" in shown
        assert "argument: Edit,Write,NotebookEdit,Bash" in shown
    with terminal(person, stand_in) as screen:
        assert "analysis" in chosen_line(screen.wait_for(SHOWN))
        screen.press("2")
        shown = screen.wait_for("exit status 0")
        assert "--disallowedTools" not in shown and "base: http://127.0.0.1" in shown


def test_cloud_is_the_real_claude_with_its_own_login(person, stand_in):
    with terminal(person, stand_in) as screen:
        screen.wait_for(SHOWN)
        screen.press("3")
        shown = screen.wait_for("exit status 0")
        assert "/t/" in next(line for line in shown.splitlines() if "base:" in line)


@pytest.mark.parametrize("arguments, config", [
    (("--no-menu",), ""), ((), "menu = false\n"), (("--mode", "local"), ""), (("hello",), "")])
def test_no_menu(person, stand_in, arguments, config):
    with terminal(person, stand_in, *arguments, config=config) as screen:
        shown = screen.wait_for("exit status 0")
        assert SHOWN not in shown and "base: http://127.0.0.1" in shown


def test_no_menu_where_there_is_no_terminal(person, stand_in):
    (person.files / "config.toml").write_text(f'model = "{person.model}"\n')
    done = run([PROGRAM, "--claude", stand_in], env=person.environment, cwd=person.project)
    assert done.returncode == 0 and "base: http" in done.stdout, done.stderr


def without_numbers(text):
    """Lines, without the blanks that fill them, and without the choice that another server on this
    machine gives."""
    text = text.replace("   ←→ who answers", "")
    return [re.sub(r"[\d.]+ (tokens/s|s\b)", r"N \1", re.sub(r"\s*│?\s*$", "", line))
            for line in text.strip().splitlines()]


def test_the_documented_menu_is_the_real_one(person, stand_in, tmp_path):
    """With ANYCLAUDE_SCREENSHOTS=FOLDER its picture is taken too."""
    (person.files / "demo.gguf").hardlink_to(person.model)
    person.model = person.files / "demo.gguf"
    for words in ("What is here?", "And what else?"):  # so that there is a speed to show
        person.ask(words, *(["--continue"] if words.startswith("And") else []))
    with terminal(person, stand_in) as screen:
        shown = screen.wait_for("Speed: ")
        assert re.search(r"Speed: \d+ tokens/s, follow-up [\d.]+ s, as last measured", shown), shown
        (documented,) = re.findall(r"```\n(╭.*?╯)\n```", DOCUMENTED.read_text(), re.DOTALL)
        assert without_numbers(shown) == without_numbers(documented)
        if folder := os.environ.get("ANYCLAUDE_SCREENSHOTS"):
            take_picture(screen.screen(colours=True), pathlib.Path(folder) / "menu.png", tmp_path)
