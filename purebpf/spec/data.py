"""Data sections: one array map each, and the global variables in them.

Rules, as libbpf has them: `.data`, `.rodata` and `.bss`, alone or with a suffix (`.rodata.str1.1`), become a map
of one value unless they are empty; `.rodata*` is read-only for programs and frozen for user space; a section is
memory-mappable if its BTF names at least one variable that is not static. Clang writes neither the size of a
DATASEC nor the offsets of global variables: they are taken from the ELF file before anything reads them. What is
hidden in the ELF file is static in the types.
"""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Final

from purebpf.btf import Btf, DataSection, Function, Kind, Linkage, SectionVariable, Variable, with_types
from purebpf.btf.edits import Editable
from purebpf.elf import ElfFile, Section, SectionType, Symbol, SymbolBinding, SymbolType, SymbolVisibility
from purebpf.errors import SpecError
from purebpf.spec.model import MapOrigin, MapSpec, VariableSpec
from purebpf.uapi import MapType
from purebpf.units import VOID, TypeId

RODATA: Final = ".rodata"
BSS: Final = ".bss"
EXTERN_SECTIONS: Final = (".kconfig", ".ksyms")
# BPF_F_RDONLY_PROG and BPF_F_MMAPABLE of uapi/linux/bpf.h.
F_RDONLY_PROG: Final = 1 << 7
F_MMAPABLE: Final = 1 << 10
_U32_MAX: Final = 0xFFFF_FFFF
_HIDDEN: Final = (SymbolVisibility.HIDDEN, SymbolVisibility.INTERNAL)


@dataclass(frozen=True, slots=True)
class SectionTypes:
    """What the types say of one data section: its DATASEC and, by (offset, name), the types of its variables."""

    type_id: TypeId
    has_global: bool
    variables: Mapping[tuple[int, str], TypeId]


def is_data_section(section: Section) -> bool:
    """Whether the section becomes a map (even if it turns out to be empty)."""
    name = section.name
    if section.type == SectionType.NOBITS:
        return name == BSS or name.startswith(BSS + ".")
    if section.type != SectionType.PROGBITS or section.executable:
        return False
    return name in (".data", RODATA) or name.startswith((".data.", RODATA + "."))


def place_variables(elf: ElfFile, btf: Btf) -> tuple[Btf, dict[str, SectionTypes]]:
    """The types with the sizes and offsets that only the ELF file knows, and what they say of each data section."""
    symbols = _data_symbols(elf)
    changed: dict[int, Editable] = {}
    sections: dict[str, SectionTypes] = {}
    for datasec_id in btf.ids_of(Kind.DATASEC):
        datasec = btf[datasec_id]
        assert isinstance(datasec, DataSection)
        if datasec.name in EXTERN_SECTIONS:
            continue
        variables = [_variable_of(elf, btf, datasec, entry) for entry in datasec.variables]
        for position, variable in enumerate(variables):
            symbol = symbols.get(variable.name)
            if symbol is not None and symbol.visibility in _HIDDEN and variable.linkage == Linkage.GLOBAL:
                variables[position] = hidden = replace(variable, linkage=Linkage.STATIC)
                changed[datasec.variables[position].type] = hidden
        placed = _placed(elf, datasec, variables, symbols)
        if placed != datasec:
            changed[datasec_id] = placed
        names = {entry.type: variable for entry, variable in zip(datasec.variables, variables, strict=True)}
        sections[datasec.name] = SectionTypes(
            datasec_id,
            any(variable.linkage != Linkage.STATIC for variable in variables),
            {(entry.offset, names[entry.type].name): names[entry.type].type for entry in placed.variables},
        )
    return with_types(btf, changed), sections


def _variable_of(elf: ElfFile, btf: Btf, datasec: DataSection, entry: SectionVariable) -> Variable:
    variable = btf[entry.type]
    if not isinstance(variable, Variable):
        raise SpecError("its type information names something that is no variable", file=elf.name, section=datasec.name)
    return variable


def _placed(
    elf: ElfFile, datasec: DataSection, variables: list[Variable], symbols: Mapping[str, Symbol]
) -> DataSection:
    """`datasec` with its size, and its variables at their offsets in the order of those."""
    size, offsets = datasec.size, [entry.offset for entry in datasec.variables]
    if size == 0:
        # A linker fills in sizes and offsets; where the size is missing, so are the offsets of global variables.
        section = elf.section(datasec.name)
        if section is None or not section.size:
            raise SpecError(f"the types describe a section '{datasec.name}' that is missing or empty", file=elf.name)
        size = section.size
        for position, variable in enumerate(variables):
            symbol = symbols.get(variable.name)
            if symbol is not None:
                offsets[position] = symbol.value
            elif variable.linkage == Linkage.GLOBAL:
                raise SpecError(
                    f"variable '{variable.name}' has a type but no symbol", file=elf.name, section=datasec.name
                )
    entries = sorted(
        zip(offsets, datasec.variables, strict=True),
        key=lambda pair: pair[0],
    )
    return DataSection(
        datasec.name,
        size,
        tuple([entry if entry.offset == at else SectionVariable(entry.type, at, entry.size) for at, entry in entries]),
    )


def _data_symbols(elf: ElfFile) -> dict[str, Symbol]:
    """The symbols of global data; those of functions cannot be mistaken for them."""
    wanted, local, count = (SymbolType.OBJECT, SymbolType.NOTYPE), SymbolBinding.LOCAL, len(elf.sections)
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
            if isinstance(function, Function) and function.linkage != Linkage.STATIC:
                changed[type_id] = replace(function, linkage=Linkage.STATIC)
    return with_types(btf, changed)


def data_maps(elf: ElfFile, types: Mapping[str, SectionTypes]) -> Iterator[tuple[int, MapSpec]]:
    """(section index, map) of each data section that is not empty."""
    for section in elf.sections:
        if not section.size or not is_data_section(section):
            continue
        if section.size > _U32_MAX:
            raise SpecError(f"a map cannot hold {section.size} bytes", file=elf.name, section=section.name)
        read_only = section.name == RODATA or section.name.startswith(RODATA + ".")
        known = types.get(section.name)
        mappable = known is not None and known.has_global
        yield (
            section.index,
            MapSpec(
                name=section.name,
                type=MapType.ARRAY,
                key_size=4,
                value_size=section.size,
                max_entries=1,
                flags=(F_RDONLY_PROG if read_only else 0) | (F_MMAPABLE if mappable else 0),
                value_type=known.type_id if known is not None else VOID,
                contents=section.data if section.type != SectionType.NOBITS else None,
                frozen=read_only,
                origin=MapOrigin.DATA,
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
        if symbol.type != SymbolType.OBJECT or symbol.section not in maps or not symbol.name:
            continue
        where = maps[symbol.section]
        if symbol.value + symbol.size > elf.sections[symbol.section].size:
            raise SpecError(
                f"variable '{symbol.name}' reaches outside its section",
                file=elf.name,
                section=elf.sections[symbol.section].name,
                offset=symbol.value,
            )
        static = symbol.binding == SymbolBinding.LOCAL
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
