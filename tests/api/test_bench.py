"""`anyclaude bench`: the whole command, at a small size."""

import json
import os
import signal
import struct
import subprocess
import xml.etree.ElementTree
import zlib

import pytest

from daemon import wait_for

ROWS = ["cold", "followup", "new_session", "sessions", "after_restart"]


def check_picture(png, chart):
    """A PNG of twice the chart's size, with its ground, its letters and both kinds of bars in it."""
    assert png.startswith(b"\x89PNG\r\n\x1a\n") and png[12:16] == b"IHDR"
    width, height = struct.unpack(">II", png[16:24])
    assert (width, height) == tuple(2 * int(chart.get(name)) for name in ("width", "height"))
    depth, kind = png[24], png[25]
    assert depth == 8 and kind in (2, 6)  # RGB, RGBA
    packed, at = b"", 8
    while at < len(png):
        (length,), name = struct.unpack(">I", png[at:at + 4]), png[at + 4:at + 8]
        packed += png[at + 8:at + 8 + length] if name == b"IDAT" else b""
        at += 12 + length
    assert len(zlib.decompress(packed)) == height * (1 + width * (3 if kind == 2 else 4))
    assert len(png) > 10_000  # an empty ground takes a tenth of it


@pytest.fixture
def bench(program, tmp_path_factory):
    """bench(ARGUMENTS) -> the finished process; every call with the same folders."""
    home = tmp_path_factory.mktemp("bench")

    def run(*arguments):
        done = subprocess.run([str(program), "bench", *map(str, arguments)], text=True,
                              capture_output=True, timeout=140, check=False,
                              env={**os.environ, "ANYCLAUDE_HOME": str(home)})
        leftovers = [name for name in os.listdir(home / "cache") if name.startswith("bench-")] \
            if (home / "cache").exists() else []
        assert not leftovers
        return done

    run.home = home
    return run


def test_it_measures_and_writes_a_table_figures_markdown_and_a_chart(bench, tmp_path):
    done = bench("--model", "demo", "--tokens", 2000, "--repeats", 2, "--sessions", 3, "--json",
                 tmp_path / "a.json", "--markdown", tmp_path / "deep/a.md", "--svg", tmp_path / "a.svg",
                 "--png", tmp_path / "a.png")
    assert done.returncode == 0, done.stderr
    result = json.loads((tmp_path / "a.json").read_text())
    rows = {row["name"]: row for row in result["requests"]}
    assert list(rows) == ROWS
    assert abs(rows["cold"]["prompt_tokens"] - 2000) <= 20  # the text of each repeat differs a little
    for row in rows.values():
        assert row["reused_tokens"] + row["computed_tokens"] == row["prompt_tokens"]
        assert len(row["ttft_ms_values"]) == 2
        assert row["ttft_ms_min"] <= row["ttft_ms"] <= row["ttft_ms_max"]
    # A first request begins like nothing before it, but for the template's own first words.
    assert rows["cold"]["reused_tokens"] < 64
    assert rows["followup"]["computed_tokens"] < 64
    assert rows["new_session"]["reused_tokens"] > 1000
    assert rows["sessions"]["reused_tokens"] > 1000
    # Whole blocks of 256 tokens come back from the disk.
    assert rows["after_restart"]["reused_tokens"] >= rows["cold"]["prompt_tokens"] // 256 * 256
    assert result["machine"]["cores"] >= 1 and result["machine"]["memory_gib"] > 0
    assert result["is_demo_model"] and result["model"] and result["anyclaude"]
    assert result["speedup_followup"] > 1

    for words in ("first request", "follow-up", "3 sessions at once", "after restart", "stand-in"):
        assert words in done.stdout
        assert words in (tmp_path / "deep/a.md").read_text()
    chart = xml.etree.ElementTree.fromstring((tmp_path / "a.svg").read_text())
    texts = [element.text for element in chart.iter("{http://www.w3.org/2000/svg}text")]
    assert "3 sessions at once" in texts
    check_picture((tmp_path / "a.png").read_bytes(), chart)


