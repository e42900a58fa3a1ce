"""Data sections: one array map each, and the global variables in them.

Rules, as libbpf has them: `.data`, `.rodata` and `.bss`, alone or with a suffix (`.rodata.str1.1`), become a map
of one value unless they are empty; `.rodata*` is read-only for programs and frozen for user space; a section is
memory-mappable if its BTF names at least one variable that is not static. Clang writes neither the size of a
DATASEC nor the offsets of global variables: they are taken from the ELF file before anything reads them.
"""

from collections.abc import Iterator, Mapping
from typing import Final

from purebpf.btf import (
    Btf,
    DataSection,
    Kind,
    Linkage,
    Variable,
    with_data_sections,
    with_static_functions,
    with_static_variables,
)
from purebpf.elf import ElfFile, Section, SectionType, Symbol, SymbolBinding, SymbolType, SymbolVisibility
from purebpf.errors import SpecError
from purebpf.spec.model import MapOrigin, MapSpec, VariableSpec
from purebpf.uapi import MapType
from purebpf.units import TypeId

RODATA: Final = ".rodata"
BSS: Final = ".bss"
EXTERN_SECTIONS: Final = (".kconfig", ".ksyms")
# BPF_F_RDONLY_PROG and BPF_F_MMAPABLE of uapi/linux/bpf.h.
F_RDONLY_PROG: Final = 1 << 7
F_MMAPABLE: Final = 1 << 10
_U32_MAX: Final = 0xFFFF_FFFF
_HIDDEN: Final = (SymbolVisibility.HIDDEN, SymbolVisibility.INTERNAL)


def is_data_section(section: Section) -> bool:
    """Whether the section becomes a map (even if it turns out to be empty)."""
    name = section.name
    if section.type == SectionType.NOBITS:
        return name == BSS or name.startswith(BSS + ".")
    if section.type != SectionType.PROGBITS or section.executable:
        return False
    return name in (".data", RODATA) or name.startswith((".data.", RODATA + "."))


def place_variables(elf: ElfFile, btf: Btf) -> Btf:
    """The same types with the sizes and offsets that only the ELF file knows."""
    symbols = _data_symbols(elf)
    sections: dict[str, tuple[int, dict[str, int]]] = {}
    for datasec_id in btf.ids_of(Kind.DATASEC):
        datasec = btf[datasec_id]
        assert isinstance(datasec, DataSection)
        if datasec.name in EXTERN_SECTIONS:
            continue
        if datasec.size == 0:
            sections[datasec.name] = _placed(elf, btf, datasec, symbols)
        else:
            # Linked objects have sizes and offsets, but not always in the order the kernel wants.
            sections[datasec.name] = datasec.size, {}
    hidden = [symbol.name for symbol in symbols.values() if symbol.visibility in _HIDDEN]
    return with_static_variables(with_data_sections(btf, sections), hidden)


def _placed(elf: ElfFile, btf: Btf, datasec: DataSection, symbols: Mapping[str, Symbol]) -> tuple[int, dict[str, int]]:
    section = elf.section(datasec.name)
    if section is None or not section.size:
        raise SpecError(f"the types describe a section '{datasec.name}' that is missing or empty", file=elf.name)
    offsets: dict[str, int] = {}
    for entry in datasec.variables:
        variable = btf[entry.type]
        if not isinstance(variable, Variable):
            raise SpecError("its type information names something that is no variable", file=elf.name,
                            section=datasec.name)  # fmt: skip
        if variable.linkage == Linkage.GLOBAL:
            symbol = symbols.get(variable.name)
            if symbol is None:
                raise SpecError(f"variable '{variable.name}' has a type but no symbol", file=elf.name,
                                section=datasec.name)  # fmt: skip
            offsets[variable.name] = symbol.value
    return section.size, offsets


def _data_symbols(elf: ElfFile) -> dict[str, Symbol]:
    return {
        symbol.name: symbol
        for symbol in elf.symbols
        if symbol.type in (SymbolType.OBJECT, SymbolType.NOTYPE)
        and symbol.binding != SymbolBinding.LOCAL
        and 0 < symbol.section < len(elf.sections)
    }


def mark_hidden_functions(btf: Btf, hidden: frozenset[str]) -> Btf:
    """The same types with hidden global subprograms as static: the verifier then sees them with their callers."""
    return with_static_functions(btf, hidden) if hidden else btf


def data_maps(elf: ElfFile, btf: Btf | None) -> Iterator[tuple[int, MapSpec]]:
    """(section index, map) of each data section that is not empty."""
    for section in elf.sections:
        if not section.size or not is_data_section(section):
            continue
        if section.size > _U32_MAX:
            raise SpecError(f"a map cannot hold {section.size} bytes", file=elf.name, section=section.name)
        read_only = section.name == RODATA or section.name.startswith(RODATA + ".")
        value_type = btf.find_one(section.name, Kind.DATASEC) if btf is not None else None
        mappable = btf is not None and value_type is not None and _has_global_variable(btf, value_type)
        yield (
            section.index,
            MapSpec(
                name=section.name,
                type=MapType.ARRAY,
                key_size=4,
                value_size=section.size,
                max_entries=1,
                flags=(F_RDONLY_PROG if read_only else 0) | (F_MMAPABLE if mappable else 0),
                value_type=value_type or TypeId(0),
                contents=section.data if section.type != SectionType.NOBITS else None,
                frozen=read_only,
                origin=MapOrigin.DATA,
                section=section.name,
            ),
        )


def _has_global_variable(btf: Btf, datasec_id: TypeId) -> bool:
    datasec = btf[datasec_id]
    assert isinstance(datasec, DataSection)
    variables = (btf[entry.type] for entry in datasec.variables)
    return any(isinstance(variable, Variable) and variable.linkage != Linkage.STATIC for variable in variables)


def describe_variables(elf: ElfFile, btf: Btf | None, maps: Mapping[int, str]) -> dict[str, VariableSpec]:
    """Every named variable of the data maps; `maps` gives the map of a section index.

    Names come from the symbols, so that they are known without BTF as well; a static variable whose name is
    taken is left out, because nothing could tell the two apart.
    """
    types = _variable_types(btf, frozenset(maps.values())) if btf is not None else {}
    variables: dict[str, VariableSpec] = {}
    for symbol in elf.symbols:
        if symbol.type != SymbolType.OBJECT or symbol.section not in maps or not symbol.name:
            continue
        where = maps[symbol.section]
        if symbol.value + symbol.size > elf.sections[symbol.section].size:
            raise SpecError(f"variable '{symbol.name}' reaches outside its section", file=elf.name,
                            section=elf.sections[symbol.section].name, offset=symbol.value)  # fmt: skip
        static = symbol.binding == SymbolBinding.LOCAL
        if static and symbol.name in variables:
            continue
        variables[symbol.name] = VariableSpec(
            name=symbol.name,
            map=where,
            offset=symbol.value,
            size=symbol.size,
            type=types.get((where, symbol.value, symbol.name), TypeId(0)),
            is_static=static,
        )
    return variables


def _variable_types(btf: Btf, sections: frozenset[str]) -> dict[tuple[str, int, str], TypeId]:
    types: dict[tuple[str, int, str], TypeId] = {}
    for name in sections:
        datasec_id = btf.find_one(name, Kind.DATASEC)
        datasec = btf[datasec_id] if datasec_id is not None else None
        for entry in datasec.variables if isinstance(datasec, DataSection) else ():
            variable = btf[entry.type]
            if isinstance(variable, Variable):
                types[name, entry.offset, variable.name] = variable.type
    return types
