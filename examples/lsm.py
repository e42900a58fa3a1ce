"""Refuse something to one process: this one gets no IPv6 sockets for as long as a program sits on a security hook.

SEC("lsm/socket_create") runs before the kernel makes a socket, and its answer counts. A second program, which may
sleep, counts the files that are opened. Both look at this process alone. Run as root, on a kernel that is not locked
down and has 'bpf' in its list of security modules (/sys/kernel/security/lsm):

    python examples/lsm.py
"""

import os
import socket
import sys
from pathlib import Path

import purebpf

OBJECT = Path(__file__).resolve().parents[1] / "bpf" / "built" / "lsm.bpf.o"


def try_socket(family: socket.AddressFamily) -> str:
    """Make a socket, and say how that went."""
    try:
        socket.socket(family).close()
    except PermissionError as error:
        return f"refused ({error.strerror})"
    return "made"


def main() -> int:
    """Try a socket of either family, with the hook and without it."""
    values = {"my_tgid": os.getpid(), "family_to_refuse": int(socket.AF_INET6)}
    with purebpf.attached(OBJECT, values=values) as lsm:
        for family in (socket.AF_INET, socket.AF_INET6):
            print(f"with the hook, {family.name}: {try_socket(family)}")
        Path("/proc/self/comm").read_text()
        print(f"refused: {lsm.object.variables['refused']}, files opened: {lsm.object.variables['opened']}")
    print(f"without it, AF_INET6: {try_socket(socket.AF_INET6)}")
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except (purebpf.NotSupported, purebpf.NotPermitted) as error:
        sys.exit(f"{error}")
