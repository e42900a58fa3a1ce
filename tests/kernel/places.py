"""Places made for one test: network namespaces with a veth pair, mounts, the cgroup2 tree.

Python 3.11 has no `os.unshare` and `os.setns`; the C library's are called through ctypes.
"""

import ctypes
import os
import shutil
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Self

_CLONE_NEWNET = 0x40000000
_libc = ctypes.CDLL(None, use_errno=True)

# one name for each end; the namespaces keep them apart from the machine's own devices
DEVICE = "veth0"
PEER_DEVICE = "veth1"
ADDRESS = "10.77.0.1"
PEER_ADDRESS = "10.77.0.2"


@dataclass(slots=True)
class NetworkNamespace:
    """Two namespaces joined by a veth pair; the calling thread is in the first.

    `device` (10.77.0.1) is here, its other end (10.77.0.2) in the peer namespace: packets sent inside
    `with namespace.peer():` arrive at `device` as they would from another host.
    """

    device: str
    index: int
    address: str
    peer_address: str
    _home: int
    _own: int
    _peer: int

    @classmethod
    def enter(cls) -> Self:
        """Make both namespaces and put the calling thread into the first."""
        home = _current()
        peer = _fresh()
        _ip("link", "set", "lo", "up")
        own = _fresh()
        _ip("link", "set", "lo", "up")
        try:
            _ip("link", "add", DEVICE, "type", "veth", "peer", "name", PEER_DEVICE)
            _ip("link", "set", PEER_DEVICE, "netns", f"/proc/{os.getpid()}/fd/{peer}")
            _ip("address", "add", f"{ADDRESS}/24", "dev", DEVICE)
            _ip("link", "set", DEVICE, "up")
            namespace = cls(DEVICE, socket.if_nametoindex(DEVICE), ADDRESS, PEER_ADDRESS, home, own, peer)
            with namespace.peer():
                _ip("address", "add", f"{PEER_ADDRESS}/24", "dev", PEER_DEVICE)
                _ip("link", "set", PEER_DEVICE, "up")
        except BaseException:
            _join(home)
            for fd in (home, own, peer):
                os.close(fd)
            raise
        return namespace

    @contextmanager
    def peer(self) -> Iterator[None]:
        """Inside, the calling thread is in the peer namespace."""
        _join(self._peer)
        try:
            yield
        finally:
            _join(self._own)

    def leave(self) -> None:
        """Go back; the kernel takes namespaces and devices away once nothing holds them."""
        _join(self._home)
        for fd in (self._own, self._peer, self._home):
            os.close(fd)


def mounted(kind: str, place: Path) -> Path:
    """Give the mount point of a file system, mounting it at `place` if it is nowhere."""
    for line in Path("/proc/self/mounts").read_text().splitlines():
        _, target, found, *_ = line.split()
        if found == kind:
            return Path(target)
    subprocess.run(["mount", "-t", kind, "none", str(place)], check=True)
    return place


def cgroup2_root() -> Path:
    """Give the root of the cgroup2 tree; on machines of the old layout it is not /sys/fs/cgroup itself."""
    return mounted("cgroup2", Path("/sys/fs/cgroup"))


def _current() -> int:
    return os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)


def _fresh() -> int:
    if _libc.unshare(_CLONE_NEWNET):
        raise OSError(ctypes.get_errno(), "unshare(CLONE_NEWNET)")
    return _current()


def _join(fd: int) -> None:
    if _libc.setns(fd, _CLONE_NEWNET):
        raise OSError(ctypes.get_errno(), "setns")


def _ip(*words: str) -> None:
    program = shutil.which("ip", path="/usr/sbin:/usr/bin:/sbin:/bin")
    assert program is not None, "ip is missing: apt-get install iproute2"
    done = subprocess.run([program, *words], capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"ip {' '.join(words)}: {done.stderr.strip()}")
