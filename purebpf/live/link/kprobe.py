"""Kprobes and kretprobes: nearly any instruction of the kernel, or the return of nearly any function."""

import errno

from purebpf.errors import AttachTargetError, NotSupported
from purebpf.host.kallsyms import Kallsyms, read_kallsyms
from purebpf.live.link.base import AttachableProgram, Link, refused
from purebpf.live.link.events import Mode, attach_event
from purebpf.live.link.target import KernelFunction
from purebpf.live.link.tracefs import TextProbe, add_probe
from purebpf.syscall import perf
from purebpf.uapi import ProgramType

_REASONS = {
    errno.EILSEQ: "the offset is not the start of an instruction",
    errno.EINVAL: "the kernel allows no probe there (a function marked notrace, or an offset inside an instruction)",
    errno.EADDRNOTAVAIL: "several functions have that name, and the kernel does not choose",
}


def attach_kprobe(
    program: AttachableProgram,
    function: str,
    *,
    offset: int = 0,
    returning: bool = False,
    cookie: int = 0,
    mode: Mode = "",
) -> Link:
    """Run `program` when a CPU reaches `offset` bytes into kernel function `function`, or, `returning`, leaves it.

    A name the kernel does not have is an error with near ones. Uses the kprobe PMU, else tracefs.
    """
    if returning and offset:
        raise ValueError("a kretprobe is at a function's return: it has no offset")
    hook = "kretprobe" if returning else "kprobe"
    place = str(KernelFunction(function, offset))
    probe: TextProbe | None = None
    try:
        if mode == "tracefs" or (not mode and not _has_pmu()):
            probe = _add(place, returning)
            event = perf.open_tracepoint(probe.id)
        else:
            event = perf.open_kprobe(symbol=function, offset=offset, returns=returning)
    except OSError as error:
        if probe is not None:
            probe.remove()
        raise _explained(program, hook, function, place, error) from error
    remove = probe.remove if probe is not None else None
    return attach_event(
        program, event, hook, place, program_type=ProgramType.KPROBE, cookie=cookie, mode=mode, remove=remove
    )


def _has_pmu() -> bool:
    try:
        perf.pmu_type("kprobe")
    except FileNotFoundError:
        return False
    return True


def _add(place: str, returning: bool) -> TextProbe:
    # Asked before tracefs is looked for: mounting it would not help a kernel without kprobes.
    if not read_kallsyms().find("register_kprobe"):
        raise NotSupported("kprobes", config="CONFIG_KPROBES", remedy="use a tracepoint or a raw tracepoint")
    return add_probe("kprobe", place, returns=returning)


def _explained(program: AttachableProgram, hook: str, function: str, place: str, error: OSError) -> Exception:
    if isinstance(error, FileNotFoundError) and error.filename is not None:
        return NotSupported("kprobes", config="CONFIG_KPROBES and CONFIG_PERF_EVENTS")
    # perf says ENOENT, tracefs EINVAL or ENOENT, for a name that is not there.
    if error.errno in (errno.ENOENT, errno.EINVAL, errno.EADDRNOTAVAIL):
        symbols = read_kallsyms()
        found = [symbol for symbol in symbols.find(function) if symbol.is_code]
        if not found:
            return missing_function(function, symbols)
        if len(found) > 1 and error.errno == errno.EADDRNOTAVAIL:
            places = ", ".join(symbol.module or "the kernel" for symbol in found)
            return AttachTargetError(f"the kernel has {len(found)} functions '{function}'", evidence=[f"in {places}"])
    return refused(program, hook, place, error, program_type=ProgramType.KPROBE, reasons=_REASONS)


def missing_function(function: str, symbols: Kallsyms) -> AttachTargetError:
    """The error for a function the kernel does not have, with what may have been meant."""
    return AttachTargetError(
        f"the kernel has no function '{function}'",
        evidence=symbols.did_you_mean(function),
        remedy="a function may be inlined everywhere, renamed, or in a module that is not loaded",
    )