def test_results_are_compared(bench, tmp_path):
    arguments = ("--model", "demo", "--tokens", 1900, "--repeats", 1, "--sessions", 0)
    figures = bench(*arguments, "--json", "-")
    assert figures.returncode == 0, figures.stderr
    slow = json.loads(figures.stdout)  # nothing else stands there
    assert [row["name"] for row in slow["requests"]] == [name for name in ROWS if name != "sessions"]
    for row in slow["requests"]:
        row["ttft_ms_values"] = [100, 101, 102, 103, 104]
    fast = json.loads(json.dumps(slow))
    fast["requests"][1]["ttft_ms_values"] = [50, 51, 52, 53, 54]
    (tmp_path / "slow.json").write_text(json.dumps(slow))
    (tmp_path / "fast.json").write_text(json.dumps(fast))
    done = bench("--compare", tmp_path / "slow.json", tmp_path / "fast.json")
    assert done.returncode == 0, done.stderr
    lines = {line[:20].strip(): line for line in done.stdout.splitlines()}
    assert "B is faster" in lines["follow-up"] and "0.51x" in lines["follow-up"]
    assert "no difference shown" in lines["first request"]

    (tmp_path / "slow.json").write_text("{}")
    done = bench("--compare", tmp_path / "slow.json", tmp_path / "fast.json")
    assert done.returncode == 1 and "slow.json" in done.stderr


def test_a_small_context_makes_the_prompt_shorter_and_says_so(bench):
    done = bench("--model", "demo", "--ctx", 4096, "--repeats", 1, "--sessions", 2)
    assert done.returncode == 0, done.stderr
    assert "made shorter than 18,490 tokens: the model's context is 4,096" in done.stdout


@pytest.mark.parametrize("arguments, complaint", [
    (("--repeats", "0", "--model", "demo"), "--repeats"),
    ((), "--model demo"),
    (("--mode", "claude"), "the real Claude computes elsewhere"),
    (("--model", "/nowhere.gguf"), "there is no model file /nowhere.gguf"),
    (("--model", "demo", "--prompt", "claude", "--tokens", "5000"), "leave --tokens out"),
    (("--model", "demo", "--client", "claude", "--repeats", "3"), "asks each question once"),
    (("--compare", "/nowhere/a.json", "/nowhere/b.json"), "/nowhere/a.json"),
    (("--compare", "a.json"), "--compare"),
])
def test_what_cannot_be_measured_is_said(bench, arguments, complaint):
    done = bench(*arguments)
    assert done.returncode != 0
    assert complaint in done.stderr


def test_an_interrupt_ends_everything_it_started(program, tmp_path):
    running = subprocess.Popen(
        [program, "bench", "--model", "demo", "--repeats", "50"], stderr=subprocess.PIPE, text=True,
        env={**os.environ, "ANYCLAUDE_HOME": str(tmp_path)})
    log = tmp_path / f"cache/bench-{running.pid}/anyclaude/state/daemon.log"
    wait_for(lambda: log.exists() and "listening on" in log.read_text(), "a daemon of its own", 60)
    running.send_signal(signal.SIGINT)
    _, errors = running.communicate(timeout=60)
    assert running.returncode == 1
    assert "interrupted" in errors
    assert not log.parent.parent.parent.exists()
    with open("/proc/self/mountinfo", encoding="utf-8"):  # /proc is there: look for the daemon
        for pid in filter(str.isdigit, os.listdir("/proc")):
            try:
                with open(f"/proc/{pid}/environ", "rb") as environment:
                    assert str(tmp_path).encode() not in environment.read()
            except OSError:
                continue


def test_a_png_without_what_draws_it_is_refused_before_measuring(program, tmp_path):
    done = subprocess.run([str(program), "bench", "--model", "demo", "--png", tmp_path / "a.png"], text=True,
                          capture_output=True, timeout=60, check=False,
                          env={"PATH": str(tmp_path), "HOME": str(tmp_path), "ANYCLAUDE_HOME": str(tmp_path / "h")})
    assert done.returncode == 1 and "rsvg-convert" in done.stderr and "librsvg2-bin" in done.stderr
    assert not (tmp_path / "a.png").exists() and not done.stdout
