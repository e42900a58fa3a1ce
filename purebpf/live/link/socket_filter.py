"""Socket filters: a program that says of each packet how much of it the socket gets."""

import os
import socket

from purebpf.live.link.base import AttachableProgram, Link, LinkInfo, on, refused
from purebpf.syscall import objects
from purebpf.syscall.fd import Fd
from purebpf.uapi import ProgramType

_HOOK = "socket"
_SO_ATTACH_BPF = 50
_SO_DETACH_FILTER = 27
"""Of asm-generic/socket.h; Python's socket module has neither."""


class SocketLink(Link):
    """A program on a socket. The kernel has no link for it: `fd` is a duplicate of the socket's.

    The filter goes when the link is closed, and with the last fd of the socket. As long as the link is open, so is
    the socket: a peer notices its end only when both are closed.
    """

    def __init__(self, target: Fd, prog_id: int, what: str) -> None:
        super().__init__(target, what)
        self._prog_id = prog_id

    def info(self) -> LinkInfo:
        """The program's id; there is no kernel object to ask."""
        _ = self.fd
        return LinkInfo(None, 0, self._prog_id)

    def detach(self) -> None:
        """As `close()`."""
        self.close()

    def _release(self) -> None:
        with socket.socket(fileno=self._fd.detach()) as target:
            try:
                target.setsockopt(socket.SOL_SOCKET, _SO_DETACH_FILTER, 0)
            except FileNotFoundError:
                # Someone took it off already, or put a classic filter in its place and took that off.
                return


def attach_socket(program: AttachableProgram, target: socket.socket | int) -> SocketLink:
    """Let `program` decide what `target`, a socket or its fd, receives: the packet's length to keep, 0 to drop it.

    It takes the place of a filter that was there before, which does not come back.
    """
    if not hasattr(target, "fileno") and not isinstance(target, int):
        raise TypeError(f"expected a socket or its fd, got {type(target).__name__} {target!r}")
    number = target if isinstance(target, int) else target.fileno()
    what = on(program, _HOOK, f"fd {number}")
    held = Fd(os.dup(number), f"the socket under {what}")
    borrowed = socket.socket(fileno=held.number)
    try:
        borrowed.setsockopt(socket.SOL_SOCKET, _SO_ATTACH_BPF, program.fd)
    except OSError as error:
        held.close()
        place = f"fd {number}"
        raise refused(program, _HOOK, place, error, program_type=ProgramType.SOCKET_FILTER) from error
    finally:
        borrowed.detach()
    return SocketLink(held, objects.prog_info(program.fd).id, what)
