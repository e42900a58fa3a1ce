"""Sampling: a program run each time a perf event counts so far (the clock of a CPU, a hardware counter)."""

import os

from purebpf import uapi
from purebpf.frozen import Frozen
from purebpf.live.link.base import AttachableProgram, Link, refused
from purebpf.live.link.events import attach_event
from purebpf.syscall import perf
from purebpf.uapi import ProgramType

_HOOK = "perf event"


class PerfEvent(Frozen):
    """An event to be opened: by default the CPU's clock, on one CPU (`cpu`) or in one process (`pid`), not in all.

    Either `frequency`, samples a second, or `period`, counts between samples.
    """

    frequency: int = 0
    period: int = 0
    cpu: int = -1
    pid: int = -1
    type: int = uapi.PERF_TYPE_SOFTWARE
    config: int = uapi.PERF_COUNT_SW_CPU_CLOCK

    def __post_init__(self) -> None:
        if bool(self.frequency) == bool(self.period):
            raise ValueError("give either a frequency or a period")
        if self.cpu < 0 and self.pid < 0:
            raise ValueError("give a cpu or a pid: one event cannot watch every process on every CPU")


def attach_perf_event(program: AttachableProgram, event: int | PerfEvent, *, cookie: int = 0) -> Link:
    """Run `program` at each sample of `event`, a perf event's fd or the description of one to open.

    An fd stays the caller's: the link holds a duplicate. Where the kernel has no links for events (before 5.15)
    the program then stays on until the caller closes his fd too.
    """
    if isinstance(event, PerfEvent):
        place = f"{event.type}:{event.config:#x}"
        try:
            fd = _open(event)
        except OSError as error:
            raise refused(program, _HOOK, place, error, program_type=ProgramType.PERF_EVENT) from error
    else:
        place = f"fd {event}"
        fd = os.dup(event)
    return attach_event(program, fd, _HOOK, place, program_type=ProgramType.PERF_EVENT, cookie=cookie)


def _open(event: PerfEvent) -> int:
    return perf.open_event(
        type=event.type,
        config=event.config,
        pid=event.pid,
        cpu=event.cpu,
        sample_period=event.frequency or event.period,
        attr_flags=uapi.PERF_ATTR_FREQ if event.frequency else 0,
    )
