"""Tracepoints: events that the kernel's authors named, with the fields that tracefs describes."""

import os

from purebpf.errors import AttachTargetError, KernelError
from purebpf.host import kernel_error
from purebpf.host.mounts import require_tracefs
from purebpf.live.link.base import AttachableProgram, Link, refused
from purebpf.live.link.events import attach_event
from purebpf.near import did_you_mean
from purebpf.syscall import perf
from purebpf.uapi import ProgramType

_HOOK = "tracepoint"


def attach_tracepoint(program: AttachableProgram, category: str, name: str, *, cookie: int = 0) -> Link:
    """Run `program` whenever any task passes tracepoint `category`/`name`, on any CPU.

    `cookie` (Linux 5.15) is what bpf_get_attach_cookie() gives the program.
    """
    place = f"{category}/{name}"
    event_id = tracepoint_id(category, name)
    try:
        event = perf.open_tracepoint(event_id)
    except OSError as error:
        raise refused(program, _HOOK, place, error, program_type=ProgramType.TRACEPOINT) from error
    return attach_event(program, event, _HOOK, place, program_type=ProgramType.TRACEPOINT, cookie=cookie)


def tracepoint_id(category: str, name: str) -> int:
    """The number of a tracepoint; needs tracefs. An unknown name is an error with near ones."""
    events = f"{require_tracefs()}/events"
    try:
        with open(f"{events}/{category}/{name}/id", encoding="ascii") as file:
            return int(file.read())
    except FileNotFoundError:
        raise AttachTargetError(
            f"the kernel has no tracepoint '{category}/{name}'", evidence=_near(events, category, name)
        ) from None
    except OSError as error:
        raise _unreadable(f"{events}/{category}/{name}", error) from error


def _near(events: str, category: str, name: str) -> list[str]:
    categories = _entries(events)
    near = did_you_mean(f"{category}/{name}", (f"{category}/{event}" for event in _entries(f"{events}/{category}")))
    elsewhere = [f"{other}/{name}" for other in categories if os.path.isdir(f"{events}/{other}/{name}")]
    if elsewhere:
        return [f"there is {' and '.join(elsewhere)}"]
    return near or did_you_mean(category, categories)


def _entries(directory: str) -> list[str]:
    try:
        return sorted(entry.name for entry in os.scandir(directory) if entry.is_dir())
    except OSError:
        return []


def _unreadable(path: str, error: OSError) -> KernelError:
    return kernel_error("read tracepoint", path, error, program_type=ProgramType.TRACEPOINT)
