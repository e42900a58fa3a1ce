"""Data sections: one array map each, and the global variables in them.

Rules, as libbpf has them: `.data`, `.rodata`, `.bss` and `.percpu`, alone or with a suffix (`.rodata.str1.1`), become a
map of one value unless they are empty. `.rodata*` is read-only for programs and frozen for user space; of `.percpu*`
each CPU has a copy. A section is memory-mappable if its BTF names at least one variable that is not static, and
`.percpu*` never is. Clang writes neither the size of a DATASEC nor the offsets of global variables: they are taken
from the ELF file before anything reads them. What is hidden in the ELF file is static in the types.
"""

from __future__ import annotations

from purebpf.btf import Btf, DataSection, Function, Kind, Linkage, SectionVariable, Variable, with_types
from purebpf.elf import ElfFile, Section, SectionType, Symbol, SymbolBinding, SymbolType, SymbolVisibility
from purebpf.errors import SpecError
from purebpf.frozen import Frozen, replace
from purebpf.spec.model import MapOrigin, MapSpec, VariableSpec
from purebpf.uapi import MapType
from purebpf.units import VOID, TypeId

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping
    from typing import Final

    from purebpf.btf.edits import Editable

RODATA: Final = ".rodata"
BSS: Final = ".bss"
PERCPU: Final = ".percpu"
EXTERN_SECTIONS: Final = (".kconfig", ".ksyms")
# BPF_F_RDONLY_PROG and BPF_F_MMAPABLE of uapi/linux/bpf.h.
F_RDONLY_PROG: Final = 1 << 7
F_MMAPABLE: Final = 1 << 10
_U32_MAX: Final = 0xFFFF_FFFF
_HIDDEN: Final = (SymbolVisibility.HIDDEN, SymbolVisibility.INTERNAL)


# On Python 3.11 a member looked up on its enum class costs 0.5 us; these are looked up in loops.
_GLOBAL: Final = Linkage.GLOBAL
_STATIC: Final = Linkage.STATIC
_DATASEC: Final = Kind.DATASEC
_OBJECT: Final = SymbolType.OBJECT
_NOTYPE: Final = SymbolType.NOTYPE
_LOCAL: Final = SymbolBinding.LOCAL
_NOBITS: Final = SectionType.NOBITS
_PROGBITS: Final = SectionType.PROGBITS
_ARRAY: Final = MapType.ARRAY
_PERCPU_ARRAY: Final = MapType.PERCPU_ARRAY
_DATA: Final = MapOrigin.DATA


class SectionTypes(Frozen):
    """What the types say of one data section: its DATASEC and, by (offset, name), the types of its variables."""

    type_id: TypeId
    has_global: bool
    variables: Mapping[tuple[int, str], TypeId]


def is_data_section(section: Section) -> bool:
    """Whether the section becomes a map (even if it turns out to be empty)."""
    name = section.name
    if section.type == _NOBITS:
        return name == BSS or name.startswith(BSS + ".")
    if section.type != _PROGBITS or section.executable:
        return False
    return name in (".data", RODATA, PERCPU) or name.startswith((".data.", RODATA + ".", PERCPU + "."))


def place_variables(elf: ElfFile, btf: Btf) -> tuple[Btf, dict[str, SectionTypes]]:
    """The types with the sizes and offsets that only the ELF file knows, and what they say of each data section."""
    symbols = _data_symbols(elf)
    changed: dict[int, Editable] = {}
    sections: dict[str, SectionTypes] = {}
    for type_id in btf.ids_of(_DATASEC):
        datasec = btf[type_id]
        assert isinstance(datasec, DataSection)
        if datasec.name not in EXTERN_SECTIONS:
            sections[datasec.name] = _place_section(elf, btf, type_id, datasec, symbols, changed)
    return with_types(btf, changed), sections


def _place_section(
    elf: ElfFile,
    btf: Btf,
    type_id: TypeId,
    datasec: DataSection,
    symbols: Mapping[str, Symbol],
    changed: dict[int, Editable],
) -> SectionTypes:
    """What the types say of one section; what the ELF file knows better goes into `changed`."""
    # A linker fills in sizes and offsets; where the size is missing, so are the offsets of global variables.
    # bpftool's (7.1) forgets the offset of a map that a file declares before another defines it: symbols know.
    unplaced = datasec.size == 0
    size = datasec.size or _section_size(elf, btf, datasec)
    placed: list[SectionVariable] = []
    types: dict[tuple[int, str], TypeId] = {}
    has_global = False
    for entry in datasec.variables:
        variable = btf[entry.type]
        if not isinstance(variable, Variable):
            raise SpecError("its types name something that is no variable", file=elf.name, section=datasec.name)
        name, linkage = variable.name, variable.linkage
        if linkage == _GLOBAL:
            symbol = symbols.get(name)
            if unplaced or symbol is not None:
                entry = _placed(elf, datasec, entry, name, symbol)
            if symbol is not None and symbol.visibility in _HIDDEN:
                changed[entry.type] = Variable(name, variable.type, linkage := _STATIC)
        has_global = has_global or linkage != _STATIC
        placed.append(entry)
        types[entry.offset, name] = variable.type
    if len(placed) > 1:
        placed.sort(key=_offset)
    if unplaced or tuple(placed) != datasec.variables:
        changed[type_id] = DataSection(datasec.name, size, tuple(placed))
    return SectionTypes(type_id, has_global, types)


