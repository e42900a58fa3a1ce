"""What purebpf says of an object, in the terms of the harness: the one place that knows purebpf's types.

The target is the newest kernel that can be, as in the harness: every feature there, the version of the running
kernel. Programs that cannot be prepared (targets and externs that this kernel lacks, sections that
nobody knows) are left out and named with the reason, so that the rest of the object can be compared.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import Any

from purebpf.errors import AttachTargetError, UnresolvedExtern
from purebpf.host.cpus import possible_cpus
from purebpf.host.target import running_target
from purebpf.host.version import running_version
from purebpf.plan.attach_target import attach_point
from purebpf.plan.stages import open_object, plan_object
from purebpf.plan.steps import (
    BindMap,
    CreateMap,
    FreezeMap,
    LoadBtf,
    LoadPlan,
    LoadProgram,
    SetInnerMap,
    SetProgram,
    SetValue,
    Step,
)
from purebpf.plan.target import Feature, Target
from purebpf.relocate.compat import essential_name
from purebpf.relocate.externs import resolve_externs
from purebpf.relocate.link import link
from purebpf.relocate.model import ResolvedExterns
from purebpf.spec.model import (
    ExternKind,
    MapOrigin,
    ObjectSpec,
    ProgramSpec,
)
from purebpf.uapi import MapType, ProgramType
from purebpf.units import ByteOrder
from tests.oracle.known_differences import ABSENT_FUNCTION, EXCEPTION_CALLBACK, FLAVOURED_FUNCTION

Record = dict[str, Any]
_KPROBES = "/sys/bus/event_source/devices/kprobe/type"


@dataclass(frozen=True, slots=True)
class Prepared:
    """`spec` as the file says, `plan` for its programs but those in `left_out`; no plan where none is possible."""

    spec: ObjectSpec
    plan: LoadPlan | None
    left_out: dict[str, str]


@cache
def prepare(path: Path) -> Prepared:
    """Open an object and plan what can be planned of it."""
    spec = open_object(path)
    left_out = {
        program.name: reason
        for program in spec.programs.values()
        if (reason := _out_of_reach(spec, program)) or not program.autoload
    }
    if any(m.origin is MapOrigin.STRUCT_OPS for m in spec.maps.values()):
        return Prepared(spec, None, left_out)
    programs = {name: replace(program, autoload=name not in left_out) for name, program in spec.programs.items()}
    reachable = replace(spec, programs=MappingProxyType(programs), maps=MappingProxyType(_without(spec, left_out)))
    return Prepared(spec, plan_object(reachable, _target(spec.byteorder)), left_out)


@cache
def _target(byteorder: ByteOrder) -> Target:
    running = running_target()
    return Target(
        "everything",
        "",
        running_version(),
        byteorder,
        possible_cpus=len(possible_cpus()),
        # libbpf 1.1 knows no such links, and makes one uprobe for each place of a USDT probe. Whether system calls have
        # wrappers it finds out by a kprobe, which not every kernel has.
        features={Feature.UPROBE_MULTI_LINK: False, Feature.SYSCALL_WRAPPER: Path(_KPROBES).exists()},
        read_btf=running.read_btf,
        # The harness shows libbpf no module.
        read_symbols=running.read_symbols,
        read_kconfig=running.read_kconfig,
    )


def _without(spec: ObjectSpec, left_out: dict[str, str]) -> dict[str, Any]:
    """The maps, with no slot for a program that is left out."""
    return {
        name: replace(m, slots=tuple(slot for slot in m.slots if slot[1] not in left_out))
        if m.type == MapType.PROG_ARRAY
        else m
        for name, m in spec.maps.items()
    }


def _out_of_reach(spec: ObjectSpec, program: ProgramSpec) -> str:
    if program.type == ProgramType.UNSPEC:
        return "its section name says nothing"
    if program.type == ProgramType.STRUCT_OPS:
        return "struct_ops"
    if program.exception_callbacks:
        return EXCEPTION_CALLBACK
    try:
        attach_point(program, _target(spec.byteorder))
    except AttachTargetError as error:
        return error.reason
    return _missing(spec, program.name)


def _missing(spec: ObjectSpec, program: str) -> str:
    """What the program needs and the kernel does not have, or has and libbpf 1.1 does not find."""
    if not spec.externs:
        return ""
    try:
        resolved = resolve_externs(spec, [link(spec, spec.functions, program)], _target(spec.byteorder))
    except UnresolvedExtern as error:
        return error.reason
    used = {reference.extern for reference in resolved.programs[0].externs}
    return "; ".join(sorted({reason for name in used if (reason := _otherwise(spec, name, resolved))}))


def _otherwise(spec: ObjectSpec, name: str, resolved: ResolvedExterns) -> str:
    """Why libbpf 1.1 makes something else of a kernel function, '' if it does not: see known_differences."""
    if spec.externs[name].kind is not ExternKind.KFUNC:
        return ""
    if essential_name(name) != name:
        return FLAVOURED_FUNCTION
    return ABSENT_FUNCTION if resolved.found.get(name) is None else ""


def program_verdicts(spec: ObjectSpec) -> list[Record]:
    """SEC() verdicts in the file's order.

    libbpf 1.1 gives a struct_ops program the number of its member when it opens the object, newer ones when they load
    it; it knows the section `.struct_ops` alone.
    """
    tables = [m for m in spec.maps.values() if m.section == ".struct_ops"]
    members = {program: index for table in reversed(tables) for index, program in table.slots}
    return [
        {
            "name": program.name,
            "section": program.section.removeprefix("?"),
            "type": int(program.type),
            "expected_attach_type": int(program.expected_attach_type or members.get(program.name, 0)),
            "autoload": int(program.autoload),
        }
        for program in spec.programs.values()
    ]


def created_maps(plan: LoadPlan) -> list[Record]:
    """What BPF_MAP_CREATE would get, in order; an inner map's template comes before its outer map."""
    created: list[Record] = []
    typed = any(isinstance(step, LoadBtf) for step in plan.steps)
    for step in plan.maps():
        if step.inner is not None:
            created.append(_created(step.inner, typed, f"{step.name}.inner"[:15]))
        created.append(_created(step, typed, step.kernel_name))
    return created


