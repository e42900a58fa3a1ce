"""Stages as lines of text: what the log says at level debug, and what `purebpf stages` shows.

Rules: one thing a line, its name first, so that the lines can be searched; numbers in the base a person would
use; nothing here computes what a stage did not.
"""

from collections.abc import Callable, Iterator
from typing import Any, Final

from purebpf.btf import Btf, Kind
from purebpf.btf.codec import codec_for
from purebpf.elf import SHN_ABS, SHN_COMMON, SHN_UNDEF, SectionType
from purebpf.enums import Enum
from purebpf.plan.stages import FileRead, StageResult
from purebpf.plan.steps import LoadPlan
from purebpf.relocate.model import AdaptedCode, Address, Fixup, KernelType, LinkedProgram, ResolvedExterns
from purebpf.spec.model import (
    CoreAccess,
    ExternCall,
    ExternKind,
    ExternValue,
    FunctionSpec,
    JumpTable,
    MapAddress,
    MapOrigin,
    MapSpec,
    MapValue,
    ObjectSpec,
    ProgramSpec,
    Reference,
    SubprogramAddress,
    SubprogramCall,
    UnknownReference,
)
from purebpf.uapi import MapType
from purebpf.units import TypeId

_SPECIAL_SECTIONS: Final = {SHN_UNDEF: "undefined", SHN_ABS: "absolute", SHN_COMMON: "common"}


def read_lines(read: FileRead) -> Iterator[str]:
    """The ELF file and the size of its type information."""
    elf = read.elf
    yield f"ELF64, {elf.byteorder}-endian, machine {elf.machine}, {len(elf.sections)} sections, " + (
        f"{len(elf.symbols)} symbols"
    )
    for section in elf.sections[1:]:
        try:
            kind = SectionType(section.type).name.lower()
        except ValueError:
            kind = f"type {section.type:#x}"
        count = len(elf.relocations.get(section.index, ()))
        relocations = f", {count} relocations" if count else ""
        yield f"section {section.index} '{section.name}': {kind}, {section.size} bytes{relocations}"
    yield f"BTF: {len(read.btf)} types, {len(read.btf.raw)} bytes" if read.btf is not None else "no BTF"
    if read.ext is not None:
        core = sum(len(records) for records in read.ext.core.values())
        yield f"BTF.ext: records for {len(read.ext.func_info)} sections, {core} CO-RE relocations"


def spec_lines(spec: ObjectSpec) -> Iterator[str]:
    """Everything a spec says: license, maps, programs, functions with their references, variables, externs."""
    yield f"object '{spec.name}': {spec.byteorder}-endian, license '{spec.license}'"
    if spec.kernel_version:
        yield f"version {spec.kernel_version:#x}"
    for map_spec in spec.maps.values():
        yield map_line(map_spec)
    for program in spec.programs.values():
        yield program_line(program, spec.functions[program.name])
    for function in spec.functions.values():
        if function.name not in spec.programs:
            scope = "global" if function.is_global else "static"
            yield f"subprogram '{function.name}': {scope}, {function.insn_count} instructions"
        for reference in function.references:
            yield f"  {function.name}+{reference.insn}: {reference_text(reference)}"
    for variable in spec.variables.values():
        yield f"variable '{variable.name}': {variable.size} bytes at {variable.map}+{variable.offset:#x}"
    for extern in spec.externs.values():
        weak = "weak " if extern.weak else ""
        yield f"extern '{extern.name}': {weak}{extern.kind.name.lower()}"


def map_line(map_spec: MapSpec) -> str:
    """One map's declaration."""
    kind = str(map_spec.type) if isinstance(map_spec.type, MapType) else f"type {map_spec.type}"
    parts = [kind, f"key {map_spec.key_size}", f"value {map_spec.value_size}", f"max_entries {map_spec.max_entries}"]
    if map_spec.flags:
        parts.append(f"flags {map_spec.flags:#x}")
    if map_spec.origin is not MapOrigin.BTF:
        parts.append(f"from {map_spec.origin.name.lower()} section '{map_spec.section}'")
    if not map_spec.autocreate:
        parts.append("not created unless asked for")
    for index, item in map_spec.slots:
        parts.append(f"[{index}] = {item}")
    return f"map '{map_spec.name}': {', '.join(parts)}"


def program_line(program: ProgramSpec, function: FunctionSpec) -> str:
    """One program's section and type."""
    parts = [f"section '{program.section}'", str(program.type)]
    if program.expected_attach_type is not None:
        parts.append(f"attach type {program.expected_attach_type}")
    parts.append(f"{function.insn_count} instructions")
    if not program.autoload:
        parts.append("not loaded unless asked for")
    return f"program '{program.name}': {', '.join(parts)}"


def reference_text(reference: Reference) -> str:
    """What an instruction refers to."""
    match reference:
        case MapAddress(map=name):
            return f"map '{name}'"
        case MapValue(map=name, offset=offset, symbol=symbol):
            variable = f" ({symbol})" if symbol and symbol != name else ""
            return f"value of map '{name}' at {offset:#x}{variable}"
        case JumpTable(symbol=symbol, targets=targets):
            return f"jump table '{symbol}' of {len(targets)} targets"
        case SubprogramCall(function=name):
            return f"call of subprogram '{name}'"
        case SubprogramAddress(function=name):
            return f"address of subprogram '{name}'"
        case ExternValue(extern=name):
            return f"value of extern '{name}'"
        case ExternCall(extern=name):
            return f"call of extern '{name}'"
        case CoreAccess(record=record):
            return f"CO-RE {record.kind.name.lower()} of type {record.type}, path {record.access}"
        case UnknownReference(symbol=symbol, reason=reason):
            return f"'{symbol}', which cannot be placed: {reason}"


