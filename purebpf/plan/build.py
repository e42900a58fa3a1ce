"""The stage `plan`: linked programs and sanitized types become the steps of a load.

Rules, all libbpf's so that a load is the same, byte for byte:

- the order is: jump tables; types; for each map its creation, its contents and its freeze, and of a map of maps its
  slots; programs, each followed by the binding of read-only data to it; slots of prog_arrays; values of struct_ops;
- a slot whose inner map comes later waits for it (libbpf cannot fill it at all);
- names are cut to 15 characters; a data map is named after the object and its section ("minimal.rodata"),
  the object's name giving way, a section with a suffix of its own keeps its name;
- a ring buffer is rounded up to a power of two of pages, a perf array without a size gets a slot a CPU;
- some map types refuse type ids: those are not given any.

What few objects have (arenas, jump tables, struct_ops, ...) is a module of its own, imported for an object that has it:
of the first load of a process most is importing.
"""

from __future__ import annotations

from purebpf.errors import NotSupported, PlanError
from purebpf.plan.downgrade import attach_type_for, code_for
from purebpf.plan.steps import (
    NOWHERE,
    BindMap,
    CreateMap,
    FillStructOps,
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
from purebpf.spec.data import F_MMAPABLE
from purebpf.spec.model import MapOrigin, MapSpec, ObjectSpec, Pinning, ProgramSpec
from purebpf.spec.sections import section_definitions
from purebpf.uapi import AttachType, MapType, ProgramType
from purebpf.units import TypeId

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from typing import Final

    from purebpf.plan.steps import AttachPoint, MapMemory
    from purebpf.plan.struct_ops import StructOps
    from purebpf.relocate.model import LinkedProgram

_NAME_LIMIT: Final = 15
# A data map's name keeps at least this much of its section's name.
_SUFFIX_MINIMUM: Final = 7
_FIT_FOR_A_NAME: Final = frozenset("0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz_.")
_U32_MAX: Final = 0xFFFF_FFFF
DEFAULT_PIN_ROOT: Final = "/sys/fs/bpf"

_WITHOUT_TYPE_IDS: Final = frozenset(
    (
        MapType.PERF_EVENT_ARRAY,
        MapType.CGROUP_ARRAY,
        MapType.STACK_TRACE,
        MapType.ARRAY_OF_MAPS,
        MapType.HASH_OF_MAPS,
        MapType.DEVMAP,
        MapType.DEVMAP_HASH,
        MapType.CPUMAP,
        MapType.XSKMAP,
        MapType.SOCKMAP,
        MapType.SOCKHASH,
        MapType.QUEUE,
        MapType.STACK,
        MapType.ARENA,
    )
)


# On Python 3.11 a member looked up on its enum class costs 0.5 us; these are looked up in loops.
_DATA: Final = MapOrigin.DATA
_IMAGES: Final = (_DATA, MapOrigin.KCONFIG)
_PINNED: Final = Pinning.BY_NAME
_PROG_ARRAY: Final = MapType.PROG_ARRAY
_ARENA: Final = MapType.ARENA
_ARRAY_OF_MAPS: Final = MapType.ARRAY_OF_MAPS
_OF_MAPS: Final = (_ARRAY_OF_MAPS, MapType.HASH_OF_MAPS)
_UNSPEC: Final = ProgramType.UNSPEC
_KPROBE: Final = ProgramType.KPROBE
_STRUCT_OPS: Final = ProgramType.STRUCT_OPS
_STRUCT_OPS_MAP: Final = MapOrigin.STRUCT_OPS
_ANY_VERSION_SINCE: Final = 0x050000
_PROG_NAME: Final = Feature.PROG_NAME
_GLOBAL_DATA: Final = Feature.GLOBAL_DATA
_PERCPU_DATA: Final = Feature.PERCPU_DATA
_PERCPU_ARRAY: Final = MapType.PERCPU_ARRAY
_ARRAY_MMAP: Final = Feature.ARRAY_MMAP
_BTF_FUNC: Final = Feature.BTF_FUNC
_PROG_BIND_MAP: Final = Feature.PROG_BIND_MAP
_PERF_EVENT_ARRAY: Final = MapType.PERF_EVENT_ARRAY
_RINGS: Final = (MapType.RINGBUF, MapType.USER_RINGBUF)


def build_plan(
    spec: ObjectSpec,
    target: Target,
    programs: Sequence[LinkedProgram],
    btf: bytes | None,
    *,
    pin_root: str = DEFAULT_PIN_ROOT,
) -> LoadPlan:
    """The steps that load `programs` of `spec` on `target`, with the types `btf`."""
    if spec.byteorder != target.byteorder:
        raise PlanError(
            f"the object is {spec.byteorder}-endian and the target {target.byteorder}-endian",
            remedy="compile with -target bpf, which takes the byte order of the machine it runs on",
        )
    named = target.supports(_PROG_NAME)
    steps: list[Step] = []
    if any(linked.tables for linked in programs):
        from purebpf.plan.jumptables import table_steps

        steps += table_steps(programs, target, named)
    if btf is not None:
        steps.append(LoadBtf(btf))
    maps = _maps_to_create(spec, target, programs)
    ops = _struct_ops(spec, target)
    arena = _arena(maps, target)
    waiting: list[Step] = []
    made: set[str] = set()
    for map_spec in maps.values():
        steps += _map_steps(spec, map_spec, target, btf is not None, named, pin_root, ops)
        made.add(map_spec.name)
        if map_spec.type == _ARENA and arena is not None:
            steps.append(arena)
        elif map_spec.slots and map_spec.type in _OF_MAPS:
            for slot in _inner_slots(map_spec, maps):
                (steps if slot.inner in made else waiting).append(slot)
    steps += waiting
    bound = [m.name for m in maps.values() if m.frozen and m.origin is _DATA]
    if bound and programs and not target.supports(_PROG_BIND_MAP):
        bound = []
    for linked in programs:
        placed = _placed(spec, linked, maps, arena)
        steps.append(_load_program(spec, placed, target, btf is not None, named, ops))
        steps += [BindMap(linked.name, name) for name in bound]
    steps += _program_slots(maps, {linked.name for linked in programs})
    if ops is not None:
        steps += [FillStructOps(name, table.image, table.programs) for name, table in ops.tables.items()]
    return LoadPlan(target.name, tuple(steps), spec)


def _struct_ops(spec: ObjectSpec, target: Target) -> StructOps | None:
    """What the kernel has for the object's struct_ops; None for an object that has nothing of the kind."""
    maps = any(m.origin is _STRUCT_OPS_MAP for m in spec.maps.values())
    if not maps and not any(program.type == _STRUCT_OPS for program in spec.programs.values()):
        return None
    from purebpf.plan.struct_ops import match_struct_ops

    return match_struct_ops(spec, target)


def _arena(maps: Mapping[str, MapSpec], target: Target) -> MapMemory | None:
    arena = next((m for m in maps.values() if m.type == _ARENA), None)
    if arena is None:
        return None
    from purebpf.plan.arena import arena_memory

    return arena_memory(arena, target)


def _placed(
    spec: ObjectSpec, linked: LinkedProgram, maps: Mapping[str, MapSpec], arena: MapMemory | None
) -> LinkedProgram:
    """The program without the maps that are left out, and with the arena's variables where they are."""
    if len(maps) < len(spec.maps):
        from purebpf.plan.left_out import without_maps

        linked = without_maps(linked, maps, spec.maps, spec.byteorder)
    if arena is not None:
        from purebpf.plan.arena import with_variables_placed

        linked = with_variables_placed(linked, arena, spec.byteorder)
    return linked


def _attach_point(program: ProgramSpec, target: Target) -> AttachPoint:
    if not program.goes_to_a_type:
        return NOWHERE
    from purebpf.plan.attach_target import attach_point

    return attach_point(program, target)


def _maps_to_create(spec: ObjectSpec, target: Target, programs: Sequence[LinkedProgram]) -> Mapping[str, MapSpec]:
    wanted = {name: m for name, m in spec.maps.items() if m.autocreate}
    needed = {name: _needed_by(m) for name, m in wanted.items() if m.origin in _IMAGES}
    lacking = {feature for feature in set(needed.values()) if not target.supports(feature)}
    if not lacking:
        return wanted
    for linked in programs:
        for slot in linked.slots:
            feature = needed.get(slot.map)
            if feature in lacking:
                evidence = f"program '{linked.name}' uses variables in '{slot.map}'"
                raise NotSupported(feature.text, since=feature.since, evidence=(evidence,))
    return {name: m for name, m in wanted.items() if needed.get(name) not in lacking}


def _needed_by(data: MapSpec) -> Feature:
    return _PERCPU_DATA if data.type == _PERCPU_ARRAY else _GLOBAL_DATA


def _map_steps(
    spec: ObjectSpec, map_spec: MapSpec, target: Target, typed: bool, named: bool, pin_root: str, ops: StructOps | None
) -> Iterator[Step]:
    created = _create_map(spec, map_spec, target, typed, named, pin_root)
    table = ops.tables.get(map_spec.name) if ops is not None else None
    yield created if table is None else table.created(created)
    if map_spec.origin not in _IMAGES:
        return
    contents = map_spec.contents if map_spec.contents is not None else bytes(map_spec.value_size)
    yield SetValue(map_spec.name, bytes(4), contents, all_cpus=map_spec.type == _PERCPU_ARRAY)
    if map_spec.frozen:
        yield FreezeMap(map_spec.name)


def _create_map(
    spec: ObjectSpec, map_spec: MapSpec, target: Target, typed: bool, named: bool, pin_root: str
) -> CreateMap:
    flags = map_spec.flags
    if flags & F_MMAPABLE and map_spec.origin in _IMAGES and not target.supports(_ARRAY_MMAP):
        flags &= ~F_MMAPABLE
    with_ids = typed and map_spec.type not in _WITHOUT_TYPE_IDS
    inner = map_spec.inner
    return CreateMap(
        name=map_spec.name,
        kernel_name=kernel_map_name(spec.name, map_spec) if named else "",
        type=map_spec.type,
        key_size=map_spec.key_size,
        value_size=map_spec.value_size,
        max_entries=_max_entries(map_spec, target),
        flags=flags,
        numa_node=map_spec.numa_node or 0,
        map_extra=map_spec.map_extra,
        key_type=map_spec.key_type if with_ids else TypeId(0),
        value_type=map_spec.value_type if with_ids else TypeId(0),
        inner=_create_map(spec, inner, target, typed, named, pin_root) if inner is not None else None,
        pin_path=f"{pin_root}/{map_spec.name}" if map_spec.pinning is _PINNED else None,
    )


def kernel_map_name(object_name: str, map_spec: MapSpec) -> str:
    """The name under which the kernel will show the map."""
    name = map_spec.name
    if map_spec.origin not in _IMAGES:
        return name[:_NAME_LIMIT]
    room = 0 if "." in name[1:] or map_spec.type == _PERCPU_ARRAY else _NAME_LIMIT - max(_SUFFIX_MINIMUM, len(name))
    # libbpf ends an object's name at the first dot of its file's name, so that it has none of a hidden file.
    if object_name[:1] == ".":
        object_name = ""
    full = object_name[: max(room, 0)] + name
    if not full.isascii():
        full = _in_bytes(object_name)[: max(room, 0)] + _in_bytes(name)
    return "".join([letter if letter in _FIT_FOR_A_NAME else "_" for letter in full[:_NAME_LIMIT]])


def _in_bytes(name: str) -> str:
    """`name` with a letter for each byte that it has as UTF-8: names are cut by bytes.

    A byte that is no UTF-8 stands in Python's file names as a lone surrogate, and is one letter here as well.
    """
    return name.encode("utf-8", "replace").decode("latin-1")


def _max_entries(map_spec: MapSpec, target: Target) -> int:
    entries = map_spec.max_entries
    if map_spec.type in _RINGS:
        return ring_size(entries, target.page_size)
    if map_spec.type == _PERF_EVENT_ARRAY and entries == 0:
        return target.possible_cpus
    return entries


def ring_size(wanted: int, page_size: int) -> int:
    """The smallest size of at least `wanted` bytes that a ring buffer may have: a power of two of pages.

    0 stays 0: who forgot the size is told so by the kernel's refusal.
    """
    if not wanted:
        return 0
    pages = -(-wanted // page_size)
    size = page_size << (pages - 1).bit_length()
    return size if size <= _U32_MAX else wanted


def _load_program(
    spec: ObjectSpec, linked: LinkedProgram, target: Target, typed: bool, named: bool, ops: StructOps | None
) -> LoadProgram:
    program = spec.programs[linked.name]
    _check_loadable(program)
    attach_type: AttachType | int | None = attach_type_for(program, target)
    operation = ops.operation(program) if ops is not None and program.type == _STRUCT_OPS else None
    if operation is not None:
        attach_type = operation.member
    with_info = typed and bool(linked.func_info or linked.line_info) and target.supports(_BTF_FUNC)
    return LoadProgram(
        name=program.name,
        kernel_name=program.name[:_NAME_LIMIT] if named else "",
        section=program.section,
        type=program.type,
        expected_attach_type=attach_type,
        flags=program.flags,
        code=code_for(linked.code, spec.byteorder, target),
        slots=linked.slots,
        functions=linked.functions,
        license=spec.license,
        kernel_version=_kernel_version(spec, program, target),
        func_info=linked.func_info if with_info else b"",
        func_info_record_size=spec.func_info_record_size,
        line_info=linked.line_info if with_info else b"",
        line_info_record_size=spec.line_info_record_size,
        btf_slots=linked.btf_slots,
        fd_array=linked.fd_array,
        attach=_attach_point(program, target) if operation is None else operation.attach,
        log_level=program.log_level,
        poisoned=linked.poisoned,
        left_out=linked.left_out,
    )


def _kernel_version(spec: ObjectSpec, program: ProgramSpec, target: Target) -> int:
    """Kernels before 5.0 refuse a kprobe program made for another version, so the file's is not asked there."""
    of_file = spec.kernel_version
    if not of_file or (program.type == _KPROBE and target.kernel_version < _ANY_VERSION_SINCE):
        return target.kernel_version
    return of_file


def _check_loadable(program: ProgramSpec) -> None:
    if program.type == _UNSPEC:
        known = [d.prefix for d in section_definitions()]
        # Loaded here because no object that can be loaded needs it.
        from difflib import get_close_matches

        near = get_close_matches(program.section.removeprefix("?").partition("/")[0], known, n=3)
        raise PlanError(
            f"section name '{program.section}' tells no program type",
            program=program.name,
            evidence=(f"near: {', '.join(near)}",) if near else (),
            remedy="use a section name of the SEC() table, or spec.with_program(name, section=...)",
        )


def _inner_slots(outer: MapSpec, maps: Mapping[str, MapSpec]) -> Iterator[SetInnerMap]:
    # In a hash a slot's number is a key: any will do, if there are not too many.
    count = len(outer.slots)
    if outer.type != _ARRAY_OF_MAPS and count > outer.max_entries:
        raise PlanError(
            f"the values of map '{outer.name}' fill {count} slots, and its max_entries is {outer.max_entries}",
            remedy=f"spec.with_map('{outer.name}', max_entries={count}), or fewer values in the file",
        )
    for index, inner in outer.slots:
        if inner not in maps:
            raise PlanError(
                f"slot {index} of map '{outer.name}' holds map '{inner}', which is left out of the load",
                remedy=f"have '{inner}' made (autocreate=True), or leave '{outer.name}' out as well",
            )
        if outer.key_size < 4 and index >> 8 * outer.key_size:
            raise PlanError(f"the key of map '{outer.name}' takes {outer.key_size} bytes, too few for slot {index}")
        if outer.type == _ARRAY_OF_MAPS and index >= outer.max_entries:
            raise _no_such_slot(outer, index, f"map '{inner}'")
        yield SetInnerMap(outer.name, index, inner, outer.key_size)


def _program_slots(maps: Mapping[str, MapSpec], loaded: set[str]) -> Iterator[SetProgram]:
    for map_spec in maps.values():
        if map_spec.type != _PROG_ARRAY:
            continue
        for index, program in map_spec.slots:
            if program not in loaded:
                raise PlanError(
                    f"slot {index} of map '{map_spec.name}' names program '{program}', which is not loaded",
                    remedy=f"load '{program}' too, or drop it from the map's values",
                )
            if index >= map_spec.max_entries:
                raise _no_such_slot(map_spec, index, f"program '{program}'")
            yield SetProgram(map_spec.name, index, program)


def _no_such_slot(holder: MapSpec, index: int, item: str) -> PlanError:
    enough = max(slot for slot, _ in holder.slots) + 1
    return PlanError(
        f"slot {index} of map '{holder.name}' holds {item}, and its max_entries is {holder.max_entries}",
        remedy=f"spec.with_map('{holder.name}', max_entries={enough}), or drop the slot from the map's values",
    )
