"""The steps of linking in their order, and the file that comes out.

Rules: the order of the files counts (of two weak definitions the first wins), and the same files in the same order
give the same bytes. What a relocation adds to a symbol stands in the relocated bytes: where the symbol is a whole
section, whose part has moved, it is corrected there.
"""

from __future__ import annotations

from purebpf.elf import (
    SHN_UNDEF,
    ElfWriter,
    Relocation,
    SectionType,
    SymbolBinding,
    SymbolType,
)
from purebpf.errors import SpecError
from purebpf.insn.words import CALL, LDIMM64, SLOT
from purebpf.linker.inputs import Input, clash, read_input
from purebpf.linker.sections import Layout, OutputSection, lay_out
from purebpf.linker.symbols import OutputSymbol, Symbols, resolve_symbols
from purebpf.linker.types import merge_types, write_types

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from purebpf.linker.inputs import Source

_R_BPF_64_ABS64 = 2
_R_BPF_64_ABS32 = 3
_DATA_WIDTHS = {_R_BPF_64_ABS64: 8, _R_BPF_64_ABS32: 4}


def link_objects(sources: Iterable[Source]) -> bytes:
    """The object file that holds all of `sources`; `ObjectFileError` where they do not go together.

    One source is linked too: equal types become one, and what loaders have no use for is left out.
    """
    files = [read_input(source, number) for number, source in enumerate(sources)]
    if not files:
        raise ValueError("nothing to link: give at least one object file")
    _check_same_form(files)
    layout = lay_out(files)
    symbols = resolve_symbols(files, layout)
    types = write_types(merge_types(files, layout, symbols), files, layout)
    relocations = [
        moved for file in files for section in file.elf.relocations for moved in _moved(file, section, layout, symbols)
    ]
    return _written(files[0], layout, symbols, relocations, types.btf, types.ext)


def _check_same_form(files: Sequence[Input]) -> None:
    first = files[0]
    for file in files[1:]:
        if file.elf.byteorder != first.elf.byteorder:
            remedy = "compile both for the same machines (clang -target bpfel, or bpfeb)"
            reason = f"{first.elf.byteorder}-endian and {file.elf.byteorder}-endian code"
            raise clash(reason, first, file, remedy=remedy)
        if file.elf.machine != first.elf.machine:
            raise clash(f"code for machine {first.elf.machine} and for machine {file.elf.machine}", first, file)


_Moved = tuple[OutputSection, int, int, OutputSymbol | OutputSection]
"""Section, offset in it, type and what it refers to."""


def _moved(file: Input, index: int, layout: Layout, symbols: Symbols) -> Iterable[_Moved]:
    """The relocations of one section of a file, as they are in the output."""
    place = layout.place(file, index)
    if place is None:
        return
    section, begin = place
    for relocation in file.elf.relocations[index]:
        at = begin + relocation.offset
        target = symbols.became.get((file.number, relocation.symbol))
        if target is None or relocation.addend is not None or at + 4 > section.size:
            raise _refusal(file, section, relocation)
        if isinstance(target, OutputSection):
            source = layout.place(file, file.elf.symbols[relocation.symbol].section)
            assert source is not None
            _add_shift(file, section, relocation, at, source[1])
        yield section, at, relocation.type, target


def _refusal(file: Input, section: OutputSection, relocation: Relocation) -> SpecError:
    name = file.elf.symbols[relocation.symbol].name
    reason = f"a relocation against '{name}', which is in no section that is linked"
    if relocation.addend is not None:
        reason = "relocations with addends (RELA), which no compiler writes for BPF"
    return SpecError(reason, file=file.name, section=section.name, offset=relocation.offset)


def _add_shift(file: Input, section: OutputSection, relocation: Relocation, at: int, shift: int) -> None:
    """Correct what stands in the bytes at `at` by the place of the part that it refers to."""
    byteorder, data = file.elf.byteorder, section.data
    width, unit = _DATA_WIDTHS.get(relocation.type, 0), 1
    if section.executable:
        # A call counts instructions from the section's start, an address bytes.
        opcode = data[at] if at + SLOT <= len(data) else 0
        width, unit, at = 4, SLOT if opcode == CALL else 1, at + 4
        if opcode not in (CALL, LDIMM64):
            raise SpecError(
                f"a relocation at an instruction {opcode:#04x} that holds no address",
                file=file.name,
                section=section.name,
                offset=relocation.offset,
            )
    if not width or at + width > len(data):
        raise SpecError(
            f"a relocation of type {relocation.type} against a section, in bytes that are no code",
            file=file.name,
            section=section.name,
            offset=relocation.offset,
        )
    value = int.from_bytes(data[at : at + width], byteorder) + shift // unit
    data[at : at + width] = (value & (1 << 8 * width) - 1).to_bytes(width, byteorder)


def _written(
    first: Input,
    layout: Layout,
    symbols: Symbols,
    relocations: Iterable[_Moved],
    btf: bytes,
    ext: bytes | None,
) -> bytes:
    writer = ElfWriter(first.elf.byteorder, machine=first.elf.machine, flags=first.elf.flags)
    indices: dict[OutputSection, int] = {}
    handles: dict[OutputSymbol | OutputSection, int] = {}
    for section in layout.sections.values():
        indices[section] = index = writer.add_section(
            section.name,
            bytes(section.data),
            type=section.type,
            flags=section.flags,
            alignment=section.alignment,
            entry_size=section.entry_size,
            size=section.size if section.type == SectionType.NOBITS else None,
        )
        handles[section] = writer.add_symbol("", section=index, type=SymbolType.SECTION, binding=SymbolBinding.LOCAL)
    writer.add_section(".BTF", btf, alignment=4)
    if ext is not None:
        writer.add_section(".BTF.ext", ext, alignment=4)
    for symbol in (*symbols.local, *symbols.named.values()):
        handles[symbol] = writer.add_symbol(
            symbol.name,
            section=indices[symbol.section] if symbol.section is not None else SHN_UNDEF,
            value=symbol.value,
            size=symbol.size,
            type=symbol.type,
            binding=_binding(symbol),
            visibility=symbol.visibility,
        )
    for section, offset, kind, target in relocations:
        writer.add_relocation(indices[section], offset, handles[target], kind)
    return writer.build()


def _binding(symbol: OutputSymbol) -> int:
    if symbol.is_local:
        return SymbolBinding.LOCAL
    return SymbolBinding.WEAK if symbol.weak else SymbolBinding.GLOBAL
