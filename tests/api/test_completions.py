"""What completes the command line, in the shells themselves, and the manual page."""

import shutil
import subprocess
import uuid

import pytest

from daemon import wait_for


@pytest.fixture(scope="module")
def script(program, tmp_path_factory):
    """script("bash") -> the path of its completions."""
    folder = tmp_path_factory.mktemp("completions")

    def write(shell):
        path = folder / ("_anyclaude" if shell == "zsh" else "anyclaude." + shell)
        path.write_text(printed(program, "completions", shell))
        return path

    return write


def printed(program, *arguments):
    return subprocess.run([program, *arguments], text=True, capture_output=True, check=True).stdout


BASH = r"""
source "$1"; shift
COMP_WORDS=("$@") COMP_CWORD=$(($# - 1))
_anyclaude
printf '%s\n' "${COMPREPLY[@]}"
"""


def in_bash(script, *words):
    done = subprocess.run(["bash", "-c", BASH, "bash", script, *words], text=True,
                          capture_output=True, check=True)
    assert not done.stderr
    return done.stdout.split()


def in_fish(script, *words):
    if not shutil.which("fish"):
        pytest.skip("there is no fish")
    done = subprocess.run(["fish", "--no-config", "-c",
                           'source $argv[1]; complete -C "$argv[2]"', str(script), " ".join(words)],
                          text=True, capture_output=True, check=True)
    assert not done.stderr
    return [line.split("\t")[0] for line in done.stdout.splitlines()]


@pytest.mark.parametrize("shell, complete", [("bash", in_bash), ("fish", in_fish)])
def test_a_shell_completes_commands_options_names_and_files(script, shell, complete, tmp_path,
                                                            monkeypatch):
    def completed(*words):
        return complete(script(shell), "anyclaude", *words)

    assert set(completed("")) >= {"serve", "bench", "cache", "doctor"}
    assert "manual" not in completed("")  # for packages
    assert completed("be") == ["bench"]
    assert "--no-menu" in completed("--no")
    assert set(completed("cache", "")) >= {"stat", "warm", "export", "import"}
    assert "serve" not in completed("cache", "")
    assert completed("bench", "--kv") == ["--kv-type"]
    assert sorted(completed("bench", "--kv-type", "")) == ["f16", "q8_0"]
    assert completed("bench", "--prompt", "cl") == ["claude"]
    assert "mlx-lm" in completed("--mode", "m")
    assert sorted(completed("completions", "")) == ["bash", "fish", "zsh"]
    assert completed("bench", "--repeats", "") == []
    monkeypatch.chdir(tmp_path)
    (tmp_path / "some-model.gguf").touch()
    assert completed("serve", "--model", "some") == ["some-model.gguf"]
    assert completed("model", "info", "some") == ["some-model.gguf"]


def test_bash_completes_behind_an_equals_sign(script):
    assert in_bash(script("bash"), "anyclaude", "bench", "--prompt", "=", "cl") == ["claude"]
    assert in_bash(script("bash"), "anyclaude", "bench", "--prompt", "=") == ["synthetic", "claude"]


def test_what_is_behind_two_dashes_is_claude_codes(script):
    assert in_bash(script("bash"), "anyclaude", "--", "") == []


@pytest.mark.skipif(not shutil.which("zsh") or not shutil.which("tmux"), reason="there is no zsh")
def test_zsh_completes(script):
    folder = script("zsh").parent
    server = "anyclaude-" + uuid.uuid4().hex

    def tmux(*arguments):
        return subprocess.run(["tmux", "-L", server, *arguments], text=True, capture_output=True,
                              check=True).stdout

    tmux("-f", "/dev/null", "new-session", "-d", "-x", "120", "-y", "50", "zsh -f")
    try:
        def shows(text):
            wait_for(lambda: text in tmux("capture-pane", "-p"),
                     f"{text} in:\n{tmux('capture-pane', '-p')}", 20)

        tmux("send-keys", f"PS1='ready> '; fpath=({folder} $fpath); autoload -Uz compinit; "
             f"compinit -u -d {folder}/dump; clear", "Enter")
        wait_for(lambda: tmux("capture-pane", "-p").strip() == "ready>", "zsh's prompt", 20)
        tmux("send-keys", "anyclaude ben", "Tab")
        shows("ready> anyclaude bench")
        tmux("send-keys", "-l", "--", "--kv")
        tmux("send-keys", "Tab")
        shows("ready> anyclaude bench --kv-type")
        tmux("send-keys", "q", "Tab")
        shows("ready> anyclaude bench --kv-type q8_0")
        tmux("send-keys", "C-u", "anyclaude cache ", "Tab")
        shows("How much there is, what it saved")
    finally:
        tmux("kill-server")


@pytest.mark.skipif(not shutil.which("groff"), reason="there is no groff")
def test_the_manual_page_has_every_command_and_renders_without_a_warning(program):
    page = printed(program, "manual")
    done = subprocess.run(["groff", "-man", "-Tutf8", "-ww", "-P-cbou", "-rLL=100n"], input=page, text=True,
                          capture_output=True, check=True)
    assert not done.stderr
    for text in ("anyclaude serve", "--kv-type TYPE", "cache export", "--include-conversations",
                 "ANYCLAUDE_HOME", "--no-store"):
        assert text.split()[-1] in done.stdout
    commands = [line.split()[0] for line in printed(program, "--help").split("COMMANDS:")[1].splitlines()
                if line.startswith("  ")]
    assert len(commands) > 8
    for command in commands:
        assert f"\n   {command}\n" in done.stdout
