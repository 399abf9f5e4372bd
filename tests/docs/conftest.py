"""The reader that all commands are typed by."""

import ctypes
import fcntl
import os
import socket
import struct

import pytest

from reader import Reader

CLONE_NEWNET = 0x40000000
SIOCSIFFLAGS, IFF_UP = 0x8914, 1


@pytest.fixture(scope="session", autouse=True)
def network_of_our_own():
    """The documentation's servers have fixed ports, which other programs of this machine may have. A network
    with loopback alone, where we may make one, has them free; and nothing is asked of the outside."""
    if os.geteuid() != 0 or ctypes.CDLL(None, use_errno=True).unshare(CLONE_NEWNET) != 0:
        return
    with socket.socket() as any_socket:
        fcntl.ioctl(any_socket, SIOCSIFFLAGS, struct.pack("16sh14x", b"lo", IFF_UP))


@pytest.fixture(scope="session")
def reader(program, demo_models, tmp_path_factory, network_of_our_own):
    reader = Reader(program, demo_models, tmp_path_factory.mktemp("docs"))
    yield reader
    reader.close()
