"""The stage `describe`: an ELF file and its types become an ObjectSpec.

Rules: what the file says wrongly is a SpecError here; what only a kernel could refuse (an unknown section
name, a relocation that cannot be placed) is carried along, so that any object can be looked at.
"""

from __future__ import annotations

from purebpf.btf import Btf, BtfExt
from purebpf.elf import SHN_UNDEF
from purebpf.errors import BtfError, SpecError
from purebpf.frozen import replace
from purebpf.spec.data import SectionTypes, data_maps, describe_variables, mark_hidden_functions, place_variables
from purebpf.spec.maps import declared_maps, with_slots
from purebpf.spec.model import EXCEPTION_CALLBACK, Externs, MapSpec, ObjectSpec
from purebpf.spec.programs import INSN_SIZE, FunctionIndex, MapPlaces, describe_functions, describe_programs
from purebpf.spec.sections import ARENA_SECTION, JUMP_TABLES, is_struct_ops_section
from purebpf.uapi import MapType

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from typing import Final

    from purebpf.elf import ElfFile, Section
    from purebpf.spec.jumptables import JumpTables
    from purebpf.spec.model import FunctionSpec, ProgramSpec

_LICENSE_LIMIT: Final = 63
_ET_REL: Final = 1


def read_btf(elf: ElfFile) -> tuple[Btf | None, BtfExt | None]:
    """The file's type information; an object without any, or with damaged one, is legal if nothing needs it."""
    section = elf.section(".BTF")
    if section is None or not section.data:
        return None, None
    try:
        btf = Btf.parse(section.data, name=elf.name)
    except BtfError as error:
        ignore_damage(elf, error)
        return None, None
    ext = elf.section(".BTF.ext")
    if ext is None or not ext.data:
        return btf, None
    try:
        return btf, BtfExt.parse(ext.data, btf, name=elf.name)
    except BtfError as error:
        ignore_damage(elf, error, ".BTF.ext")
        return btf, None


def ignore_damage(elf: ElfFile, error: BtfError, section: str = ".BTF") -> None:
    """Warn that a damaged section of types is ignored; where something in the file needs it the error is raised."""
    from purebpf.spec.damage import warn_or_raise

    warn_or_raise(elf, error, section)


def describe(elf: ElfFile, btf: Btf | None, ext: BtfExt | None, *, name: str) -> ObjectSpec:
    """What the file says. `name` is the object's: it goes into the names of its data maps."""
    _check_form(elf)
    index = FunctionIndex(elf)
    types: dict[str, SectionTypes] = {}
    if btf is not None:
        btf, types = place_variables(elf, btf)
    declared = declared_maps(elf, btf)
    data = dict(data_maps(elf, types))
    arena = _arena(elf, [found.spec for found in declared])
    places = MapPlaces(
        declared={(found.section, found.offset): found.spec.name for found in declared},
        data={section: spec.name for section, spec in data.items()},
        declaring_sections=frozenset(found.section for found in declared),
        tables=_jump_tables(elf),
    )
    if arena is not None:
        section, with_image = arena
        declared = tuple(replace(d, spec=with_image) if d.spec.name == with_image.name else d for d in declared)
        places = replace(places, data={**places.data, section.index: with_image.name})
        types = {**types, with_image.name: types[section.name]} if section.name in types else types
    functions = describe_functions(elf, index, places, ext)
    programs = describe_programs(elf, index)
    if btf is not None:
        hidden = [f.name for f in functions.values() if f.hidden and f.name not in programs]
        btf = mark_hidden_functions(btf, hidden) if hidden else btf
        programs = _with_exception_callbacks(programs, btf)
    entries = {
        (extent.section, extent.start * INSN_SIZE): extent.name for extent in index.extents if extent.name in programs
    }
    externs = _externs(elf, btf, functions.values())
    kconfig = [externs.map] if externs.map is not None else []
    return ObjectSpec(
        name=name,
        file=elf.name,
        byteorder=elf.byteorder,
        license=_license(elf),
        kernel_version=_version(elf),
        btf=externs.btf,
        programs=programs,
        functions=functions,
        maps=_by_name(
            elf,
            [
                *with_slots(elf, declared, entries),
                *data.values(),
                *kconfig,
                *_struct_ops(elf, btf, entries, programs),
            ],
        ),
        variables={**describe_variables(elf, types, places.data), **externs.variables},
        externs=externs.externs,
        func_info_record_size=_record_size(ext, "func_info", 8),
        line_info_record_size=_record_size(ext, "line_info", 16),
    )


