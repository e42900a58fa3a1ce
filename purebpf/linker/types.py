"""The types of all files as one BTF, and what they say of code.

Rules:

- a global function or variable is declared once, as the file declares it whose symbol won: an extern declaration
  has no parameter names, and a size only if it is lucky;
- variables are listed under the output's sections, at the places their symbols have there; of `.kconfig` and
  `.ksyms` what is still undefined is left;
- types that are equal become one, across files and inside them;
- what .BTF.ext says of a part of a section moves with it. That includes the code of a weak function that lost:
  it is there, and nobody runs it.
"""

from __future__ import annotations

from array import array

from purebpf.btf import (
    Btf,
    BtfExtWriter,
    BtfWriter,
    DataSection,
    Function,
    InfoSection,
    Kind,
    SectionVariable,
    Variable,
    line_infos,
)
from purebpf.btf.dedup import dedup
from purebpf.errors import SpecError
from purebpf.frozen import Frozen
from purebpf.units import ByteOrder, TypeId

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from purebpf.linker.inputs import Input
    from purebpf.linker.sections import Layout
    from purebpf.linker.symbols import OutputSymbol, Symbols

_EXTERN_SECTIONS = (".kconfig", ".ksyms")
_STATIC = 0


class MergedTypes(Frozen):
    """All types under new ids; `ids[file][old id]` is the new one, 0 where nothing is left of a type."""

    btf: Btf
    ids: list[array[int]]


def merge_types(files: Sequence[Input], layout: Layout, symbols: Symbols) -> MergedTypes:
    """One BTF of all files."""
    kept, ids = _numbered(files, symbols)
    writer = BtfWriter(byteorder=files[0].elf.byteorder)
    for file in files:
        writer.add_renumbered(file.btf, kept[file.number], ids[file.number])
    for section in _data_sections(files, layout, symbols, ids):
        writer.add(section)
    once = dedup(Btf.parse(writer.build()), variables=False)
    merged = [array("I", [once.ids[new] for new in each]) for each in ids]
    return MergedTypes(Btf.parse(once.data), merged)


def _numbered(files: Sequence[Input], symbols: Symbols) -> tuple[list[list[int]], list[array[int]]]:
    """The types of each file that stay, in their new order, and the new ids of all."""
    kept: list[list[int]] = []
    ids: list[array[int]] = []
    others: list[tuple[Input, int, OutputSymbol]] = []
    next_id = 1
    for file in files:
        stays, new = [], array("I", bytes(4 * file.btf.end_id))
        sections = frozenset(file.btf.ids_of(Kind.DATASEC))
        declared = frozenset(file.btf.ids_of(Kind.FUNC, Kind.VAR))
        for type_id in file.btf.ids():
            if type_id in sections:
                continue
            symbol = _symbol_of(file, type_id, symbols) if type_id in declared else None
            if symbol is None or (symbol.file is file and symbol.declared == type_id):
                stays.append(type_id)
                new[type_id] = next_id
                next_id += 1
            else:
                others.append((file, type_id, symbol))
        kept.append(stays)
        ids.append(new)
    for file, type_id, symbol in others:
        if symbol.declared is not None:
            ids[file.number][type_id] = ids[symbol.file.number][symbol.declared]
    return kept, ids


def _symbol_of(file: Input, type_id: int, symbols: Symbols) -> OutputSymbol | None:
    """The symbol that a function or variable declares, if it is global."""
    declared = file.btf[type_id]
    assert isinstance(declared, Function | Variable)
    return symbols.named.get(declared.name) if declared.linkage != _STATIC else None


