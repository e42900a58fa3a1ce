"""What programs print with bpf_printk(), line by line.

Rules: the kernel has one trace pipe; who reads a line takes it away from other readers, and lines of other
programs on the machine come along. `pid` keeps the lines of one thread.
"""

import os
import select
import time
from collections.abc import Iterator
from contextlib import suppress

from purebpf.frozen import Frozen
from purebpf.host import kernel_error
from purebpf.host.mounts import require_tracefs

_CHUNK = 65_536


class TraceLine(Frozen):
    """One line of the trace pipe; `text` is what the program printed, `line` the whole of it."""

    task: str
    pid: int
    cpu: int
    timestamp: float
    text: str
    line: str


def trace_pipe(*, pid: int | None = None, timeout: float | None = None) -> Iterator[TraceLine]:
    """Lines as they come, for ever or until none came for `timeout` seconds.

    Needs tracefs and root. A line of a foreign form is given with its text only.
    """
    path = os.path.join(require_tracefs(), "trace_pipe")
    try:
        fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        raise kernel_error("open", path, error) from error
    try:
        yield from _lines(fd, pid, timeout)
    finally:
        os.close(fd)


def _lines(fd: int, pid: int | None, timeout: float | None) -> Iterator[TraceLine]:
    poll = select.poll()
    poll.register(fd, select.POLLIN)
    rest = b""
    deadline = None if timeout is None else time.monotonic() + timeout
    while True:
        left = None if deadline is None else max(0, deadline - time.monotonic())
        if not poll.poll(None if left is None else left * 1000) and left is not None:
            return
        with suppress(BlockingIOError):
            rest += os.read(fd, _CHUNK)
        *whole, rest = rest.split(b"\n")
        found = [line for line in map(parse_trace_line, whole) if pid is None or line.pid == pid]
        yield from found
        if found and timeout is not None:
            deadline = time.monotonic() + timeout
        elif left == 0:
            # Lines of others, however many, put nothing off.
            return


def parse_trace_line(raw: bytes) -> TraceLine:
    """`            task-PID     [CPU] flags SECONDS: function: text` in its parts."""
    line = raw.decode(errors="replace")
    head, bracket, tail = line.partition(" [")
    task, dash, pid = head.strip().rpartition("-")
    # With a thread group column there is "(  TGID)" between the pid and the CPU.
    if "(" in pid or not pid.strip().isdigit():
        task, dash, pid = head.partition("(")[0].strip().rpartition("-")
    cpu, _, after = tail.partition("]")
    timestamp, colon, message = after.partition(": ")
    function, colon2, text = message.partition(": ")
    try:
        seconds = float(timestamp.split()[-1])
        number, processor = int(pid), int(cpu)
    except (ValueError, IndexError):
        return TraceLine("", 0, 0, 0.0, line, line)
    if not (bracket and dash and colon):
        return TraceLine("", 0, 0, 0.0, line, line)
    return TraceLine(task, number, processor, seconds, text if colon2 else function, line)
