"""perf_event_open(2) for what BPF programs are attached to, and the ioctls of such events.

Rules: events are made disabled where they would count before a program is on them, with PERF_FLAG_FD_CLOEXEC, and
belong to the caller as plain fds. `pid` -1 means every process and needs a `cpu`; `cpu` -1 means every CPU and
needs a `pid`. Failure is a bare OSError.
"""

import errno
import os
from fcntl import ioctl
from functools import cache
from struct import Struct

from purebpf import uapi
from purebpf._fastpath import perf_event_open as _open
from purebpf.syscall import attrs

PMUS = "/sys/bus/event_source/devices"

# A kprobe or uprobe PMU keeps the reference counter's offset in the upper half of config.
REF_CTR_SHIFT = 32

# struct perf_event_header (type, misc, size), and what stands behind it in a raw sample and in a lost record.
_RECORD, _RAW_SIZE, _LOST_COUNT = Struct("=I2xH"), Struct("=I"), Struct("=8xQ")
_LOST, _SAMPLE = int(uapi.PERF_RECORD_LOST), int(uapi.PERF_RECORD_SAMPLE)


@cache
def pmu_type(name: str) -> int:
    """The perf type of a PMU such as 'kprobe' (4.17); FileNotFoundError where this kernel has none."""
    with open(f"{PMUS}/{name}/type", encoding="ascii") as file:
        return int(file.read())


@cache
def pmu_return_bit(name: str) -> int:
    """Which bit of config makes the probe of PMU 'kprobe' or 'uprobe' a return probe."""
    with open(f"{PMUS}/{name}/format/retprobe", encoding="ascii") as file:
        text = file.read().strip()
    place = text.removeprefix("config:")
    if place == text or not place.isdigit():
        raise ValueError(f"{PMUS}/{name}/format/retprobe says {text!r}, not config:<bit>")
    return int(place)


def open_event(
    *,
    type: int,  # noqa: A002 (the kernel's word)
    config: int,
    pid: int = -1,
    cpu: int = -1,
    group_fd: int = -1,
    sample_period: int = 0,
    sample_type: int = 0,
    wakeup_events: int = 0,
    attr_flags: int = 0,
    config1: int = 0,
    config2: int = 0,
    path: bytes | None = None,
) -> int:
    """An event's fd. `attr_flags` are PERF_ATTR_* bits; `path` (a symbol or file) stands in place of config1."""
    attr = attrs.perf_event(
        type=type,
        config=config,
        sample_period=sample_period,
        sample_type=sample_type,
        wakeup_events=wakeup_events,
        flags=attr_flags,
        config1=config1,
        config2=config2,
        size=attrs.PERF_EVENT_SIZE_BYTES,
    )
    inputs = ((attrs.PERF_EVENT_CONFIG1, path + b"\0"),) if path is not None else ()
    return _open(attr, pid, cpu, group_fd, uapi.PERF_FLAG_FD_CLOEXEC, inputs)


def open_tracepoint(event_id: int, *, pid: int = -1, cpu: int = 0) -> int:
    """An event of the tracepoint whose id tracefs gives.

    A program on it sees the hits of every CPU, whatever `cpu` says: the kernel runs it from the tracepoint, not
    from the event's own CPU.
    """
    return open_event(type=uapi.PERF_TYPE_TRACEPOINT, config=event_id, pid=pid, cpu=cpu)


def open_kprobe(*, symbol: str = "", offset: int = 0, address: int = 0, returns: bool = False) -> int:
    """An event of the kprobe PMU at symbol + offset, or at an address."""
    return open_event(
        type=pmu_type("kprobe"),
        config=1 << pmu_return_bit("kprobe") if returns else 0,
        cpu=0,
        config2=offset if symbol else address,
        path=symbol.encode() if symbol else None,
    )


def open_uprobe(*, path: str, offset: int, pid: int = -1, ref_ctr_offset: int = 0, returns: bool = False) -> int:
    """An event of the uprobe PMU at a file's offset; `pid` -1 for every process that runs the file."""
    return open_event(
        type=pmu_type("uprobe"),
        config=(ref_ctr_offset << REF_CTR_SHIFT) | (1 << pmu_return_bit("uprobe") if returns else 0),
        pid=pid,
        cpu=-1 if pid > 0 else 0,
        config2=offset,
        path=os.fsencode(path),
    )


def open_clock(*, period_ns: int = 0, frequency: int = 0, pid: int = -1, cpu: int = -1) -> int:
    """A software CPU clock that fires every `period_ns` of CPU time, or `frequency` times a second."""
    if bool(period_ns) == bool(frequency):
        raise ValueError("give either period_ns or frequency")
    return open_event(
        type=uapi.PERF_TYPE_SOFTWARE,
        config=uapi.PERF_COUNT_SW_CPU_CLOCK,
        pid=pid,
        cpu=cpu,
        sample_period=period_ns or frequency,
        attr_flags=uapi.PERF_ATTR_FREQ if frequency else 0,
    )


def open_output(*, cpu: int, wakeup_events: int = 1) -> int:
    """The event behind one CPU's slot of a perf event array: what programs write with bpf_perf_event_output."""
    return open_event(
        type=uapi.PERF_TYPE_SOFTWARE,
        config=uapi.PERF_COUNT_SW_BPF_OUTPUT,
        cpu=cpu,
        sample_period=wakeup_events,
        sample_type=uapi.PERF_SAMPLE_RAW,
        wakeup_events=wakeup_events,
    )


def records(taken: bytes) -> list[bytes | int]:
    """What `perf_take` took: samples (of PERF_SAMPLE_RAW alone) as bytes, numbers of lost ones as ints, in order.

    Records of other kinds are passed over. An impossible length is an OSError EBADMSG.
    """
    found: list[bytes | int] = []
    at, end = 0, len(taken)
    while at < end:
        kind, size = _RECORD.unpack_from(taken, at) if end - at >= 8 else (0, 0)
        body, following = at + 8, at + size
        if size < 8 or following > end:
            raise _damaged()
        if kind == _LOST and size >= 24:
            found.append(_LOST_COUNT.unpack_from(taken, body)[0])
        elif kind == _SAMPLE and size >= 12:
            (length,) = _RAW_SIZE.unpack_from(taken, body)
            if length > size - 12:
                raise _damaged()
            found.append(taken[body + 4 : body + 4 + length])
        at = following
    return found


def _damaged() -> OSError:
    return OSError(errno.EBADMSG, "the ring holds an impossible length")


def enable(fd: int) -> None:
    """Let the event count and its program run."""
    ioctl(fd, uapi.PERF_EVENT_IOC_ENABLE, 0)


def disable(fd: int) -> None:
    """Stop the event; closing its fd does more."""
    ioctl(fd, uapi.PERF_EVENT_IOC_DISABLE, 0)


def set_bpf(fd: int, prog_fd: int) -> None:
    """Put a program on the event, for good: only closing the event takes it off (links can, since 5.15)."""
    ioctl(fd, uapi.PERF_EVENT_IOC_SET_BPF, prog_fd)
