"""The daemon itself is killed, stopped, ended, and kept short of memory and descriptors, under load."""

import contextlib
import json
import os
import pathlib
import resource
import signal
import subprocess
import sys
import threading
import time

import pytest
from harness import Fault, Harness, Traffic
from memory_group import Hog, MemoryGroup, whats_missing
from talks import QUESTIONS, TALKS

from clients import ask, prompt_tokens
from daemon import Daemon, tokens_that_left, wait_for
from raw_http import RawConnection

CLAUDE = os.environ.get("ANYCLAUDE_CLAUDE")
OPTIONS = ["--ctx", 16384, "--threads", 1]
NO_GROUP = whats_missing()
GROUP_MIB = 130


@pytest.mark.parametrize("how, name", [(signal.SIGKILL, "the daemon is killed (SIGKILL) and started again"),
                                       (signal.SIGABRT, "the engine aborts and the daemon is started again"),
                                       (signal.SIGTERM, "the daemon is ended (SIGTERM) and started again")])
def test_the_daemon_ends_under_load(program, model, ledger, tmp_path, how, name):
    daemon = Daemon(program, tmp_path, model, OPTIONS)
    harness = Harness(daemon, QUESTIONS, ledger)
    wait_for(lambda: daemon.metrics()["anyclaude_kv_disk_blocks"] >= TALKS, "prefixes are on the disk")
    fault = Fault(name)
    traffic = Traffic(harness, fault)
    wait_for(lambda: fault.right >= 2, "answers come")
    began = time.monotonic()
    os.kill(daemon.pid, how)
    status = daemon.wait(20)
    assert status == (0 if how == signal.SIGTERM else -how)
    ended = time.monotonic() - began
    traffic.stop()
    daemon = harness.daemon = Daemon(program, tmp_path, model, OPTIONS)
    try:
        reply = daemon.ask(json.loads(QUESTIONS[0]))
        fault.recovered_ms = 1000 * (time.monotonic() - began)
        assert reply.json()["content"][0]["text"] == harness.expected[QUESTIONS[0]]
        reused = reply.json()["usage"]["cache_read_input_tokens"]
        assert reused >= 256, "the prefix came back from the disk"
        fault.told = f"connections are closed; it ends in {1000 * ended:.0f} ms; {reused} tokens come back"
        harness.settle()
        harness.check(fault)
    finally:
        daemon.stop()


def test_the_machine_sleeps(harness):
    with harness.fault("the daemon is stopped for 2 s (SIGSTOP) and goes on") as fault:
        os.kill(harness.daemon.pid, signal.SIGSTOP)
        time.sleep(2)  # the fault's own length
        os.kill(harness.daemon.pid, signal.SIGCONT)
        fault.told = "nothing: answers are late"


def test_no_more_descriptors(harness):
    pid = harness.daemon.pid
    before = resource.prlimit(pid, resource.RLIMIT_NOFILE)
    mark = harness.mark()
    with harness.fault("no descriptor is left") as fault:
        resource.prlimit(pid, resource.RLIMIT_NOFILE, (harness.daemon.open_files() + 4, before[1]))
        waiting = [RawConnection(harness.daemon) for _ in range(20)]
        line = wait_for(lambda: next((line for line in harness.log_since(mark).splitlines()
                                      if "Cannot accept" in line), None), "it says so")
        fault.told = line.split(": ", 1)[1]
        for connection in waiting:
            connection.socket.close()
        resource.prlimit(pid, resource.RLIMIT_NOFILE, before)


def test_no_more_memory(harness):
    """A limit of the address space a little above what it takes, and bodies that need more."""
    pid = harness.daemon.pid
    before = resource.prlimit(pid, resource.RLIMIT_AS)
    body = json.dumps(ask("x" * 20_000_000)).encode()
    with harness.fault("no memory is left") as fault:
        taken = int(pathlib.Path(f"/proc/{pid}/statm").read_text().split()[0]) * resource.getpagesize()
        resource.prlimit(pid, resource.RLIMIT_AS, (taken + (30 << 20), before[1]))
        replies = []

        def post():
            try:
                replies.append(harness.daemon.request("POST", "/v1/messages", body))
            except OSError as error:
                replies.append(error)

        clients = [threading.Thread(target=post) for _ in range(4)]
        for client in clients:
            client.start()
        for client in clients:
            client.join()
        resource.prlimit(pid, resource.RLIMIT_AS, before)
        fault.told = "; ".join(sorted({str(getattr(reply, "status", reply)) for reply in replies}))


def aborts(daemon):
    os.kill(daemon["pid"], signal.SIGABRT)


def is_killed_for_memory(daemon):
    """By the kernel: another program takes all memory of the control group that it is moved into."""
    group = MemoryGroup("anyclaude-faults")
    group.limit(8)
    group.take(daemon["pid"])
    pathlib.Path(f"/proc/{daemon['pid']}/oom_score_adj").write_text("1000")  # it, and not the other program
    hog = Hog(group)
    try:
        hog.want(100)
        wait_for(group.kills, "the kernel kills it")
    finally:
        hog.close()
        wait_for(lambda: not group.processes(), "it is gone")
        group.close()


