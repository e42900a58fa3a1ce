"""`purebpf run FILE`: load an object, attach all it can, and print what it sends through its ring buffers.

Events of all ring buffers come out in the order in which they are read. A line says which map an event is from
only if there is more than one source. Ctrl-C, SIGTERM and the end of `--duration` stop it the same way: everything
is detached, and the exit code is 0.
"""

import argparse
import ast
import json
import math
import select
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, nullcontext, suppress
from itertools import islice
from types import FrameType
from typing import TYPE_CHECKING, Any

import purebpf
from purebpf.btf.codec.records import plain
from purebpf.cli.main import WrongUsage
from purebpf.cli.screen import plain_row, screen
from purebpf.cli.values import compact, counted, kconfig_text, printable
from purebpf.errors import AttachTargetError, BpfError
from purebpf.live.tracepipe import TraceLine
from purebpf.spec.sections import AttachKind
from purebpf.uapi import MapType

if TYPE_CHECKING:
    from purebpf.live.object import BpfObject
    from purebpf.live.ringbuf import RingBuffer
    from purebpf.plan.steps import LoadPlan
    from purebpf.spec.model import ObjectSpec
    from purebpf.spec.sections import SectionDefinition

_UPROBES = (AttachKind.UPROBE, AttachKind.URETPROBE)


# How long lines of the trace pipe may wait for events, and the other way round.
_TURN_SECONDS = 0.1
# Enough for the default buffer of a CPU; a limit, lest somebody's flood keeps us from starting.
_OLD_LINES = 50_000


def run(arguments: argparse.Namespace) -> int:
    """Run the command."""
    spec = _prepared(arguments)
    started = time.perf_counter()
    plan = _planned(spec, arguments)
    with interruptible(), purebpf.load(plan) as loaded, ExitStack() as stack:
        elapsed = time.perf_counter() - started
        if arguments.trace:
            # What others left in the trace pipe is not this object's.
            for _ in islice(purebpf.trace_pipe(timeout=0), _OLD_LINES):
                pass
        _attach(loaded, arguments)
        readers = open_readers(loaded, stack)
        print(
            f"'{loaded.name}': {counted(len(loaded.programs), 'program')} loaded in {elapsed * 1e3:.1f} ms, "
            f"{len(loaded.links)} attached, {counted(len(readers), 'ring buffer')}",
            file=sys.stderr,
        )
        if not readers and not arguments.trace:
            print("no ring buffer, so no events; bpf_printk() lines are shown with --trace", file=sys.stderr)
        count = _show_all(_sources(readers, arguments), arguments, alone=len(readers) + arguments.trace == 1)
        print(counted(count, "event"), file=sys.stderr)
    return 0


def _planned(spec: "ObjectSpec", arguments: argparse.Namespace) -> "LoadPlan":
    """The plan for the running kernel, as --btf and --kconfig describe it."""
    try:
        return purebpf.plan(spec, btf=arguments.btf, kconfig=kconfig_text(arguments.kconfig))
    except BpfError:
        raise
    except ValueError as error:
        raise WrongUsage(str(error).replace("option kconfig", "--kconfig")) from error


def _show_all(found: Iterator[tuple[str, Any]], arguments: argparse.Namespace, *, alone: bool) -> int:
    """Show events until there are no more or somebody interrupts; how many there were."""
    count = 0
    started = time.monotonic()

    def so_far() -> str:
        return f"{counted(count, 'event')} in {time.monotonic() - started:.0f} s; Ctrl-C ends it"

    with suppress(KeyboardInterrupt), nullcontext(plain_row) if arguments.json else screen(so_far) as row:
        for name, event in found:
            count += 1
            row(_as_json(name, event) if arguments.json else _as_text(name, event, alone=alone), "")
    return count


def _sources(readers: "dict[str, RingBuffer]", arguments: argparse.Namespace) -> Iterator[tuple[str, Any]]:
    """Events, and with --trace the lines of the trace pipe too, which have no map."""
    if not arguments.trace:
        yield from events(readers, arguments.duration)
        return
    end = math.inf if arguments.duration is None else time.monotonic() + arguments.duration
    left = end
    while left > 0:
        left = end - time.monotonic()
        yield from events(readers, max(0, min(left, _TURN_SECONDS)))
        for line in purebpf.trace_pipe(timeout=0):
            yield "", line
            if time.monotonic() >= end:
                return


