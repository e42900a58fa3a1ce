"""`purebpf run FILE`: load an object, attach all it can, and print what it sends through its ring buffers.

Events of all ring buffers come out in the order in which they are read. A line says which map an event is from
only if there is more than one. Ctrl-C and the end of `--duration` stop it the same way: everything is detached.
"""

import argparse
import ast
import json
import select
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from types import FrameType
from typing import TYPE_CHECKING, Any

import purebpf
from purebpf.btf.codec.records import plain
from purebpf.cli.values import compact
from purebpf.live.maps.ring import RingBufMap
from purebpf.uapi import MapType

if TYPE_CHECKING:
    from purebpf.live.object import BpfObject
    from purebpf.live.ringbuf import RingBuffer
    from purebpf.spec.model import ObjectSpec


def run(arguments: argparse.Namespace) -> int:
    """Run the command."""
    spec = _prepared(arguments)
    started = time.perf_counter()
    with interruptible(), purebpf.load(spec) as loaded:
        elapsed = time.perf_counter() - started
        _attach(loaded, arguments)
        with ExitStack() as stack:
            readers = open_readers(loaded, stack)
            print(
                f"'{loaded.name}': {len(loaded.programs)} programs loaded in {elapsed * 1e3:.1f} ms, "
                f"{len(loaded.links)} attached, {len(readers)} ring buffers",
                file=sys.stderr,
            )
            count = 0
            try:
                for name, event in events(readers, arguments.duration):
                    _show(name, event, alone=len(readers) == 1, as_json=arguments.json)
                    count += 1
            except KeyboardInterrupt:
                pass
            print(f"{count} events", file=sys.stderr)
    return 0


def _prepared(arguments: argparse.Namespace) -> "ObjectSpec":
    spec = purebpf.open(arguments.file)
    if arguments.program:
        spec = spec.with_programs(*arguments.program)
    values = dict(_assignment(text) for text in arguments.set)
    return spec.with_values(**values) if values else spec


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
    """Attach what a section name or an option gives a place to; say what stays unattached."""
    for program in loaded.programs.values():
        definition = program.spec.definition
        options: dict[str, Any] = {}
        if definition is None:
            continue
        if definition.kind == "xdp" and arguments.interface:
            options["interface"] = arguments.interface
        elif definition.kind in ("uprobe", "uretprobe") and arguments.pid is not None:
            options["pid"] = arguments.pid
        if not options and not (definition.auto_attach and program.spec.attach_to):
            print(f"not attached: program '{program.name}', SEC(\"{program.spec.section}\")", file=sys.stderr)
            continue
        loaded.attach(program.name, **options)


def open_readers(loaded: "BpfObject", stack: ExitStack) -> "dict[str, RingBuffer]":
    """A reader of each ring buffer, closed by `stack`."""
    readers = {}
    for name, map_spec in loaded.spec.maps.items():
        if map_spec.type == MapType.RINGBUF:
            ring = loaded.maps[name]
            assert isinstance(ring, RingBufMap)
            readers[name] = stack.enter_context(ring.reader())
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


def _show(name: str, event: Any, *, alone: bool, as_json: bool) -> None:
    if as_json:
        print(json.dumps({"map": name, "event": plain(event)}), flush=True)
    else:
        print(compact(event) if alone else f"{name}: {compact(event)}", flush=True)


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