def adapted_lines(adapted: AdaptedCode) -> Iterator[str]:
    """Each access that CO-RE recorded, with what it comes to on the target."""
    recorded = sum(len(fixups) for fixups in adapted.fixups.values())
    changed = sum(_is_changed(fixup) for fixups in adapted.fixups.values() for fixup in fixups)
    yield f"{len(adapted.functions)} functions, {recorded} accesses recorded for CO-RE, {changed} changed"
    for name, fixups in adapted.fixups.items():
        for fixup in fixups:
            yield f"  {name}+{fixup.insn}: {fixup_text(fixup)}"


def fixup_text(fixup: Fixup) -> str:
    """What one CO-RE record asked for, and the answer."""
    decision = fixup.decision
    question = f"{decision.kind.name.lower()} of '{decision.path}'"
    if fixup.poisoned or decision.target is None:
        return f"{question}: not on this target; the instruction is poisoned"
    was = f" (was {decision.local.number})" if _is_changed(fixup) else ""
    return f"{question}: {decision.target.number}{was}"


def _is_changed(fixup: Fixup) -> bool:
    target = fixup.decision.target
    return fixup.poisoned or target is None or target.number != fixup.decision.local.number


def linked_lines(programs: tuple[LinkedProgram, ...]) -> Iterator[str]:
    """Each program with the functions it was put together from."""
    if not programs:
        yield "no program is to be loaded"
    for program in programs:
        yield f"program '{program.name}': {len(program.code) // 8} instructions"
        for function in program.functions:
            yield f"  {function.start:5} {function.name} ({function.insn_count} instructions)"
        for slot in program.slots:
            offset = f", value at {slot.offset:#x}" if slot.offset is not None else ""
            yield f"  {slot.insn:5} takes the fd of map '{slot.map}'{offset}"
        for table in program.tables:
            yield f"        jump table '{table.map}': {', '.join(str(target) for target in table.targets)}"


def extern_lines(resolved: ResolvedExterns, spec: ObjectSpec | None = None) -> Iterator[str]:
    """What the externs became; the values of the kernel's configuration one by one where `spec` tells their types."""
    yield f"{sum(len(program.externs) for program in resolved.programs)} references to externs"
    for name, found in resolved.found.items():
        match found:
            case KernelType(id=type_id, module=module):
                yield f"  {name}: type {type_id} of {f'module {module}' if module else 'the kernel'}"
            case Address(address=address) if address:
                yield f"  {name}: at {address:#x}"
            case _:
                yield f"  {name}: not there (weak)"
    if resolved.kconfig is None:
        return
    if spec is None or spec.btf is None:
        yield f"  kconfig values: {resolved.kconfig.hex()}"
        return
    for extern in spec.externs.values():
        if extern.kind is ExternKind.KCONFIG:
            value = codec_for(spec.btf, extern.type).decode(resolved.kconfig, extern.offset)
            yield f"  {extern.name} = {value.name if isinstance(value, Enum) else repr(value)}"


def sanitized_lines(types: bytes | None, spec: ObjectSpec | None = None) -> Iterator[str]:
    """The types as the kernel will get them, and which of the file's they replace."""
    if types is None:
        yield "no BTF for this kernel" if spec is None or spec.btf is not None else "the file has no BTF"
        return
    if spec is None or spec.btf is None or types == spec.btf.raw:
        yield f"{len(types)} bytes of BTF" + ("" if spec is None else ", as in the file")
        return
    yield f"{len(types)} bytes of BTF, {len(spec.btf.raw)} in the file"
    given = Btf.parse(types, base=spec.btf.base)
    for type_id in map(TypeId, spec.btf.ids()):
        if given[type_id] != spec.btf[type_id]:
            yield f"  [{type_id}] {_replacement(spec.btf, given, type_id)}"


def _replacement(ours: Btf, theirs: Btf, type_id: TypeId) -> str:
    before, after = kind_and_name(ours, type_id), kind_and_name(theirs, type_id)
    if before != after:
        return f"{before} became {after}"
    was, now = ours[type_id], theirs[type_id]
    others = [name for name in was.__match_args__ if getattr(was, name) != getattr(now, name)]
    return f"{before}: other {', '.join(others)}"


def kind_and_name(btf: Btf, type_id: TypeId) -> str:
    """A type in two words: "float 'double'"."""
    kind, name = btf.kind(type_id), btf.name_of(type_id)
    word = kind.name.lower() if isinstance(kind, Kind) else f"kind {kind}"
    return f"{word} '{name}'" if name else word


def plan_lines(plan: LoadPlan) -> Iterator[str]:
    """The steps."""
    yield from str(plan).splitlines()


_LINES: Final[dict[str, Callable[[Any], Iterator[str]]]] = {
    "read": read_lines,
    "describe": spec_lines,
    "core": adapted_lines,
    "link": linked_lines,
    "plan": plan_lines,
}


def stage_lines(result: StageResult, spec: ObjectSpec | None = None) -> Iterator[str]:
    """What one stage made, or why it could not; with `spec`, what changed since the file is told too."""
    if result.error is not None:
        yield from str(result.error).splitlines()
    elif result.stage == "sanitize":
        yield from sanitized_lines(result.value, spec)
    elif result.stage == "externs":
        yield from extern_lines(result.value, spec)
    else:
        yield from _LINES[result.stage](result.value)