def _prepared(arguments: argparse.Namespace) -> "ObjectSpec":
    """The object as the options want it."""
    spec = purebpf.open(arguments.file)
    try:
        if arguments.program:
            spec = spec.with_programs(*arguments.program)
        values = dict(_assignment(text) for text in arguments.set)
        return spec.with_values(**values) if values else spec
    except BpfError:
        raise
    except (ValueError, TypeError) as error:
        raise WrongUsage("; ".join([str(error), *getattr(error, "__notes__", ())])) from error


def _assignment(text: str) -> tuple[str, Any]:
    name, equals, value = text.partition("=")
    if not equals:
        raise ValueError(f"--set takes NAME=VALUE, not '{text}'")
    if value in ("true", "false"):
        return name, value == "true"
    try:
        return name, ast.literal_eval(value)
    except (ValueError, SyntaxError):
        # A word that is no Python literal is a string: --set comm=bash.
        return name, value


def _attach(loaded: "BpfObject", arguments: argparse.Namespace) -> None:
    """Attach what a section name or an option gives a place to; say what stays unattached, and why."""
    left_out = []
    for program in loaded.programs.values():
        definition = program.spec.definition
        options: dict[str, Any] = {}
        if definition is not None and definition.kind == AttachKind.XDP and arguments.interface:
            options["interface"] = arguments.interface
        elif definition is not None and definition.kind in _UPROBES and arguments.pid is not None:
            options["pid"] = arguments.pid
        places = definition is not None and definition.auto_attach and program.spec.attach_to
        if places or options:
            loaded.attach(program.name, **options)
        else:
            left_out.append(f"program '{program.name}', SEC(\"{program.spec.section}\"): {_why(definition)}")
    if not loaded.links:
        none = f"nothing of '{loaded.name}' can be attached from here"
        raise AttachTargetError(
            none, evidence=left_out or ["it has no program that is loaded by itself: see --program"]
        )
    for line in left_out:
        print(f"not attached: {line}", file=sys.stderr)


def _why(definition: "SectionDefinition | None") -> str:
    """What an unattached program would need."""
    match definition.kind if definition is not None else None:
        case AttachKind.XDP:
            return "give --interface"
        case AttachKind.UPROBE | AttachKind.URETPROBE | AttachKind.SOCKET | AttachKind.PERF_EVENT:
            return "its section names no place; attach it from Python"
        case _:
            return "nothing attaches programs of this kind by themselves"


def open_readers(loaded: "BpfObject", stack: ExitStack) -> "dict[str, RingBuffer]":
    """A reader of each ring buffer, closed by `stack`."""
    readers: dict[str, RingBuffer] = {}
    for name, map_spec in loaded.spec.maps.items():
        if map_spec.type == MapType.RINGBUF:
            readers[name] = stack.enter_context(loaded.maps[name].reader())
    return readers


def events(readers: "dict[str, RingBuffer]", duration: float | None) -> Iterator[tuple[str, Any]]:
    """(map, event) of all readers as they come, for `duration` seconds or for ever."""
    poll = select.poll()
    names = {}
    for name, reader in readers.items():
        poll.register(reader.fileno(), select.POLLIN)
        names[reader.fileno()] = name
    deadline = None if duration is None else time.monotonic() + duration
    while True:
        left = None if deadline is None else deadline - time.monotonic()
        ready = poll.poll(None if left is None else max(0, left) * 1000)
        for fd, _ in ready:
            for event in readers[names[fd]].batch(timeout=0):
                yield names[fd], event
        if left is not None and left <= 0:
            return


def _as_text(name: str, event: Any, *, alone: bool) -> str:
    shown = printable(event.line) if isinstance(event, TraceLine) else compact(event)
    return shown if alone else f"{name or 'trace'}: {shown}"


def _as_json(name: str, event: Any) -> str:
    if isinstance(event, TraceLine):
        parts = {"task": event.task, "pid": event.pid, "cpu": event.cpu, "time": event.timestamp}
        return json.dumps({"trace": event.text, **parts})
    return json.dumps({"map": name, "event": plain(event)})


@contextmanager
def interruptible() -> Iterator[None]:
    """Let SIGTERM end the program as Ctrl-C does, so that everything is detached in order."""

    def interrupt(number: int, frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