def _offset(entry: SectionVariable) -> int:
    return entry.offset


def _placed(
    elf: ElfFile, datasec: DataSection, entry: SectionVariable, name: str, symbol: Symbol | None
) -> SectionVariable:
    """The entry of global variable `name`, at its symbol's place."""
    if symbol is None:
        raise SpecError(f"variable '{name}' has a type but no symbol", file=elf.name, section=datasec.name)
    if symbol.value > _U32_MAX:
        reason = f"variable '{name}' reaches outside its section"
        raise SpecError(reason, file=elf.name, section=datasec.name, offset=symbol.value)
    return entry if symbol.value == entry.offset else SectionVariable(entry.type, symbol.value, entry.size)


def _section_size(elf: ElfFile, btf: Btf, datasec: DataSection) -> int:
    section = elf.section(datasec.name)
    if section is None or not section.size:
        raise _no_such_section(elf, btf, datasec)
    if section.size > _U32_MAX:
        raise SpecError(f"BTF cannot describe {section.size} bytes of data", file=elf.name, section=datasec.name)
    return section.size


def _no_such_section(elf: ElfFile, btf: Btf, datasec: DataSection) -> SpecError:
    reason = f"the types describe a section '{datasec.name}' that is missing or empty"
    variable = btf[datasec.variables[0].type] if datasec.variables else None
    if isinstance(variable, Variable):
        reason = f"the types place variable '{variable.name}' in section '{datasec.name}', which is missing or empty"
        if variable.linkage == Linkage.EXTERN:
            reason += ": the file only declares it; link it with the file that defines it first: purebpf link"
        elif elf.section(datasec.name) is not None:
            reason += ": give it a size, or leave it out"
    return SpecError(reason, file=elf.name)


def _data_symbols(elf: ElfFile) -> dict[str, Symbol]:
    """The symbols of global data; those of functions cannot be mistaken for them."""
    wanted, local, count = (_OBJECT, _NOTYPE), _LOCAL, len(elf.sections)
    return {
        symbol.name: symbol
        for symbol in elf.symbols
        if symbol.binding != local and symbol.type in wanted and 0 < symbol.section < count
    }


def mark_hidden_functions(btf: Btf, hidden: Collection[str]) -> Btf:
    """The types with hidden global subprograms as static: the verifier then sees them with their callers."""
    changed: dict[int, Editable] = {}
    for name in hidden:
        for type_id in btf.find(name, Kind.FUNC):
            function = btf[type_id]
            if isinstance(function, Function) and function.linkage != _STATIC:
                changed[type_id] = replace(function, linkage=_STATIC)
    return with_types(btf, changed)


def data_maps(elf: ElfFile, types: Mapping[str, SectionTypes]) -> Iterator[tuple[int, MapSpec]]:
    """(section index, map) of each data section that is not empty."""
    for section in elf.sections:
        if not section.size or not is_data_section(section):
            continue
        if section.size > _U32_MAX:
            raise SpecError(f"a map cannot hold {section.size} bytes", file=elf.name, section=section.name)
        read_only = section.name == RODATA or section.name.startswith(RODATA + ".")
        per_cpu = section.name == PERCPU or section.name.startswith(PERCPU + ".")
        known = types.get(section.name)
        mappable = known is not None and known.has_global and not per_cpu
        yield (
            section.index,
            MapSpec(
                name=section.name,
                type=_PERCPU_ARRAY if per_cpu else _ARRAY,
                key_size=4,
                value_size=section.size,
                max_entries=1,
                flags=(F_RDONLY_PROG if read_only else 0) | (F_MMAPABLE if mappable else 0),
                value_type=known.type_id if known is not None else VOID,
                contents=section.data if section.type != _NOBITS else None,
                frozen=read_only,
                origin=_DATA,
                section=section.name,
            ),
        )


def describe_variables(
    elf: ElfFile, types: Mapping[str, SectionTypes], maps: Mapping[int, str]
) -> dict[str, VariableSpec]:
    """Every named variable of the data maps; `maps` gives the map of a section index.

    Names come from the symbols, so that they are known without BTF as well; a static variable whose name is
    taken is left out, because nothing could tell the two apart.
    """
    variables: dict[str, VariableSpec] = {}
    for symbol in elf.symbols:
        if symbol.type != _OBJECT or symbol.section not in maps or not symbol.name:
            continue
        where = maps[symbol.section]
        if symbol.value + symbol.size > elf.sections[symbol.section].size:
            raise SpecError(
                f"variable '{symbol.name}' reaches outside its section",
                file=elf.name,
                section=elf.sections[symbol.section].name,
                offset=symbol.value,
            )
        static = symbol.binding == _LOCAL
        if static and symbol.name in variables:
            continue
        known = types.get(where)
        variables[symbol.name] = VariableSpec(
            name=symbol.name,
            map=where,
            offset=symbol.value,
            size=symbol.size,
            type=known.variables.get((symbol.value, symbol.name), VOID) if known is not None else VOID,
            is_static=static,
        )
    return variables
