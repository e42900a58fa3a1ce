"""struct_ops: tables of functions that the kernel calls, such as `struct tcp_congestion_ops`, as maps of the object.

Rules, as libbpf has them:

- each variable of `.struct_ops` and `.struct_ops.link` is a map named after it; a section name that begins with "?"
  keeps its maps from being made until they are asked for (`with_map(name, autocreate=True)`);
- its type is a named struct that stands for the kernel's of the same name, a `___flavour` left out;
- a function pointer is bound to a program by a relocation; the map's `slots` are (index of the member, program), and
  the bytes of a pointer in its `contents` are zero;
- programs follow the maps: one that maps refer to is loaded if and only if one of these maps is made, whatever its
  SEC() says; one that no map refers to is left as it is, and refused when the load comes to it.

What the kernel makes of the struct (`purebpf.plan.struct_ops`) is another question: a file may hold members that only
some kernels have.
"""

from __future__ import annotations

from bisect import bisect_right

from purebpf.btf import (
    Btf,
    BtfError,
    DataSection,
    FunctionProto,
    Kind,
    Member,
    Pointer,
    Struct,
    Variable,
    codec_for,
    resolve,
    size_of,
)
from purebpf.btf.layout import bit_place
from purebpf.elf import ElfFile, Section, SectionType
from purebpf.errors import SpecError
from purebpf.frozen import Frozen, replace
from purebpf.spec.model import MapOrigin, MapSpec, ObjectSpec, ProgramSpec
from purebpf.spec.sections import STRUCT_OPS_LINK, is_struct_ops_section
from purebpf.uapi import MapType, ProgramType

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from typing import Any, Final

    from purebpf.units import TypeId

# BPF_F_LINK of uapi/linux/bpf.h: what is registered belongs to a link.
F_LINK: Final = 1 << 13
_POINTER_SIZE: Final = 8
_STRUCT_OPS: Final = ProgramType.STRUCT_OPS
_ORIGIN: Final = MapOrigin.STRUCT_OPS


class _Place(Frozen):
    """A map and where its variable lies; `members` gives the first member at a byte of it."""

    spec: MapSpec
    struct: Struct
    offset: int
    members: Mapping[int, int]


def struct_ops_maps(
    elf: ElfFile, btf: Btf | None, entries: Mapping[tuple[int, int], str], programs: Mapping[str, ProgramSpec]
) -> Iterator[MapSpec]:
    """The struct_ops maps in the order of the file; `entries` gives the program at (section, byte offset)."""
    for section in elf.sections:
        if section.type != SectionType.PROGBITS or not section.size or not is_struct_ops_section(section.name):
            continue
        if btf is None:
            reason = "struct_ops are described by BTF, but the file has no .BTF (compile with -g)"
            raise SpecError(reason, file=elf.name, section=section.name)
        places = list(_declared(elf, section, btf))
        bound = _bound(elf, section, btf, places, entries, programs)
        for place in places:
            yield _with_programs(place, bound.get(place.spec.name, {}))