def _created(step: CreateMap, typed: bool, name: str) -> Record:
    return {
        "name": name,
        "type": int(step.type),
        "key_size": step.key_size,
        "value_size": step.value_size,
        "max_entries": step.max_entries,
        "flags": step.flags,
        "numa_node": step.numa_node,
        "map_extra": step.map_extra,
        "btf_key_type_id": step.key_type,
        "btf_value_type_id": step.value_type,
        "inner": f"{step.name}.inner"[:15] if step.inner is not None else "",
    }


def kernel_names(plan: LoadPlan) -> dict[str, str]:
    """Full name of each map -> what the kernel calls it."""
    return {step.name: step.kernel_name for step in plan.maps()}


def loaded_program(step: LoadProgram, names: dict[str, str]) -> Record:
    """What BPF_PROG_LOAD would get; code with 0 where an fd stands, and which map's it is."""
    return {
        "type": int(step.type),
        "expected_attach_type": int(step.expected_attach_type or 0),
        "flags": step.flags,
        "attach_btf_id": step.attach.btf_id,
        "license": step.license,
        "kernel_version": step.kernel_version,
        "func_info_record_size": step.func_info_record_size if step.func_info else 0,
        "line_info_record_size": step.line_info_record_size if step.line_info else 0,
        "func_info": step.func_info.hex(),
        "line_info": step.line_info.hex(),
        "references": sorted([slot.insn, names[slot.map]] for slot in step.slots),
        "code": step.code.hex(),
    }


def btf_of(plan: LoadPlan) -> bytes:
    """The types that the kernel would get."""
    return next((step.data for step in plan.steps if isinstance(step, LoadBtf)), b"")


def settings(plan: LoadPlan) -> list[tuple[str, ...]]:
    """Everything that is neither created nor loaded, in order: (verb, what, ...), maps by their kernel names."""
    names = kernel_names(plan)
    programs = {step.name: step.kernel_name for step in plan.programs()}
    return [said for step in plan.steps if (said := _setting(step, names, programs))]


def _setting(step: Step, maps: dict[str, str], programs: dict[str, str]) -> tuple[str, ...]:
    match step:
        case SetValue(map=name, key=key, value=value):
            return ("set", maps[name], key.hex(), value.hex())
        case SetInnerMap(map=name, index=index, inner=inner):
            return ("put", maps[name], index.to_bytes(4, "little").hex(), maps[inner])
        case SetProgram(map=name, index=index, program=program):
            return ("put", maps[name], index.to_bytes(4, "little").hex(), programs[program])
        case FreezeMap(map=name):
            return ("freeze", maps[name])
        case BindMap(program=program, map=name):
            return ("bind", programs[program], maps[name])
        case _:
            return ()
