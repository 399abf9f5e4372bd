"""Two network namespaces and a wire between them that a test can cut, slow down and make lossy: what no socket
of one machine shows, a peer that is gone without a word.

Each end is a TUN device; a thread carries the packets from one to the other. So it needs no netem, no packet
filter and no program, only Linux, root and /dev/net/tun. Threads and processes that a thread at an end starts
are at that end."""

import contextlib
import ctypes
import fcntl
import heapq
import os
import random
import select
import socket
import struct
import threading
import time

NEAR, FAR = "10.77.0.1", "10.77.0.2"
CLONE_NEWNET = 0x40000000
TUNSETIFF, IFF_TUN, IFF_NO_PI = 0x400454CA, 0x0001, 0x1000
SIOCGIFFLAGS, SIOCSIFFLAGS, SIOCSIFADDR, SIOCSIFDSTADDR, SIOCSIFNETMASK = 0x8913, 0x8914, 0x8916, 0x8918, 0x891C
IFF_UP = 0x1
LARGEST = 65536  # bytes of a packet
LIBC = ctypes.CDLL(None, use_errno=True)


def checked(result):
    if result < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))


def whats_missing():
    """Why this machine cannot have a wire; empty where it can."""
    before = os.open("/proc/thread-self/ns/net", os.O_RDONLY)
    try:
        checked(LIBC.unshare(CLONE_NEWNET))
        checked(LIBC.setns(before, CLONE_NEWNET))
        os.close(os.open("/dev/net/tun", os.O_RDWR))
    except OSError as error:
        return f"no network namespace or no TUN device: {error}"
    finally:
        os.close(before)
    return ""


def set_up(name, address=None, peer=None):
    """An interface of this thread's namespace."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as handle:
        def set_address(request, value):
            packed = struct.pack("16sH2s4s8x", name, socket.AF_INET, b"", socket.inet_aton(value))
            fcntl.ioctl(handle, request, packed)

        if address:
            set_address(SIOCSIFADDR, address)
            set_address(SIOCSIFDSTADDR, peer)
            set_address(SIOCSIFNETMASK, "255.255.255.255")
        flags = struct.unpack_from("16sH", fcntl.ioctl(handle, SIOCGIFFLAGS, struct.pack("16sH14x", name, 0)))[1]
        fcntl.ioctl(handle, SIOCSIFFLAGS, struct.pack("16sH14x", name, flags | IFF_UP))


class End:
    """A namespace with loopback and one end of the wire."""

    def __init__(self, address, peer):
        self.address = address
        before = os.open("/proc/thread-self/ns/net", os.O_RDONLY)
        try:
            checked(LIBC.unshare(CLONE_NEWNET))
            self._namespace = os.open("/proc/thread-self/ns/net", os.O_RDONLY)
            self.device = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
            fcntl.ioctl(self.device, TUNSETIFF, struct.pack("16sH22x", b"wire", IFF_TUN | IFF_NO_PI))
            set_up(b"lo")
            set_up(b"wire", address, peer)
        finally:
            checked(LIBC.setns(before, CLONE_NEWNET))
            os.close(before)

    @contextlib.contextmanager
    def inside(self):
        """This thread, and what it starts, is at this end."""
        before = os.open("/proc/thread-self/ns/net", os.O_RDONLY)
        try:
            checked(LIBC.setns(self._namespace, CLONE_NEWNET))
            yield
        finally:
            checked(LIBC.setns(before, CLONE_NEWNET))
            os.close(before)

    def close(self):
        os.close(self.device)
        os.close(self._namespace)


class Wire:
    """Carries packets between `near` and `far`."""

    def __init__(self):
        self.near, self.far = End(NEAR, FAR), End(FAR, NEAR)
        self._draw = random.Random(1)
        self._waiting = []  # (when, number, device, packet)
        self._over = False
        self.mend()
        self._thread = threading.Thread(target=self._carry, daemon=True)
        self._thread.start()

    def mend(self):
        """Everything arrives at once."""
        self.set()

    def cut(self):
        """Nothing arrives, and nobody is told."""
        self.set(loss=1)

    def set(self, loss=0.0, delay=0.0):
        """The share of packets that are lost, and seconds on the way, in either direction."""
        self._loss, self._delay = loss, delay
        self.lost = 0

    def close(self):
        self._over = True
        self._thread.join()
        self.near.close()
        self.far.close()

    def _carry(self):
        across = {self.near.device: self.far.device, self.far.device: self.near.device}
        number = 0
        while not self._over:
            wait = 0.05 if not self._waiting else max(0, min(0.05, self._waiting[0][0] - time.monotonic()))
            for device in select.select(list(across), [], [], wait)[0]:
                packet = os.read(device, LARGEST)
                if self._draw.random() < self._loss:
                    self.lost += 1
                    continue
                number += 1
                heapq.heappush(self._waiting, (time.monotonic() + self._delay, number, across[device], packet))
            while self._waiting and self._waiting[0][0] <= time.monotonic():
                _, _, device, packet = heapq.heappop(self._waiting)
                with contextlib.suppress(OSError):  # IPv6's own packets, and a queue that is full
                    os.write(device, packet)