def _check_form(elf: ElfFile) -> None:
    if elf.type != _ET_REL:
        raise SpecError(f"an ELF file of type {elf.type}, not a relocatable object: give the .o file", file=elf.name)
    if not elf.symbols:
        raise SpecError("it has no symbol table, so no program can be found: was it stripped too far?", file=elf.name)


# What few objects have is described by modules of its own, each imported for an object that has it: of the first load
# of a process most is importing.


def _arena(elf: ElfFile, maps: Sequence[MapSpec]) -> tuple[Section, MapSpec] | None:
    if elf.section(ARENA_SECTION) is None and all(found.type != MapType.ARENA for found in maps):
        return None
    from purebpf.spec.arena import arena_data

    return arena_data(elf, maps)


def _jump_tables(elf: ElfFile) -> JumpTables | None:
    if elf.section(JUMP_TABLES) is None:
        return None
    from purebpf.spec.jumptables import JumpTables

    return JumpTables(elf)


def _with_exception_callbacks(programs: dict[str, ProgramSpec], btf: Btf) -> dict[str, ProgramSpec]:
    # A search of the bytes: hardly an object has the tag.
    if EXCEPTION_CALLBACK.encode() not in btf.raw:
        return programs
    from purebpf.spec.tags import with_exception_callbacks

    return with_exception_callbacks(programs, btf)


def _externs(elf: ElfFile, btf: Btf | None, functions: Iterable[FunctionSpec]) -> Externs:
    if not any(symbol.section == SHN_UNDEF and symbol.name for symbol in elf.symbols):
        return Externs({}, btf)
    from purebpf.spec.externs import describe_externs

    return describe_externs(elf, btf, functions)


def _struct_ops(
    elf: ElfFile, btf: Btf | None, entries: Mapping[tuple[int, int], str], programs: Mapping[str, ProgramSpec]
) -> Iterable[MapSpec]:
    if not any(is_struct_ops_section(section.name) for section in elf.sections):
        return ()
    from purebpf.spec.struct_ops import struct_ops_maps

    return struct_ops_maps(elf, btf, entries, programs)


def _by_name(elf: ElfFile, maps: list[MapSpec]) -> dict[str, MapSpec]:
    found: dict[str, MapSpec] = {}
    for spec in maps:
        if spec.name in found:
            raise SpecError(f"map '{spec.name}' is declared twice", file=elf.name, section=spec.section)
        found[spec.name] = spec
    return found


def _license(elf: ElfFile) -> str:
    section = elf.section("license")
    if section is None:
        return ""
    text = section.data[:_LICENSE_LIMIT].split(b"\0", 1)[0]
    return text.decode("utf-8", "replace")


def _version(elf: ElfFile) -> int:
    section: Section | None = elf.section("version")
    if section is None or not section.size:
        return 0
    if section.size != 4:
        raise SpecError(f"the version takes 4 bytes, not {section.size}", file=elf.name, section="version")
    return int.from_bytes(section.data, elf.byteorder)


def _record_size(ext: BtfExt | None, part: str, default: int) -> int:
    """The size of the records of one part, which is the same in every section of it."""
    sections = getattr(ext, part) if ext is not None else {}
    return next((info.record_size for info in sections.values()), default)
