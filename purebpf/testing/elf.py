"""ELF files of any shape that `ElfWriter` can write."""

from hypothesis import strategies as st
from hypothesis.strategies import DrawFn, SearchStrategy

from purebpf.elf import (
    EM_BPF,
    SHN_ABS,
    SHN_COMMON,
    ElfWriter,
    Relocation,
    Section,
    SectionType,
    Symbol,
    SymbolBinding,
    SymbolType,
)
from purebpf.frozen import Frozen
from purebpf.units import ByteOrder

_NAMES = st.sampled_from((".text", "xdp", ".data", ".bss", ".maps", "license", ".BTF")) | st.text(
    st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=12
)
_UNSIGNED32 = st.integers(0, 2**32 - 1)
_UNSIGNED64 = st.integers(0, 2**64 - 1)
_OTHER_TYPES = (SectionType.STRTAB, 7, 14, 0x6FFF4C03)


class ElfContents(Frozen):
    """What a file is written from.

    The sections' `index` and the symbols' `index` count from 1; `offset` of sections is 0, as the writer sets it.
    Local symbols come first. Relocations are by section index.
    """

    byteorder: ByteOrder
    machine: int
    flags: int
    sections: tuple[Section, ...]
    symbols: tuple[Symbol, ...]
    relocations: dict[int, tuple[Relocation, ...]]

    def build(self) -> bytes:
        """The file."""
        writer = ElfWriter(self.byteorder, machine=self.machine, flags=self.flags)
        for section in self.sections:
            writer.add_section(
                section.name,
                section.data,
                type=section.type,
                flags=section.flags,
                alignment=section.alignment,
                entry_size=section.entry_size,
                link=section.link,
                info=section.info,
                address=section.address,
                size=section.size if section.type == SectionType.NOBITS else None,
            )
        for symbol in self.symbols:
            writer.add_symbol(
                symbol.name,
                section=symbol.section,
                value=symbol.value,
                size=symbol.size,
                type=symbol.type,
                binding=symbol.binding,
                visibility=symbol.visibility,
            )
        for target, relocations in self.relocations.items():
            for relocation in relocations:
                writer.add_relocation(target, relocation.offset, relocation.symbol, relocation.type, relocation.addend)
        return writer.build()


@st.composite
def elf_contents(draw: DrawFn, *, max_sections: int = 6, max_symbols: int = 6) -> ElfContents:
    """Contents of a valid file, with relocations where there is something to relocate."""
    count = draw(st.integers(0, max_sections))
    sections = tuple(draw(_section(index, count)) for index in range(1, count + 1))
    symbols = sorted(draw(st.lists(_symbol(count), max_size=max_symbols)), key=lambda symbol: symbol.binding != 0)
    targets = draw(st.sets(st.sampled_from(sections), max_size=3)) if sections else set()
    return ElfContents(
        byteorder=draw(st.sampled_from(("little", "big"))),
        machine=draw(st.sampled_from((EM_BPF, 0))),
        flags=draw(_UNSIGNED32),
        sections=sections,
        symbols=tuple(_numbered(index, symbol) for index, symbol in enumerate(symbols, 1)),
        relocations={
            target.index: draw(_relocations(target.size, len(symbols)))
            for target in sorted(targets, key=lambda section: section.index)
            if target.size
        },
    )


def elf_files(*, max_sections: int = 6, max_symbols: int = 6) -> SearchStrategy[bytes]:
    """Valid ELF64 relocatable files of both byte orders."""
    return elf_contents(max_sections=max_sections, max_symbols=max_symbols).map(ElfContents.build)


@st.composite
def _section(draw: DrawFn, index: int, count: int) -> Section:
    kind = draw(st.sampled_from((SectionType.PROGBITS, SectionType.PROGBITS, SectionType.NOBITS, *_OTHER_TYPES)))
    data = b"" if kind == SectionType.NOBITS else draw(st.binary(max_size=64))
    return Section(
        index=index,
        name=draw(_NAMES),
        type=kind,
        flags=draw(st.sampled_from((0, 2, 3, 6)) | _UNSIGNED64) & ~0x800,
        offset=0,
        size=draw(_UNSIGNED64) if kind == SectionType.NOBITS else len(data),
        link=draw(st.integers(0, count)),
        info=draw(_UNSIGNED32),
        entry_size=draw(_UNSIGNED64),
        alignment=draw(st.sampled_from((0, 1, 2, 4, 8, 16, 4096))),
        address=draw(_UNSIGNED64),
        data=data,
    )


@st.composite
def _symbol(draw: DrawFn, section_count: int) -> Symbol:
    return Symbol(
        index=0,
        name=draw(_NAMES),
        value=draw(_UNSIGNED64),
        size=draw(_UNSIGNED64),
        type=draw(st.sampled_from(tuple(SymbolType)) | st.integers(0, 15)),
        binding=draw(st.sampled_from(tuple(SymbolBinding)) | st.integers(0, 15)),
        visibility=draw(st.integers(0, 3)),
        section=draw(st.sampled_from((SHN_ABS, SHN_COMMON)) | st.integers(0, section_count)),
    )


def _numbered(index: int, symbol: Symbol) -> Symbol:
    return Symbol(
        index,
        symbol.name,
        symbol.value,
        symbol.size,
        symbol.type,
        symbol.binding,
        symbol.visibility,
        symbol.section,
    )


@st.composite
def _relocations(draw: DrawFn, size: int, symbol_count: int) -> tuple[Relocation, ...]:
    addends: SearchStrategy[int | None] = st.none()
    if draw(st.booleans()):
        addends = st.integers(-(2**63), 2**63 - 1)
    entries = st.builds(
        Relocation,
        offset=st.integers(0, size - 1),
        type=_UNSIGNED32,
        symbol=st.integers(0, symbol_count),
        addend=addends,
    )
    return tuple(draw(st.lists(entries, min_size=1, max_size=4)))
