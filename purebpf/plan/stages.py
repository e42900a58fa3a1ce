"""The stage table: the only place that calls the stages, in their one order.

    read      bytes -> ElfFile and Btf
    describe  -> ObjectSpec
    core      the accesses that CO-RE recorded fit the target's types
    link      each program with its subprograms, calls resolved
    externs   kconfig values, kernel symbols and functions filled in
    sanitize  the types as the target's kernel takes them
    plan      -> LoadPlan
    execute   -> live object (needs a kernel; `purebpf.live.loader`)

Rules: `open_object` and `plan_object` are these stages without looking; `trace` gives what each one made, for
inspection. Both run the same functions on the same values.
"""

from __future__ import annotations

import time

from purebpf.elf import ElfFile, contents, read_elf
from purebpf.errors import BpfError, BtfError
from purebpf.frozen import Frozen, replace
from purebpf.plan.build import DEFAULT_PIN_ROOT, build_plan
from purebpf.plan.target import FEATURES_OF_TYPES, Feature
from purebpf.relocate.core import adapt
from purebpf.relocate.link import link
from purebpf.relocate.model import KCONFIG_MAP, ResolvedExterns
from purebpf.spec.describe import describe, ignore_damage, read_btf
from purebpf.spec.model import CONTEXT_TAG
from purebpf.spec.programs import programs_to_load
from purebpf.standard import remembered_lately

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from os import PathLike
    from typing import Any, BinaryIO, Final

    from purebpf.btf import Btf, BtfExt
    from purebpf.plan.steps import LoadPlan
    from purebpf.plan.target import Target
    from purebpf.relocate.model import AdaptedCode, LinkedProgram
    from purebpf.spec.model import ObjectSpec

    Source = str | PathLike[str] | bytes | bytearray | memoryview | BinaryIO

_REMEMBERED_SIZE: Final = 1 << 18
_LAYOUT: Final = Feature.BTF_LAYOUT

STAGES: Final = ("read", "describe", "core", "link", "externs", "sanitize", "plan", "execute")
"""The names of the stages, in order; the last one needs a kernel."""


class FileRead(Frozen):
    """Result of the stage `read`."""

    elf: ElfFile
    btf: Btf | None
    ext: BtfExt | None


class StageResult(Frozen):
    """What one stage made, or the error it ended in, and how long it took."""

    stage: str
    value: Any
    seconds: float
    error: BpfError | None = None


def open_object(
    source: Source, *, name: str | None = None, see: Callable[[FileRead], object] | None = None
) -> ObjectSpec:
    """Read and describe an object file: stages `read` and `describe`.

    `name` becomes the prefix of the names of its data maps; the default is the file's name up to its first dot.
    `see` is shown what was read. A small file whose bytes were among the last few opened gives the value it gave then.
    """
    data, file = contents(source)
    opened = _opened_lately if len(data) <= _REMEMBERED_SIZE else _opened
    read, spec = opened(data, file, name)
    if see is not None:
        see(read)
    return spec


def plan_object(
    spec: ObjectSpec,
    target: Target,
    *,
    pin_root: str = DEFAULT_PIN_ROOT,
    see: Callable[[str, Any], object] | None = None,
) -> LoadPlan:
    """Prepare `spec` for `target`: stages `core` to `plan`. Programs with autoload off are left out.

    `see` is shown what the stages between made, by their names.
    """
    programs = programs_to_load(spec)
    adapted = adapt(spec, programs, target)
    linked = _link(spec, adapted, programs)
    resolved = _externs(spec, linked, target)
    known, tagged = _with_named_contexts(_with_kconfig(spec, resolved), resolved.programs, target)
    types = _sanitize(known, target)
    if see is not None:
        for stage, value in (("core", adapted), ("externs", resolved), ("sanitize", types)):
            see(stage, value)
    return build_plan(known, target, tagged, types, pin_root=pin_root)


def trace(source: Source, target: Target, *, name: str | None = None) -> Iterator[StageResult]:
    """Run the pure stages one by one and give what each made; the first error is the last result."""
    values: dict[str, Any] = {}
    for stage in STAGES[:-1]:
        started = time.perf_counter()
        try:
            values[stage] = _RUN[stage](values, source, target, name)
        except BpfError as error:
            error.add_note(f"in stage '{stage}'")
            yield StageResult(stage, None, time.perf_counter() - started, error)
            return
        yield StageResult(stage, values[stage], time.perf_counter() - started)