def _declared(elf: ElfFile, section: Section, btf: Btf) -> Iterator[_Place]:
    datasec_id = btf.find_one(section.name, Kind.DATASEC)
    datasec = btf[datasec_id] if datasec_id is not None else None

    def refused(reason: str, offset: int | None = None) -> SpecError:
        return SpecError(reason, file=elf.name, section=section.name, offset=offset)

    end = 0
    if not isinstance(datasec, DataSection):
        raise refused("the section has no type information: compile with -g")
    for entry in datasec.variables:
        variable = btf[entry.type]
        if not isinstance(variable, Variable):
            raise refused("its types name something that is no variable", offset=entry.offset)
        struct_id = resolve(btf, variable.type)
        struct = btf[struct_id]
        if not isinstance(struct, Struct):
            raise refused(f"struct_ops map '{variable.name}' is no struct", offset=entry.offset)
        if not struct.name:
            reason = f"struct_ops map '{variable.name}' is of an anonymous struct: its name tells the kernel's struct"
            raise refused(reason, offset=entry.offset)
        if entry.offset + struct.size > len(section.data):
            raise refused(f"struct_ops map '{variable.name}' reaches outside its section", offset=entry.offset)
        # The variables of a section are in the order of their offsets.
        if entry.offset < end:
            raise refused(f"struct_ops map '{variable.name}' lies over the one before it", offset=entry.offset)
        end = entry.offset + struct.size
        name = section.name.removeprefix("?")
        yield _Place(
            MapSpec(
                name=variable.name,
                type=MapType.STRUCT_OPS,
                key_size=4,
                value_size=struct.size,
                max_entries=1,
                flags=F_LINK if name == STRUCT_OPS_LINK else 0,
                value_type=struct_id,
                contents=section.data[entry.offset : entry.offset + struct.size],
                autocreate=name == section.name,
                origin=_ORIGIN,
                section=section.name,
            ),
            struct,
            entry.offset,
            {member.bit_offset // 8: index for index, member in reversed([*enumerate(struct.members)])},
        )


def _bound(
    elf: ElfFile,
    section: Section,
    btf: Btf,
    places: list[_Place],
    entries: Mapping[tuple[int, int], str],
    programs: Mapping[str, ProgramSpec],
) -> dict[str, dict[int, str]]:
    """By map: which program each member is bound to, by the relocations of the section."""
    bound: dict[str, dict[int, str]] = {}
    offsets = [place.offset for place in places]

    def refused(reason: str, at: int) -> SpecError:
        return SpecError(reason, file=elf.name, section=section.name, offset=at)

    for relocation in elf.relocations.get(section.index, ()):
        symbol, at = elf.symbols[relocation.symbol], relocation.offset
        position = bisect_right(offsets, at) - 1
        if position < 0 or at >= offsets[position] + places[position].struct.size:
            raise refused(f"'{symbol.name}' is put where no struct_ops map is", at)
        place = places[position]
        name = place.spec.name
        index = place.members.get(at - place.offset)
        if index is None:
            raise refused(f"'{symbol.name}' does not stand at a member of struct_ops map '{name}'", at)
        member = place.struct.members[index]
        if not points_to_function(btf, member.type):
            reason = f"'{symbol.name}' is put into member '{member.name}' of struct_ops map '{name}', which is no "
            raise refused(reason + "function pointer: the kernel takes nothing else by its address", at)
        program = entries.get((symbol.section, symbol.value))
        if program is None:
            reason = f"'{symbol.name}' in member '{member.name}' of struct_ops map '{name}' is no entry program"
            raise refused(reason, at)
        if programs[program].type != _STRUCT_OPS:
            reason = (
                f"program '{program}' in member '{member.name}' of struct_ops map '{name}' is no struct_ops program"
            )
            raise refused(f"{reason}: its section is '{programs[program].section}'", at)
        bound.setdefault(name, {})[index] = program
    return bound


def points_to_function(btf: Btf, type_id: TypeId) -> bool:
    """Whether the type is a pointer to a function."""
    pointer = btf[resolve(btf, type_id)]
    return isinstance(pointer, Pointer) and isinstance(btf[resolve(btf, pointer.target)], FunctionProto)


def _with_programs(place: _Place, bound: Mapping[int, str]) -> MapSpec:
    contents = bytearray(place.spec.contents or b"")
    for index in bound:
        at = place.struct.members[index].bit_offset // 8
        contents[at : at + _POINTER_SIZE] = bytes(_POINTER_SIZE)
    return replace(place.spec, contents=bytes(contents), slots=tuple(sorted(bound.items())))


# ---------------------------------------------------------------- what is loaded


# ---------------------------------------------------------------- looked at and changed before a load


def members_of(spec: ObjectSpec, name: str) -> dict[str, Any]:
    """What the members of a struct_ops map hold: the name of a program or None for a pointer, else the value.

    Members without a name and bitfields, which no kernel takes, are left out.
    """
    map_spec, btf, struct = _found(spec, name)
    slots, contents = dict(map_spec.slots), map_spec.contents or b""
    values: dict[str, Any] = {}
    for index, member in enumerate(struct.members):
        if not member.name or bit_place(btf, member)[1]:
            continue
        if _is_pointer(btf, member):
            values[member.name] = slots.get(index)
        else:
            codec = codec_for(btf, member.type)
            if member.bit_offset // 8 + codec.size <= len(contents):
                values[member.name] = codec.decode(contents, member.bit_offset // 8)
    return values


def with_struct_ops(spec: ObjectSpec, name: str, members: Mapping[str, Any]) -> ObjectSpec:
    """`spec` with other members of struct_ops map `name`: a value, or for a pointer a program's name or None.

    A program that is taken out of the map is not loaded on account of its SEC() any more: only other maps that use it
    can ask for it.
    """
    map_spec, btf, struct = _found(spec, name)
    slots, contents = dict(map_spec.slots), bytearray(map_spec.contents or b"")
    places = {member.name: index for index, member in enumerate(struct.members) if member.name}
    programs = dict(spec.programs)
    for key, value in members.items():
        if key not in places:
            raise ValueError(
                f"struct_ops map '{name}' (struct {struct.name}) has no member '{key}'{_near(key, places)}"
            )
        index = places[key]
        member = struct.members[index]
        if _is_pointer(btf, member):
            removed = slots.pop(index, None)
            chosen = _program(spec, f"{name}.{key}", value)
            if chosen is not None:
                slots[index] = chosen
            if removed is not None and removed != chosen:
                programs[removed] = replace(programs[removed], autoload=False)
        else:
            _set(btf, member, contents, f"{name}.{key}", value)
    changed = replace(map_spec, slots=tuple(sorted(slots.items())), contents=bytes(contents))
    return replace(spec, maps={**spec.maps, name: changed}, programs=programs)


def _found(spec: ObjectSpec, name: str) -> tuple[MapSpec, Btf, Struct]:
    # Imported here because edit imports this module's neighbours, and only edits need its messages.
    from purebpf.spec.edit import named

    known = {found.name: found for found in spec.maps.values() if found.origin is _ORIGIN}
    map_spec = named("struct_ops map", name, known)
    assert spec.btf is not None
    struct = spec.btf[map_spec.value_type]
    assert isinstance(struct, Struct)
    return map_spec, spec.btf, struct


def _is_pointer(btf: Btf, member: Member) -> bool:
    return isinstance(btf[resolve(btf, member.type)], Pointer)


def _program(spec: ObjectSpec, where: str, value: Any) -> str | None:
    """The name of the program given for a pointer."""
    from purebpf.spec.edit import named

    if value is None:
        return None
    given = value.name if isinstance(value, ProgramSpec) else value
    if not isinstance(given, str):
        raise TypeError(f"{where} is a pointer: give a program's name or None, not {type(value).__name__}")
    program = named("program", given, spec.programs)
    if program.type != _STRUCT_OPS:
        raise ValueError(f"{where} takes a struct_ops program, and '{given}' is of type {program.type.name.lower()}")
    return given


def _set(btf: Btf, member: Member, contents: bytearray, where: str, value: Any) -> None:
    """Write the value of a member that is no pointer."""
    if bit_place(btf, member)[1]:
        raise ValueError(f"{where} is a bitfield, which struct_ops cannot have")
    try:
        encoded = codec_for(btf, member.type).encode(value)
        size = size_of(btf, member.type)
    except BtfError as error:
        raise ValueError(f"{where} cannot be set: {error.reason}") from error
    except (TypeError, ValueError) as error:
        error.add_note(f"member {where}")
        raise
    at = member.bit_offset // 8
    if at + size > len(contents) or len(encoded) > size:
        raise ValueError(f"{where} cannot be set: its {max(size, len(encoded))} bytes reach outside the struct")
    contents[at : at + size] = encoded.ljust(size, b"\0")


def _near(name: str, known: Mapping[str, int]) -> str:
    from purebpf.near import did_you_mean

    return "".join(f"; {line}" for line in did_you_mean(name, known))
