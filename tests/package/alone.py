"""alone.py ROOT PACKAGES COMMAND...: runs a command in another root. In new namespaces already
(unshare --net --mount --pid --fork): brings loopback up, mounts what is needed, and lets go of
everything else."""

import fcntl
import os
import socket
import struct
import subprocess
import sys

SIOCGIFFLAGS, SIOCSIFFLAGS, IFF_UP = 0x8913, 0x8914, 1

root, packages, *command = sys.argv[1:]
with socket.socket() as any_socket:
    request = fcntl.ioctl(any_socket, SIOCGIFFLAGS, struct.pack("16sh14x", b"lo", 0))
    flags = struct.unpack("16sh14x", request)[1]
    fcntl.ioctl(any_socket, SIOCSIFFLAGS, struct.pack("16sh14x", b"lo", flags | IFF_UP))
for mount in (["--make-rprivate", "/"], ["-t", "proc", "proc", root + "/proc"],
              ["-t", "tmpfs", "tmpfs", root + "/opt"], ["--bind", packages, root + "/mnt"],
              ["-o", "remount,bind,ro", root + "/mnt"]):
    subprocess.run(["/usr/bin/mount", *mount], check=True)
os.chroot(root)
os.chdir("/")
os.execvp(command[0], command)