def _data_sections(
    files: Sequence[Input], layout: Layout, symbols: Symbols, ids: list[array[int]]
) -> Iterator[DataSection]:
    variables: dict[str, dict[TypeId, SectionVariable]] = {}
    for file in files:
        indices = {section.name: section.index for section in file.elf.sections}
        for datasec_id in file.btf.ids_of(Kind.DATASEC):
            datasec = file.btf[datasec_id]
            assert isinstance(datasec, DataSection)
            place = layout.place(file, indices[datasec.name]) if datasec.name in indices else None
            if place is None and datasec.name not in _EXTERN_SECTIONS:
                continue
            shift = place[1] if place is not None else 0
            found = variables.setdefault(datasec.name, {})
            for entry in datasec.variables:
                placed = _placed(file, datasec.name, entry, shift, symbols, ids)
                if placed is not None:
                    found.setdefault(placed.type, placed)
    for name, listed in variables.items():
        section = layout.sections.get(name)
        if listed:
            ordered = sorted(listed.values(), key=lambda variable: variable.offset)
            yield DataSection(name, section.size if section is not None else 0, tuple(ordered))


def _placed(
    file: Input,
    section: str,
    entry: SectionVariable,
    shift: int,
    symbols: Symbols,
    ids: list[array[int]],
) -> SectionVariable | None:
    """Where a variable of a file's section lies in the output's; None if its definition is another one."""
    declared = file.btf[entry.type]
    if not isinstance(declared, Function | Variable):
        raise SpecError(f"DATASEC '{section}' lists a type that is no variable", file=file.name, section=".BTF")
    new_id = TypeId(ids[file.number][entry.type])
    if declared.linkage == _STATIC:
        return SectionVariable(new_id, entry.offset + shift, entry.size)
    symbol = symbols.named.get(declared.name)
    if symbol is None:
        return None
    if section in _EXTERN_SECTIONS:
        return None if symbol.defined else SectionVariable(new_id, 0, entry.size)
    if symbol.section is None or symbol.section.name != section:
        return None
    return SectionVariable(new_id, symbol.value, entry.size or symbol.size)


class TypeSections(Frozen):
    """The bytes of .BTF and, if any file has one, .BTF.ext."""

    btf: bytes
    ext: bytes | None


def write_types(merged: MergedTypes, files: Sequence[Input], layout: Layout) -> TypeSections:
    """The sections that hold the types and what they say of code."""
    writer = BtfWriter.continuing(merged.btf)
    ext = BtfExtWriter(writer)
    said = False
    for file in files:
        if file.ext is None:
            continue
        shifts = {
            section.name: place[1]
            for section in file.elf.sections
            if (place := layout.place(file, section.index)) is not None and section.executable
        }
        for name, shift in shifts.items():
            said = _add_records(ext, file, name, shift, merged) or said
    extension = ext.build() if said else None
    return TypeSections(writer.build(), extension)


def _add_records(ext: BtfExtWriter, file: Input, section: str, shift: int, merged: MergedTypes) -> bool:
    """Move what a file says of its part of a section; whether it said anything."""
    assert file.ext is not None
    functions, lines = file.ext.func_info.get(section), file.ext.line_info.get(section)
    relocations = file.ext.core.get(section, ())
    for offset, type_id in _pairs(functions, file.ext.byteorder) if functions is not None else ():
        ext.func(section, offset + shift, _new_id(file, type_id, merged))
    for line in line_infos(lines, file.btf, file.ext.byteorder) if lines is not None else ():
        ext.line(section, line.insn_offset + shift, line.file, line.text, line.line, line.column)
    for record in relocations:
        ext.core(section, record.insn_offset + shift, _new_id(file, record.type, merged), record.access, record.kind)
    return functions is not None or lines is not None or bool(relocations)


def _pairs(info: InfoSection, byteorder: ByteOrder) -> Iterator[tuple[int, int]]:
    for at in range(0, len(info.records), info.record_size):
        yield (
            int.from_bytes(info.records[at : at + 4], byteorder),
            int.from_bytes(info.records[at + 4 : at + 8], byteorder),
        )


def _new_id(file: Input, type_id: int, merged: MergedTypes) -> TypeId:
    ids = merged.ids[file.number]
    if type_id >= len(ids):
        raise SpecError(f"a record names type {type_id}, which there is not", file=file.name, section=".BTF.ext")
    return TypeId(ids[type_id])