@pytest.mark.skipif(not CLAUDE, reason="Claude Code is not installed")
@pytest.mark.parametrize("end, what", [
    (aborts, "the engine aborts"),
    pytest.param(is_killed_for_memory, "the kernel kills the daemon for memory", marks=pytest.mark.skipif(
        bool(NO_GROUP), reason=NO_GROUP or "there are none"))])
def test_the_daemon_ends_in_mid_conversation_of_the_real_claude(ledger, tmp_path_factory, end, what):
    sys.path.insert(0, str(pathlib.Path(__file__).parent.parent / "cli"))
    from person import CHAPTERS, LAST_WORDS, PROGRAM, Person, daemon_status, run, scripted_model  # noqa: PLC0415

    folder = tmp_path_factory.mktemp("p")
    person = Person(folder, scripted_model(folder))
    person.options = ("--model", str(person.model), "--threads", "1")
    fault = Fault(f"{what} in mid-conversation of the real Claude Code", seconds=30)
    asking = None
    try:
        assert person.ask("The first question")["result"] == LAST_WORDS
        # How a daemon ended is known to the launcher that started it.
        wait_for(lambda: daemon_status(person) is None, "the first launcher's daemon ends with it")
        asking = subprocess.Popen(
            person.command("--continue", "-p", "LONG-STORY", "--output-format", "stream-json", "--verbose",
                           "--include-partial-messages"),
            cwd=person.project, env=person.environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            text=True)
        while "text_delta" not in asking.stdout.readline():
            assert asking.poll() is None, asking.stderr.read() + person.log()
        prompt = person.records()[0].prompt
        wait_for(lambda: 256 * len(list((person.files / "cache/prefixes").glob("*/*/*.kv"))) > prompt * 0.97,
                 "the first prompt's blocks are on the disk")
        starts = person.log().count("listening on")
        began = time.monotonic()
        end(daemon_status(person))
        wait_for(lambda: person.log().count("listening on") > starts, "another daemon")
        restarted = time.monotonic() - began
        output, errors = asking.communicate(timeout=120)
        assert asking.returncode == 0, errors + person.log()
        assert json.loads(output.strip().splitlines()[-1])["result"].count("chapter") == CHAPTERS
        assert restarted < 1, f"{restarted} s until the next daemon listened"
        last = person.records()[-1]
        assert last.reused > last.prompt * 0.9, "the store brought the prefix back"
        fault.recovered_ms = 1000 * restarted
        fault.told = next(line for line in errors.splitlines() if "in its place" in line)[:170]
        assert "ended with signal " in fault.told
        fault.right = 1
        ledger.faults.append(fault)
    finally:
        if asking:
            asking.kill()
        run([PROGRAM, "stop"], env=person.environment)


@contextlib.contextmanager
def daemon_in_group(program, model, folder, mib):
    """A daemon that may take so much memory, and its control group."""
    group = MemoryGroup("anyclaude-faults")
    try:
        group.limit(mib)
        daemon = Daemon(group.wrap(program, folder / "in-group"), folder / "home", model, ["--threads", 1])
        try:
            yield daemon, group
        finally:
            daemon.stop()
        assert group.kills() == 0
    finally:
        group.close()


@pytest.mark.skipif(bool(NO_GROUP), reason=NO_GROUP or "there are none")
def test_little_memory_for_its_control_group(program, model, ledger, tmp_path):
    """What a container is given is less than the machine has: the pool must fit into that."""
    with daemon_in_group(program, model, tmp_path, GROUP_MIB) as (daemon, group):
        cells = int(daemon.metrics()["anyclaude_kv_cells"])
        harness = Harness(daemon, QUESTIONS, ledger)
        with harness.fault(f"a control group (a container) with {GROUP_MIB} MiB of memory") as fault:
            # The first fills it: of many small ones, those that are idle may leave for the store before it is full.
            for words in [cells * 9 // 10, *range(cells // 20, cells // 20 + 4)]:
                reply = daemon.ask(ask(f"{words} " + "word " * words, max_tokens=1), timeout=120)
                assert reply.status == 200, reply.body
                assert prompt_tokens(reply.json()["usage"]) > words
            assert tokens_that_left(daemon.metrics()) > 0
            fault.told = f"nothing: the context is {cells} tokens; full, {group.used_mib()} MiB are used"


@pytest.mark.skipif(bool(NO_GROUP), reason=NO_GROUP or "there are none")
def test_another_program_takes_the_memory_of_its_control_group(program, model, ledger, tmp_path):
    """Before the kernel would end the daemon, it takes no more requests; those that run are answered."""
    with daemon_in_group(program, model, tmp_path, 2 * GROUP_MIB) as (daemon, group):
        harness = Harness(daemon, QUESTIONS, ledger)
        hog = Hog(group)
        try:
            with harness.fault("another program takes the memory of the daemon's control group (a container)") as fault:
                while (reply := daemon.ask(ask("Is there room?", max_tokens=1))).status == 200:
                    hog.take(4)
                assert reply.status == 529 and reply.headers["retry-after"], reply.body
                assert reply.json()["error"]["type"] == "overloaded_error"
                fault.told = f"529 with retry-after: {reply.json()['error']['message']}"
                hog.close()
        finally:
            hog.close()
