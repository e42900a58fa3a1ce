"""What purebpf makes of objects, as the same JSON lines that harness/load.c prints for libbpf.

    python -m tools.corpus.side PLAYED|REAL FILE=OUTPUT...          (with record.so preloaded)

Runs in the process in which the calls are recorded; each object has a child process of its own, forked after the
kernel's types were read once, and writes to its own file.
"""

import ctypes
import json
import os
import sys
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

from purebpf.errors import BpfError
from purebpf.host.target import running_target
from purebpf.live.kernel import RunningKernel
from purebpf.live.loader import execute
from purebpf.plan.stages import open_object, plan_object
from purebpf.plan.target import Feature, Target
from purebpf.spec.model import MapSpec, ObjectSpec
from purebpf.uapi import MapType

_WHOLE = 1
_QUIET = 0
_OFF = -1


class _Output:
    """Lines on descriptor 1, between which record.so writes its own."""

    def __init__(self) -> None:
        library = ctypes.CDLL(None)
        self._record: Callable[[int], object] = library.corpus_record
        self.fresh_pins: Callable[[], int] = library.corpus_fresh_pins

    def line(self, kind: str, **fields: Any) -> None:
        os.write(1, json.dumps({"kind": kind, **fields}).encode() + b"\n")

    def record(self, what: int) -> None:
        self._record(what)


def main(arguments: list[str]) -> int:
    """Judge each object in a child; a child that dies leaves a line that says so."""
    mode, *pairs = arguments
    target = _target(played=mode == "PLAYED")
    _ = target.btf
    for pair in pairs:
        source, _, output = pair.partition("=")
        pid = os.fork()
        if not pid:
            fd = os.open(output, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644)
            os.dup2(fd, 1)
            _judge(Path(source), target)
            os._exit(0)
        status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
        if status:
            with open(output, "ab") as file:
                file.write(json.dumps({"kind": "died", "status": status}).encode() + b"\n")
    return 0


def _target(*, played: bool) -> Target:
    target = running_target()
    if played:
        return replace(target, features={})
    for feature in Feature:
        # Asked here, the questions are not among the calls of an object; a refusal to answer is met again there.
        with suppress(BpfError):
            target.supports(feature)
    return target


def _judge(path: Path, target: Target) -> None:
    out = _Output()
    try:
        spec = open_object(path)
    except BpfError as error:
        out.line("open", error=1, reason=_first_line(error), type=type(error).__name__)
        return
    out.line("open", error=0, reason="")
    _describe(out, spec)
    _attempt(out, spec, target, None, shown=False)
    whole = _attempt(out, spec, target, None, shown=True) and "CORPUS_EACH" not in os.environ
    for program in spec.programs.values():
        if not whole or not program.autoload:
            _attempt(out, spec, target, program.name, shown=True)


def _describe(out: _Output, spec: ObjectSpec) -> None:
    for program in spec.programs.values():
        out.line(
            "program",
            name=program.name,
            section=program.section.removeprefix("?"),
            type=int(program.type),
            expected_attach_type=int(program.expected_attach_type or 0),
            autoload=int(program.autoload),
        )
    for m in spec.maps.values():
        out.line(
            "map",
            name=m.name,
            type=int(m.type),
            key_size=m.key_size,
            value_size=m.value_size,
            max_entries=m.max_entries,
            flags=m.flags,
            numa_node=m.numa_node or 0,
            map_extra=m.map_extra,
        )


def _attempt(out: _Output, spec: ObjectSpec, target: Target, only: str | None, *, shown: bool) -> bool:
    """Load the object, or one program of it; whether that went well."""
    if out.fresh_pins():
        raise OSError("no file system for pins could be mounted")
    if shown:
        out.line("attempt", program=only or "")
    out.record(_WHOLE if shown else _QUIET)
    reason, kind = "", ""
    try:
        execute(plan_object(_only(spec, only) if only else spec, target), RunningKernel()).close()
    except BpfError as error:
        reason, kind = str(error), type(error).__name__
    except Exception as error:
        reason, kind = f"{type(error).__name__}: {error}", "BUG"
    out.record(_QUIET)
    if shown:
        out.line("outcome", error=int(bool(reason)), reason=reason, type=kind)
    out.record(_OFF)
    return not reason


def _only(spec: ObjectSpec, name: str) -> ObjectSpec:
    """The object with one program, and no slots for others."""
    programs = {n: replace(program, autoload=n == name) for n, program in spec.programs.items()}
    maps: Mapping[str, MapSpec] = {
        n: replace(m, slots=tuple(slot for slot in m.slots if slot[1] == name)) if m.type == MapType.PROG_ARRAY else m
        for n, m in spec.maps.items()
    }
    return replace(spec, programs=MappingProxyType(programs), maps=MappingProxyType(dict(maps)))


def _first_line(error: BpfError) -> str:
    return str(error).partition("\n")[0]


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
