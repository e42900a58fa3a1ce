"""Iterators: programs that walk over things of the kernel (tasks, maps, sockets, ...) and write text or records.

The link names the walk; each opening of it is one walk, and reading it runs the program for the next things. A walk
that many read at once is many walks.
"""

import errno
import os
import struct
from collections.abc import Iterator
from typing import TYPE_CHECKING, BinaryIO

from purebpf.host import kernel_error
from purebpf.live.link.base import Link, refused
from purebpf.live.link.trace import TracingProgram
from purebpf.syscall import links
from purebpf.syscall.fd import Fd
from purebpf.uapi import AttachType

if TYPE_CHECKING:
    from purebpf.units import HasFd

_REASONS = {
    errno.EBADF: "the map, task or cgroup given is not (or no longer) there",
    errno.EINVAL: "the iterator needs something to walk over, or does not take what was given",
}
_REMEDY = "give map= to iterators over the elements of one, task= or cgroup= where the iterator takes them"
# bpf_cgroup_iter_order.
_ORDERS = {"self": 1, "down": 2, "down_post": 3, "up": 4}


class IterLink(Link):
    """The link of an iterator; iterating over it gives the lines of one walk."""

    def open(self) -> BinaryIO:
        """Begin a walk: a binary file to read from, closed by the caller."""
        try:
            fd = links.iter_create(self.fd)
        except OSError as error:
            raise kernel_error("begin a walk of", self.what, error) from error
        return os.fdopen(fd, "rb")

    def read(self) -> bytes:
        """Everything that one walk writes."""
        with self.open() as walk:
            return walk.read()

    def __iter__(self) -> Iterator[str]:
        """The lines that one walk writes, without their ends."""
        with self.open() as walk:
            for line in walk:
                yield line.decode(errors="replace").rstrip("\n")


def attach_iter(
    program: TracingProgram,
    *,
    map: "HasFd | int | None" = None,  # noqa: A002 (the kernel's word)
    task: int | None = None,
    process: int | None = None,
    cgroup: "HasFd | int | str | None" = None,
    order: str = "down",
) -> IterLink:
    """A link of iterator `program`, to be read.

    What it walks over, where it takes such a thing: the elements of `map` (5.9), one `task` (a thread's id) or all of a
    `process` (6.1), the tree of `cgroup` (6.1; a path or an fd) in `order`: 'self', 'down', 'down_post' or 'up'.
    """
    choices = {"map": map, "task": task, "process": process, "cgroup": cgroup}
    given = [name for name, value in choices.items() if value is not None]
    if len(given) > 1:
        raise TypeError(f"an iterator walks over one thing, not {' and '.join(given)}")
    if order not in _ORDERS:
        raise ValueError(f"order is one of {', '.join(_ORDERS)}, not {order!r}")
    own: int | None = None
    try:
        if isinstance(cgroup, str):
            cgroup = own = os.open(cgroup, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        target = _target(map, task, process, cgroup, order)
        fd = links.link_create_iter(prog_fd=program.fd, attach_type=AttachType.TRACE_ITER, target=target)
    except OSError as error:
        raise refused(
            program, "its iterator", "", error, program_type=program.type, reasons=_REASONS, remedy=_REMEDY
        ) from error
    finally:
        if own is not None:
            os.close(own)
    what = f"program '{program.name}' on its iterator"
    return IterLink(Fd(fd, f"the link of {what}"), what)


def _target(
    over: "HasFd | int | None",
    task: int | None,
    process: int | None,
    cgroup: "HasFd | int | None",
    order: str,
) -> bytes:
    """A union bpf_iter_link_info; empty for an iterator that needs to be told nothing."""
    if over is not None:
        return struct.pack("=I", _number(over))
    if cgroup is not None:
        return struct.pack("=IIQ", _ORDERS[order], _number(cgroup), 0)
    if task is not None or process is not None:
        return struct.pack("=III", task or 0, process or 0, 0)
    return b""


def _number(thing: "HasFd | int") -> int:
    return thing if isinstance(thing, int) else thing.fileno()
