"""A control group with a limit of its memory, of version 1 or 2, for processes that a test moves into it."""

import contextlib
import os
import pathlib
import subprocess
import sys

GROUPS = pathlib.Path("/sys/fs/cgroup")


def own_group():
    """The folder of this process's memory group, and its version; none where there is no such controller."""
    for line in pathlib.Path("/proc/self/cgroup").read_text().splitlines():
        _, controllers, path = line.split(":", 2)
        if "memory" in controllers.split(","):
            return GROUPS / "memory" / path.lstrip("/"), 1
    for root in (GROUPS, GROUPS / "unified"):
        controllers = root / "cgroup.controllers"
        if controllers.exists() and "memory" in controllers.read_text().split():
            return root, 2  # a group beside all others: one with processes in it may have none below it
    return None, 0


# Takes as many MiB as a line says, and says so.
HOG = """
import sys
taken = []
for line in sys.stdin:
    taken.append(b"x" * (int(line) << 20))
    print(flush=True)
"""


class Hog:
    """A process in a group that takes memory."""

    def __init__(self, group):
        self._process = subprocess.Popen([sys.executable, "-c", HOG], text=True, stdin=subprocess.PIPE,
                                         stdout=subprocess.PIPE)
        group.take(self._process.pid)

    def want(self, mib):
        self._process.stdin.write(f"{mib}\n")
        self._process.stdin.flush()

    def take(self, mib):
        """Returns when it has it."""
        self.want(mib)
        self._process.stdout.readline()

    def close(self):
        with self._process:
            self._process.kill()


class MemoryGroup:
    def __init__(self, name):
        above, self.version = own_group()
        if not self.version:
            raise OSError("no memory controller")
        self.folder = above / f"{name}-{os.getpid()}"
        if self.version == 2:
            (above / "cgroup.subtree_control").write_text("+memory")
        self.folder.mkdir()

    def limit(self, mib):
        file = "memory.max" if self.version == 2 else "memory.limit_in_bytes"
        (self.folder / file).write_text(str(mib << 20))

    def take(self, pid):
        (self.folder / "cgroup.procs").write_text(str(pid))

    def processes(self):
        return (self.folder / "cgroup.procs").read_text()

    def used_mib(self):
        file = "memory.current" if self.version == 2 else "memory.usage_in_bytes"
        return int((self.folder / file).read_text()) >> 20

    def kills(self):
        """How often the kernel has killed something in it."""
        file = "memory.events" if self.version == 2 else "memory.oom_control"
        lines = (self.folder / file).read_text().split("\n")
        return next(int(line.split()[1]) for line in lines if line.startswith("oom_kill "))

    def wrap(self, program, path):
        """A program at `path` that is `program`, in this group from its first byte."""
        path.write_text(f"#!/bin/sh\necho $$ > {self.folder}/cgroup.procs\nexec {program} \"$@\"\n")
        path.chmod(0o755)
        return path

    def close(self):
        """Its processes must have ended."""
        with contextlib.suppress(OSError):
            self.folder.rmdir()


def whats_missing():
    """Why this machine cannot have one; empty where it can."""
    try:
        group = MemoryGroup("anyclaude-probe")
        try:
            group.limit(64)
        finally:
            group.close()
    except OSError as error:
        return f"no control group with a limit of memory: {error}"
    return ""