def _opened(data: bytes, file: str, name: str | None) -> tuple[FileRead, ObjectSpec]:
    read = _read(data, file)
    return read, _describe(read, name)


# Both stages are pure, so that the bytes and the names decide the result; the file itself is read each time. Opening
# `minimal` again costs a tenth of the first time, and its types, once decoded, stay so. What is kept at the most are
# these eight files, and as much again of what was made of them.
_opened_lately = remembered_lately(8)(_opened)


def _read(source: Source, file: str | None = None) -> FileRead:
    elf = read_elf(source, name=file)
    btf, ext = read_btf(elf)
    return FileRead(elf, btf, ext)


def _describe(read: FileRead, name: str | None) -> ObjectSpec:
    name = name if name is not None else _object_name(read.elf.name)
    try:
        return describe(read.elf, read.btf, read.ext, name=name)
    except BtfError as error:
        # Types are read when they are asked for, so that some damage is met only here.
        if read.btf is None:
            raise
        ignore_damage(read.elf, error)
        return describe(read.elf, None, None, name=name)


def _object_name(file: str) -> str:
    base = file.rstrip("/").rpartition("/")[2]
    return base.partition(".")[0] or base


def _link(spec: ObjectSpec, adapted: AdaptedCode, programs: tuple[str, ...]) -> tuple[LinkedProgram, ...]:
    return tuple(link(spec, adapted.functions, program, adapted.fixups) for program in programs)


def _externs(spec: ObjectSpec, programs: tuple[LinkedProgram, ...], target: Target) -> ResolvedExterns:
    if not spec.externs:
        return ResolvedExterns(programs)
    # Of the first load of a process most is importing, so that this is imported for those who have externs.
    from purebpf.relocate.externs import resolve_externs

    return resolve_externs(spec, programs, target)


def _with_named_contexts(
    spec: ObjectSpec, programs: Sequence[LinkedProgram], target: Target
) -> tuple[ObjectSpec, Sequence[LinkedProgram]]:
    # A search of the bytes: hardly an object has the tag.
    if spec.btf is None or f"\0{CONTEXT_TAG}\0".encode() not in spec.btf.raw:
        return spec, programs
    from purebpf.plan.context_tags import with_named_contexts

    return with_named_contexts(spec, programs, target)


def _with_kconfig(spec: ObjectSpec, resolved: ResolvedExterns) -> ObjectSpec:
    """The spec with the kernel's configuration in the map of its values."""
    if resolved.kconfig is None:
        return spec
    filled = replace(spec.maps[KCONFIG_MAP], contents=resolved.kconfig)
    return replace(spec, maps={**spec.maps, KCONFIG_MAP: filled})


def _sanitize(spec: ObjectSpec, target: Target) -> bytes | None:
    btf = spec.btf
    if btf is None:
        return None
    # On a kernel that has them all no type is looked at.
    if all(map(target.supports, FEATURES_OF_TYPES)) and (btf.kind_layout is None or target.supports(_LAYOUT)):
        return btf.raw
    from purebpf.plan.sanitize import sanitize

    return sanitize(btf, target)


def _with_tags(values: dict[str, Any], target: Target) -> tuple[ObjectSpec, Sequence[LinkedProgram]]:
    resolved: ResolvedExterns = values["externs"]
    return _with_named_contexts(_with_kconfig(values["describe"], resolved), resolved.programs, target)


def _traced_plan(values: dict[str, Any], target: Target) -> LoadPlan:
    spec, programs = _with_tags(values, target)
    return build_plan(spec, target, programs, values["sanitize"])


_RUN: Final[dict[str, Callable[[dict[str, Any], Source, Target, str | None], Any]]] = {
    "read": lambda values, source, target, name: _read(source),
    "describe": lambda values, source, target, name: _describe(values["read"], name),
    "core": lambda values, source, target, name: adapt(
        values["describe"], programs_to_load(values["describe"]), target
    ),
    "link": lambda values, source, target, name: _link(
        values["describe"], values["core"], programs_to_load(values["describe"])
    ),
    "externs": lambda values, source, target, name: _externs(values["describe"], values["link"], target),
    "sanitize": lambda values, source, target, name: _sanitize(_with_tags(values, target)[0], target),
    "plan": lambda values, source, target, name: _traced_plan(values, target),
}
