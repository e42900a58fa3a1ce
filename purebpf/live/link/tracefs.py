"""Probes made by writing text to tracefs: the way of kernels before 4.17, which have no kprobe and uprobe PMU.

The one thing in purebpf that can outlive the process: the probe is a name in a table of the whole system, taken out
when the link is closed. After SIGKILL the name stays behind, without a program and switched off. Names hold the
process's id and a number, so they never meet, and a leftover can be told by its process being gone:

    echo '-:purebpf/kprobe_4711_0' >> /sys/kernel/tracing/kprobe_events
"""

import errno
import itertools
import os
from typing import Literal

from purebpf.errors import NotSupported
from purebpf.frozen import Frozen
from purebpf.host.mounts import require_tracefs

_GROUP = "purebpf"
_numbers = itertools.count()

Kind = Literal["kprobe", "uprobe"]


class TextProbe(Frozen):
    """A probe in tracefs. `id` is its tracepoint's number; `remove()` takes it out, once the event is closed."""

    id: int
    name: str
    table: str

    def remove(self) -> None:
        """Take it out of the table; nothing happens if it is gone already."""
        try:
            _append(self.table, f"-:{_GROUP}/{self.name}")
        except OSError as error:
            if error.errno != errno.ENOENT:
                raise


def add_probe(kind: Kind, place: str, *, returns: bool) -> TextProbe:
    """Put a probe at `place`, as the table wants it written ('vfs_read+0x10', '/bin/x:0x1234').

    A refusal is a bare `OSError`; a kernel without such probes is `NotSupported`, a missing tracefs an error that
    tells how to mount it.
    """
    tracefs = require_tracefs()
    table = f"{tracefs}/{kind}_events"
    if not os.path.exists(table):
        raise NotSupported(f"{kind}s", config=f"CONFIG_{kind.upper()}_EVENTS")
    name = f"{kind}_{os.getpid()}_{next(_numbers)}"
    _append(table, f"{'r' if returns else 'p'}:{_GROUP}/{name} {place}")
    probe = TextProbe(0, name, table)
    try:
        with open(f"{tracefs}/events/{_GROUP}/{name}/id", encoding="ascii") as file:
            return TextProbe(int(file.read()), name, table)
    except BaseException:
        probe.remove()
        raise


def _append(table: str, line: str) -> None:
    # One write(2): the kernel takes each write as a whole command.
    fd = os.open(table, os.O_WRONLY | os.O_APPEND | os.O_CLOEXEC)
    try:
        os.write(fd, os.fsencode(line) + b"\n")
    finally:
        os.close(fd)
