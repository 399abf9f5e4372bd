"""The packages that ./dev package made, and systems to try them on."""

import os
import pathlib
import subprocess
import sys

import pytest

PACKAGES = pathlib.Path(__file__).parent.parent.parent / "build/package"


@pytest.fixture(autouse=True)
def time_limit():
    """Here each program has its own."""


def only(pattern):
    found = list(PACKAGES.glob(pattern))
    assert len(found) == 1, f"{PACKAGES}/{pattern}: {found}; run ./dev package"
    return found[0]


@pytest.fixture(scope="session")
def archive():
    return only("anyclaude-*-linux-*.tar.gz")


@pytest.fixture(scope="session")
def deb():
    return only("anyclaude_*.deb")


@pytest.fixture(scope="session")
def npm_package():
    return only("anyclaude-*.tgz")


class System:
    """A Debian root, entered with no network but loopback, no file system but its own, and an empty
    /opt in memory. The packages are in /mnt."""

    def __init__(self, root):
        self._root = root

    def run(self, script, timeout=300):
        """A script for its sh, as root, with hardly anything in the environment."""
        alone = pathlib.Path(__file__).parent / "alone.py"
        return subprocess.run(
            ["unshare", "--net", "--mount", "--pid", "--fork", "--kill-child", sys.executable, alone,
             self._root, PACKAGES, "/bin/sh", "-ec", script],
            env={"PATH": "/opt/bin:/usr/bin:/bin:/usr/sbin:/sbin", "HOME": "/opt/home"},
            text=True, capture_output=True, timeout=timeout, check=False)


def system(variable):
    root = os.environ.get(variable)
    if not root:
        pytest.skip(f"{variable} names no Debian root")
    return System(root)


@pytest.fixture(scope="session")
def debian12():
    return system("ANYCLAUDE_DEBIAN12")


@pytest.fixture(scope="session")
def sid():
    """With the .deb installed by apt, and what apt found that it needs."""
    return system("ANYCLAUDE_SID")
