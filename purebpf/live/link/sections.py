"""Attaching by the name of a section: SEC("kprobe/do_unlinkat") says both the hook and the place.

One table from the kind of attachment that the SEC() table gives to the hook's own call. What the section leaves
open (which socket, which interface, which event) comes as an option. A hook is imported when it is asked for.
"""

from collections.abc import Callable
from typing import Any, cast

from purebpf.errors import AttachTargetError, BpfError
from purebpf.live.link.base import AttachableProgram, Link
from purebpf.live.link.target import (
    parse_function_pattern,
    parse_kprobe,
    parse_raw_tracepoint,
    parse_tracepoint,
    parse_uprobe,
    parse_uprobe_pattern,
)
from purebpf.spec.sections import AttachKind, SectionDefinition


def attach_by_section(
    program: AttachableProgram, definition: SectionDefinition | None, attach_to: str, **options: Any
) -> Link:
    """Attach `program` to what its section names; `options` are those of the hook's own call.

    `attach_to` is what stands behind the "/". A section that names no place is an error, unless an option does
    (`event`, `socket`, `interface`); an option that the hook does not have is a TypeError.
    """
    if definition is None:
        raise AttachTargetError(
            f"the section of program '{program.name}' has a name that says nothing of attaching",
            remedy="attach it by the call of its hook",
        )
    attach = _HOOKS.get(definition.kind)
    if attach is None:
        raise AttachTargetError(
            f"program '{program.name}' cannot be attached by its section: no hook for SEC(\"{definition.prefix}\")"
        )
    try:
        return attach(program, attach_to, options)
    except BpfError as error:
        place = f"/{attach_to}" if attach_to else ""
        error.add_note(f"while attaching program '{program.name}' by SEC(\"{definition.prefix}{place}\")")
        raise


Attach = Callable[[AttachableProgram, str, dict[str, Any]], Link]


def _kprobe(returning: bool) -> Attach:
    def attach(program: AttachableProgram, attach_to: str, options: dict[str, Any]) -> Link:
        from purebpf.live.link.kprobe import attach_kprobe

        place = parse_kprobe(attach_to)
        return attach_kprobe(program, place.symbol, offset=place.offset, returning=returning, **options)

    return attach


def _uprobe(returning: bool) -> Attach:
    def attach(program: AttachableProgram, attach_to: str, options: dict[str, Any]) -> Link:
        from purebpf.live.link.uprobe import attach_uprobe

        place = parse_uprobe(attach_to)
        symbol = place.symbol or None
        return attach_uprobe(program, place.path, symbol, offset=place.offset, returning=returning, **options)

    return attach


def _kprobe_multi(*, returning: bool = False, session: bool = False) -> Attach:
    def attach(program: AttachableProgram, attach_to: str, options: dict[str, Any]) -> Link:
        from purebpf.live.link.multi import attach_kprobe_multi

        functions = options.pop("functions", None) or parse_function_pattern(attach_to)
        return attach_kprobe_multi(program, functions, returning=returning, session=session, **options)

    return attach


def _uprobe_multi(*, returning: bool = False, session: bool = False) -> Attach:
    def attach(program: AttachableProgram, attach_to: str, options: dict[str, Any]) -> Link:
        from purebpf.live.link.multi import attach_uprobe_multi

        path, symbols = parse_uprobe_pattern(attach_to)
        return attach_uprobe_multi(program, path, symbols, returning=returning, session=session, **options)

    return attach


def _trace_multi(program: AttachableProgram, _: str, options: dict[str, Any]) -> Link:
    # No kernel that has these was at hand to try a call on; programs for them are refused by older ones.
    raise AttachTargetError(
        f"program '{program.name}' is for many functions by trampolines, which purebpf cannot attach yet",
        remedy="use kprobe.multi, or a program for each function",
    )


def _tracepoint(program: AttachableProgram, attach_to: str, options: dict[str, Any]) -> Link:
    from purebpf.live.link.tracepoint import attach_tracepoint

    place = parse_tracepoint(attach_to)
    return attach_tracepoint(program, place.category, place.name, **options)


def _raw_tracepoint(program: AttachableProgram, attach_to: str, options: dict[str, Any]) -> Link:
    from purebpf.live.link.raw_tracepoint import attach_raw_tracepoint

    return attach_raw_tracepoint(program, parse_raw_tracepoint(attach_to), **options)


def _perf_event(program: AttachableProgram, _: str, options: dict[str, Any]) -> Link:
    from purebpf.live.link.perf_event import attach_perf_event

    event = _required(options, "event", "a perf event's fd or a PerfEvent")
    return attach_perf_event(program, event, **options)


def _socket(program: AttachableProgram, _: str, options: dict[str, Any]) -> Link:
    from purebpf.live.link.socket_filter import attach_socket

    return attach_socket(program, _required(options, "socket", "a socket"), **options)


def _xdp(program: AttachableProgram, _: str, options: dict[str, Any]) -> Link:
    from purebpf.live.link.xdp import attach_xdp

    return attach_xdp(program, _required(options, "interface", "a network interface's name or index"), **options)


def _trace(program: AttachableProgram, _: str, options: dict[str, Any]) -> Link:
    from purebpf.live.link.trace import TracingProgram, attach_trace

    return attach_trace(cast(TracingProgram, program), **options)


def _freplace(program: AttachableProgram, _: str, options: dict[str, Any]) -> Link:
    from purebpf.live.link.trace import TracingProgram, attach_freplace

    return attach_freplace(cast(TracingProgram, program), **options)


def _lsm(program: AttachableProgram, _: str, options: dict[str, Any]) -> Link:
    from purebpf.live.link.lsm import attach_lsm
    from purebpf.live.link.trace import TracingProgram

    return attach_lsm(cast(TracingProgram, program), **options)


def _iter(program: AttachableProgram, _: str, options: dict[str, Any]) -> Link:
    from purebpf.live.link.iter import attach_iter
    from purebpf.live.link.trace import TracingProgram

    return attach_iter(cast(TracingProgram, program), **options)


def _required(options: dict[str, Any], name: str, what: str) -> Any:
    if name not in options:
        raise AttachTargetError("the section does not say where the program goes", remedy=f"give {name}=, {what}")
    return options.pop(name)


_HOOKS: dict[AttachKind, Attach] = {
    AttachKind.KPROBE: _kprobe(False),
    AttachKind.KRETPROBE: _kprobe(True),
    AttachKind.UPROBE: _uprobe(False),
    AttachKind.URETPROBE: _uprobe(True),
    AttachKind.KPROBE_MULTI: _kprobe_multi(),
    AttachKind.KRETPROBE_MULTI: _kprobe_multi(returning=True),
    AttachKind.KPROBE_SESSION: _kprobe_multi(session=True),
    AttachKind.UPROBE_MULTI: _uprobe_multi(),
    AttachKind.URETPROBE_MULTI: _uprobe_multi(returning=True),
    AttachKind.UPROBE_SESSION: _uprobe_multi(session=True),
    AttachKind.TRACE_MULTI: _trace_multi,
    AttachKind.TRACEPOINT: _tracepoint,
    AttachKind.RAW_TRACEPOINT: _raw_tracepoint,
    AttachKind.TRACE: _trace,
    AttachKind.FREPLACE: _freplace,
    AttachKind.LSM: _lsm,
    AttachKind.ITER: _iter,
    AttachKind.PERF_EVENT: _perf_event,
    AttachKind.SOCKET: _socket,
    AttachKind.XDP: _xdp,
}
