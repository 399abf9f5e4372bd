"""The store's disk fails, fills up and lies, and the clock jumps: answers stay right, and what was wrong is
said once."""

import errno
import json
import os
import subprocess

import pytest
from harness import Harness, Shim
from talks import QUESTIONS, TALKS, talk

from daemon import Daemon, wait_for

OPTIONS = ["--ctx", 16384, "--threads", 1]
COMPUTING_SECONDS = 15  # to recover, where everybody's prompt is computed again, beside other tests


class Disk:
    """A daemon behind a shim, and its store."""

    def __init__(self, program, model, ledger, library, folder):
        self._program, self._model, self._ledger = program, model, ledger
        self.home = folder / "home"
        self.home.mkdir()
        self.shim = Shim(library, folder, self.home / "cache")
        self._start()
        self.harness = Harness(self.daemon, QUESTIONS, ledger)

    def _start(self):
        self.daemon = Daemon(self._program, self.home, self._model, OPTIONS,
                             environment=self.shim.environment)

    def blocks(self):
        return sorted((self.home / "cache/prefixes").glob("*/*/*.kv"))

    def fresh(self, number):
        """Asks something that nothing is stored of."""
        reply = self.daemon.ask(json.loads(talk(100 + number)))
        assert reply.status == 200, reply.body

    def wait_until_written(self):
        wait_for(lambda: self.daemon.metrics()["anyclaude_kv_unwritten_bytes"] == 0, "all is written")

    def restart(self, before_it_starts):
        """What was kept in memory is gone: answers come from the disk, or are computed."""
        self.wait_until_written()
        self.daemon.stop()
        before_it_starts()
        self._start()
        self.harness.daemon = self.daemon
        self.daemon.wait_until_ready()

    def said(self, mark, words):
        """The log's line with these words."""
        def line():
            return next((line for line in self.harness.log_since(mark).splitlines() if words in line), None)
        found = wait_for(line, f"the log says: {words}")
        return found.split(": ", 1)[1].replace(str(self.home), "~")[:150]


@pytest.fixture(scope="module")
def one_disk(program, model, ledger, shim_library, tmp_path_factory):
    disk = Disk(program, model, ledger, shim_library, tmp_path_factory.mktemp("disk"))
    yield disk
    disk.daemon.stop()


@pytest.fixture
def disk(one_disk):
    """Well again behind each test."""
    yield one_disk
    one_disk.shim.set()


@pytest.mark.parametrize("number, name", [(errno.ENOSPC, "the disk is full (ENOSPC)"),
                                          (errno.EIO, "every write fails (EIO)"),
                                          (errno.EROFS, "the cache becomes read-only (EROFS)")])
def test_writes_that_fail(disk, number, name):
    mark = disk.harness.mark()
    disk.wait_until_written()
    with disk.harness.fault(name) as fault:
        disk.shim.set(writes=number)
        disk.fresh(number)
        fault.told = disk.said(mark, os.strerror(number))
        before = disk.blocks()
        disk.shim.set()

        def stored_again():
            disk.fresh(1000 + number)
            return len(disk.blocks()) > len(before)

        if number == errno.ENOSPC:  # it looks again every 15 s
            wait_for(stored_again, "blocks are stored again", 40)
    assert disk.harness.log_since(mark).count("cannot store prefixes") == 1, "said, and not again and again"
    if number != errno.ENOSPC:
        disk.restart(disk.shim.set)


def test_a_cache_that_is_read_only_from_the_start(disk):
    mark = disk.harness.mark()
    with disk.harness.fault("a start with a read-only cache") as fault:
        disk.restart(lambda: disk.shim.set(writes=errno.EROFS))
        disk.fresh(1)
        fault.told = disk.said(mark, os.strerror(errno.EROFS))
    disk.restart(disk.shim.set)
    disk.harness.assert_nothing_left()


def test_reads_that_fail(disk):
    mark = disk.harness.mark()
    before = disk.blocks()
    with disk.harness.fault("every read of the cache fails (EIO)", COMPUTING_SECONDS) as fault:
        disk.restart(lambda: disk.shim.set(reads=errno.EIO))
        fault.told = disk.said(mark, "cannot be read")
    assert set(before) <= set(disk.blocks()), "a disk that is ill takes nothing with it"
    disk.restart(disk.shim.set)
    disk.harness.assert_nothing_left()


def flip(path):
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


DAMAGE = [("a bit of every block is flipped", flip),
          ("every block is cut in half", lambda path: os.truncate(path, path.stat().st_size // 2)),
          ("every block is empty", lambda path: os.truncate(path, 0)),
          ("every block has another's content", None)]


@pytest.mark.parametrize("name, damage", DAMAGE)
def test_blocks_that_are_damaged(disk, name, damage):
    mark = disk.harness.mark()
    for number in range(TALKS):
        disk.daemon.ask(json.loads(QUESTIONS[number]))
    wait_for(lambda: len(disk.blocks()) >= 3, "blocks to damage")

    def harm():
        blocks = disk.blocks()
        if damage:
            for path in blocks:
                damage(path)
        else:
            contents = [path.read_bytes() for path in blocks]
            for path, content in zip(blocks, contents[1:] + contents[:1], strict=True):
                path.write_bytes(content)

    with disk.harness.fault(name, COMPUTING_SECONDS) as fault:
        disk.restart(harm)
        fault.told = disk.said(mark, "is computed again")


def test_files_that_do_not_belong_there(disk):
    with disk.harness.fault("rubbish lies in the cache, and its index is rubbish too") as fault:
        def litter():
            folder = disk.blocks()[0].parent
            for number in range(50):
                (folder / f"{number:064x}.kv").write_bytes(os.urandom(3000))
            (folder / "x.partial").write_bytes(b"x")
            for kind in ("*.db", "*.sqlite"):
                for database in (disk.home / "cache").rglob(kind):
                    database.write_bytes(os.urandom(4096))
        mark = disk.harness.mark()
        disk.restart(litter)
        fault.told = disk.said(mark, "are damaged")


@pytest.mark.parametrize("seconds, name", [(86_400 * 400, "the clock jumps 400 days ahead"),
                                           (-86_400 * 400, "the clock jumps 400 days back")])
def test_the_clock_jumps(disk, seconds, name):
    with disk.harness.fault(name) as fault:
        disk.shim.set(clock=seconds)
        disk.fresh(seconds)
        disk.shim.set()
        fault.told = "nothing: no wait and no time-out looks at the wall clock"


def test_a_second_daemon_on_the_same_folder(disk, program):
    with disk.harness.fault("a second daemon on the same folder") as fault:
        done = subprocess.run([program, "serve", "--port", "0"], capture_output=True, text=True,
                              check=False, timeout=30,
                              env={**os.environ, "ANYCLAUDE_HOME": str(disk.home)})
        assert done.returncode != 0
        fault.told = done.stderr.strip().splitlines()[-1][:150]
