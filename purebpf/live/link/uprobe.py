"""Uprobes and uretprobes: instructions of programs and libraries, in every process that runs the file or in one."""

import errno
import os

from purebpf.errors import AttachTargetError, KernelError
from purebpf.host import kernel_error
from purebpf.host.binaries import find_binary
from purebpf.host.symbols import function_offset
from purebpf.live.link.base import AttachableProgram, Link, refused
from purebpf.live.link.events import Mode, attach_event
from purebpf.live.link.target import UserFunction
from purebpf.live.link.tracefs import TextProbe, add_probe
from purebpf.syscall import perf
from purebpf.uapi import ProgramType

_LARGEST_COUNTER = (1 << 32) - 1
_REASONS = {
    errno.EINVAL: "the kernel allows no probe there (beyond the file's end, or not the start of an instruction)",
    errno.EIO: "the file system cannot give the kernel the file's pages",
}


def attach_uprobe(
    program: AttachableProgram,
    path: str | os.PathLike[str],
    symbol: str | None = None,
    *,
    offset: int = 0,
    returning: bool = False,
    pid: int | None = None,
    cookie: int = 0,
    ref_ctr_offset: int = 0,
    mode: Mode = "",
) -> Link:
    """Run `program` when a process reaches `offset` bytes into function `symbol` of `path`, or, `returning`, leaves it.

    `path` may be a bare name ("libc.so.6"). Without `symbol`, `offset` counts from the file's start. `pid` limits
    the probe to that process (0: this one); None is every process, also those started later. `ref_ctr_offset` is
    where in the file a counter stands that the kernel keeps above 0 while somebody probes (the semaphore of USDT).

    Takes 8 ms and more of waiting, and closing the link 100 ms: the kernel waits for all CPUs to notice.
    """
    if not 0 <= ref_ctr_offset <= _LARGEST_COUNTER:
        raise ValueError(f"ref_ctr_offset has 32 bits: {ref_ctr_offset:#x}")
    hook = "uretprobe" if returning else "uprobe"
    file = find_binary(os.fspath(path))
    place = str(UserFunction(file, symbol or "", offset))
    at = (_offset(file, symbol) if symbol else 0) + offset
    if at < 0:
        raise ValueError(f"the offset {offset} leads to before the file's start")
    process = os.getpid() if pid == 0 else -1 if pid is None else pid
    probe: TextProbe | None = None
    try:
        if mode == "tracefs" or (not mode and not _has_pmu()):
            probe = _add(file, at, ref_ctr_offset, returning)
            event = perf.open_tracepoint(probe.id, pid=process, cpu=0 if process < 0 else -1)
        else:
            event = perf.open_uprobe(
                path=file, offset=at, pid=process, ref_ctr_offset=ref_ctr_offset, returns=returning
            )
    except OSError as error:
        if probe is not None:
            probe.remove()
        raise _explained(program, hook, place, process, error) from error
    remove = probe.remove if probe is not None else None
    return attach_event(
        program, event, hook, place, program_type=ProgramType.KPROBE, cookie=cookie, mode=mode, remove=remove
    )


def _offset(file: str, symbol: str) -> int:
    try:
        return function_offset(file, symbol)
    except OSError as error:
        raise kernel_error("read the symbols of", file, error) from error


def _has_pmu() -> bool:
    try:
        perf.pmu_type("uprobe")
    except FileNotFoundError:
        return False
    return True


def _add(file: str, at: int, counter: int, returning: bool) -> TextProbe:
    if any(character in file for character in " \t\n:"):
        raise AttachTargetError(
            f"the kernel's text interface for uprobes cannot name '{file}'",
            remedy="probe it by a path without spaces and colons",
        )
    suffix = f"({counter:#x})" if counter else ""
    return add_probe("uprobe", f"{file}:{at:#x}{suffix}", returns=returning)


def _explained(program: AttachableProgram, hook: str, place: str, process: int, error: OSError) -> Exception:
    if error.errno == errno.ESRCH:
        return AttachTargetError(f"there is no process {process} to probe")
    failure: KernelError = refused(program, hook, place, error, program_type=ProgramType.KPROBE, reasons=_REASONS)
    return failure
