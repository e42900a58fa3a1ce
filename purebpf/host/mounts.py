"""Where the kernel's own file systems are mounted: tracefs, debugfs, bpffs, securityfs.

Minimal systems and containers mount none of them. Nothing here mounts one: that is the administrator's to do, and
the error says with which command.
"""

from __future__ import annotations

import errno
import os

from purebpf.errors import KernelError, NotPermitted, NotSupported
from purebpf.frozen import Frozen


class Mount(Frozen):
    """One mounted file system."""

    path: str
    kind: str


def parse_mounts(text: str) -> tuple[Mount, ...]:
    """The file systems of a text like /proc/self/mounts, in mount order; lines of another form are passed over."""
    mounts = []
    for line in text.splitlines():
        fields = line.split(" ")
        if len(fields) >= 3:
            mounts.append(Mount(_unescaped(fields[1]), fields[2]))
    return tuple(mounts)


def _unescaped(path: str) -> str:
    """Blanks and backslashes stand there as three octal digits each."""
    if "\\" not in path:
        return path
    import re

    return re.sub(r"\\([0-3][0-7]{2})", lambda match: chr(int(match[1], 8)), path)


def read_mounts() -> tuple[Mount, ...]:
    """The file systems this process sees; none where /proc is missing."""
    try:
        with open("/proc/self/mounts", encoding="utf-8", errors="surrogateescape") as file:
            return parse_mounts(file.read())
    except OSError:
        return ()


def find_mount(kind: str, mounts: tuple[Mount, ...] | None = None) -> str | None:
    """Path of the first file system of type `kind` ('tracefs', 'bpf', 'securityfs'), or None."""
    for mount in read_mounts() if mounts is None else mounts:
        if mount.kind == kind:
            return mount.path
    return None


def find_tracefs(mounts: tuple[Mount, ...] | None = None) -> str | None:
    """Path of tracefs: its own mount, or the one that debugfs makes of itself under `tracing`, or None."""
    mounts = read_mounts() if mounts is None else mounts
    own = find_mount("tracefs", mounts)
    if own is not None:
        return own
    debugfs = find_mount("debugfs", mounts)
    return None if debugfs is None else f"{debugfs}/tracing"


def require_tracefs() -> str:
    """Path of tracefs; the error says how to mount it, or which option the kernel was built without."""
    path = find_tracefs()
    if path is None:
        if not _kernel_knows("tracefs"):
            raise NotSupported("tracefs", config="CONFIG_TRACING")
        raise KernelError(
            "find the kernel's trace events",
            "",
            errno.ENOENT,
            reason="tracefs is not mounted",
            remedy="as root: mount -t tracefs none /sys/kernel/tracing",
        )
    try:
        os.stat(f"{path}/events")
    except OSError as error:
        refused = NotPermitted if isinstance(error, PermissionError) else KernelError
        raise refused(
            "read the kernel's trace events",
            path,
            error.errno or 0,
            remedy="only root may read tracefs, unless it is mounted for a group: mount -o remount,gid=... " + path,
        ) from error
    return path


def _kernel_knows(kind: str) -> bool:
    try:
        with open("/proc/filesystems", encoding="utf-8", errors="replace") as file:
            return any(line.split()[-1:] == [kind] for line in file)
    except OSError:
        return True
