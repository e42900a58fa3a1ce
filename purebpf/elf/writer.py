"""`ElfWriter`: sections, symbols and relocations to the bytes of an ELF64 relocatable file.

Rules: `add_section` returns the index the section will have in the file. `add_symbol` returns a handle, which
is not the symbol's index in the file: ELF wants local symbols first, so the order is only known at the end;
within locals and within the others it is the order of adding. After the caller's sections come the
relocation sections (one for each section that has any), .symtab and .strtab, which holds the names of
sections too, as LLVM does it. A wrong argument is a ValueError at once, not a broken file later.
"""

from struct import pack

from purebpf.elf.model import (
    EM_BPF,
    SHN_ABS,
    SHN_COMMON,
    SHN_UNDEF,
    SectionType,
    SymbolBinding,
    SymbolType,
    SymbolVisibility,
)
from purebpf.elf.tables import SHN_LORESERVE, SHN_XINDEX
from purebpf.frozen import Frozen, Mutable, field
from purebpf.units import ByteOrder

_HEADER_SIZE = 64
_SECTION_HEADER_SIZE = 64
_SHF_INFO_LINK = 0x40
_OWN_TYPES = (
    SectionType.NULL,
    SectionType.SYMTAB,
    SectionType.SYMTAB_SHNDX,
    SectionType.REL,
    SectionType.RELA,
)

MAX_ALIGNMENT = 1 << 20
"""Padding is written out, so an alignment costs as many bytes."""


class _Entry(Mutable):
    """A section header in the making."""

    name: str
    type: int
    flags: int
    data: bytes
    size: int
    link: int
    info: int
    entry_size: int
    alignment: int
    address: int = 0
    offset: int = 0


class _NewSymbol(Frozen):
    name: str
    section: int
    value: int
    size: int
    type: int
    binding: int
    visibility: int


class _NewRelocation(Frozen):
    offset: int
    symbol: int
    type: int
    addend: int | None


class _Names(Mutable):
    """The one string table; equal names stand in it once."""

    data: bytearray = field(default_factory=lambda: bytearray(1))
    known: dict[str, int] = field(default_factory=lambda: {"": 0})

    def offset_of(self, name: str) -> int:
        offset = self.known.get(name)
        if offset is None:
            offset = self.known[name] = len(self.data)
            self.data += name.encode() + b"\0"
        return offset


class ElfWriter:
    """Builds one file; `build` may be called again after more was added."""

    def __init__(self, byteorder: ByteOrder = "little", *, machine: int = EM_BPF, flags: int = 0) -> None:
        self.byteorder: ByteOrder = byteorder
        self.machine = _unsigned("machine", machine, 16)
        self.flags = _unsigned("flags", flags, 32)
        self._order = "<" if byteorder == "little" else ">"
        self._sections: list[_Entry] = [_Entry("", 0, 0, b"", 0, 0, 0, 0, 0)]
        self._symbols: list[_NewSymbol] = [_NewSymbol("", 0, 0, 0, 0, 0, 0)]
        self._relocations: dict[int, list[_NewRelocation]] = {}

    def add_section(
        self,
        name: str,
        data: bytes = b"",
        *,
        type: int = SectionType.PROGBITS,  # noqa: A002
        flags: int = 0,
        alignment: int = 1,
        entry_size: int = 0,
        link: int = 0,
        info: int = 0,
        address: int = 0,
        size: int | None = None,
    ) -> int:
        """Add a section and return its index. `size` is for NOBITS, which has no data."""
        if (size is not None) != (type == SectionType.NOBITS) or (size is not None and data):
            raise ValueError(f"section '{name}': a NOBITS section has a size and no data, any other data only")
        if type in _OWN_TYPES:
            raise ValueError(f"section '{name}': the writer makes sections of type {int(type)} itself")
        if not 0 <= alignment <= MAX_ALIGNMENT or alignment & (alignment - 1):
            raise ValueError(f"section '{name}': alignment {alignment} is no power of two up to {MAX_ALIGNMENT}")
        self._sections.append(
            _Entry(
                _checked_name(name),
                _unsigned("type", type, 32),
                _unsigned("flags", flags, 64),
                bytes(data),
                len(data) if size is None else _unsigned("size", size, 64),
                _unsigned("link", link, 32),
                _unsigned("info", info, 32),
                _unsigned("entry_size", entry_size, 64),
                _unsigned("alignment", alignment, 64),
                _unsigned("address", address, 64),
            )
        )
        return len(self._sections) - 1

    def add_symbol(
        self,
        name: str,
        *,
        section: int = SHN_UNDEF,
        value: int = 0,
        size: int = 0,
        type: int = SymbolType.NOTYPE,  # noqa: A002
        binding: int = SymbolBinding.GLOBAL,
        visibility: int = SymbolVisibility.DEFAULT,
    ) -> int:
        """Add a symbol and return its handle. `section` is a section's index, SHN_UNDEF, SHN_ABS or SHN_COMMON."""
        if section not in (SHN_ABS, SHN_COMMON):
            if not 0 <= section < len(self._sections):
                raise ValueError(f"symbol '{name}': there is no section {section}")
            if SHN_LORESERVE <= section <= SHN_XINDEX:
                raise ValueError(f"symbol '{name}': section {section} has an index that symbols may not use")
        self._symbols.append(
            _NewSymbol(
                _checked_name(name),
                section,
                _unsigned("value", value, 64),
                _unsigned("size", size, 64),
                _unsigned("type", type, 4),
                _unsigned("binding", binding, 4),
                _unsigned("visibility", visibility, 2),
            )
        )
        return len(self._symbols) - 1

    def add_relocation(
        self,
        section: int,
        offset: int,
        symbol: int,
        type: int,  # noqa: A002
        addend: int | None = None,
    ) -> None:
        """Relocate `section` at `offset` by the symbol of handle `symbol`.

        With an `addend` it is RELA, without one REL; all of one section are of the same form.
        """
        if not 0 < section < len(self._sections):
            raise ValueError(f"there is no section {section} to relocate")
        if not 0 <= offset < self._sections[section].size:
            raise ValueError(f"offset {offset} is outside section '{self._sections[section].name}'")
        if not 0 <= symbol < len(self._symbols):
            raise ValueError(f"there is no symbol of handle {symbol}")
        if addend is not None and not -(1 << 63) <= addend < 1 << 63:
            raise ValueError(f"addend {addend} does not fit into 64 bits")
        new = _NewRelocation(offset, symbol, _unsigned("type", type, 32), addend)
        relocations = self._relocations.get(section, [])
        if relocations and (relocations[0].addend is None) != (addend is None):
            raise ValueError(f"section '{self._sections[section].name}' would have both REL and RELA relocations")
        self._relocations.setdefault(section, relocations).append(new)

    def build(self) -> bytes:
        """The file."""
        sections = [*self._sections]
        for section in sections:
            if section.link >= len(sections):
                raise ValueError(f"section '{section.name}' links to section {section.link}, which was not added")
        symbol_table = len(sections) + len(self._relocations)
        order = self._symbol_order()
        position = {handle: index for index, handle in enumerate(order)}
        for target, relocations in self._relocations.items():
            sections.append(self._relocation_section(target, relocations, position, symbol_table))
        names = _Names()
        sections += self._symbol_sections(order, names, symbol_table)
        strings = _Entry(".strtab", SectionType.STRTAB, 0, b"", 0, 0, 0, 0, 1)
        sections.append(strings)
        sections[symbol_table].link = len(sections) - 1
        labels = [names.offset_of(section.name) for section in sections]
        strings.data = bytes(names.data)
        strings.size = len(strings.data)
        return self._file(sections, labels)

    def _symbol_order(self) -> list[int]:
        """Handles in the order of the file: the null symbol, locals, the others (a sort keeps ties in order)."""
        return sorted(range(len(self._symbols)), key=lambda handle: self._symbols[handle].binding != 0)

    def _relocation_section(
        self, target: int, relocations: list[_NewRelocation], position: dict[int, int], symbol_table: int
    ) -> _Entry:
        packed = bytearray()
        for relocation in relocations:
            info = position[relocation.symbol] << 32 | relocation.type
            packed += pack(f"{self._order}QQ", relocation.offset, info)
            if relocation.addend is not None:
                packed += pack(f"{self._order}q", relocation.addend)
        with_addend = relocations[0].addend is not None
        name = (".rela" if with_addend else ".rel") + self._sections[target].name
        kind = SectionType.RELA if with_addend else SectionType.REL
        width = 24 if with_addend else 16
        return _Entry(name, kind, _SHF_INFO_LINK, bytes(packed), len(packed), symbol_table, target, width, 8)

    def _symbol_sections(self, order: list[int], names: _Names, index: int) -> list[_Entry]:
        """.symtab, and the table beside it where a section's index does not fit into 16 bits."""
        packed = bytearray()
        extended = []
        for handle in order:
            symbol = self._symbols[handle]
            far = symbol.section > SHN_XINDEX
            extended.append(symbol.section if far else 0)
            packed += pack(
                f"{self._order}IBBHQQ",
                names.offset_of(symbol.name),
                symbol.binding << 4 | symbol.type,
                symbol.visibility,
                SHN_XINDEX if far else symbol.section,
                symbol.value,
                symbol.size,
            )
        local = sum(self._symbols[handle].binding == 0 for handle in order)
        tables = [_Entry(".symtab", SectionType.SYMTAB, 0, bytes(packed), len(packed), 0, local, 24, 8)]
        if any(extended):
            data = pack(f"{self._order}{len(extended)}I", *extended)
            tables.append(_Entry(".symtab_shndx", SectionType.SYMTAB_SHNDX, 0, data, len(data), index, 0, 4, 4))
        return tables

    def _file(self, sections: list[_Entry], labels: list[int]) -> bytes:
        body = bytearray(_HEADER_SIZE)
        for section in sections[1:]:
            body += bytes(-len(body) % max(section.alignment, 1))
            section.offset = len(body)
            body += section.data
        body += bytes(-len(body) % 8)
        header_offset = len(body)
        count, names_index = len(sections), len(sections) - 1
        if count >= SHN_LORESERVE:
            sections[0] = _Entry("", 0, 0, b"", count, names_index, 0, 0, 0)
            count, names_index = 0, SHN_XINDEX
        for label, section in zip(labels, sections, strict=True):
            body += self._section_header(label, section)
        body[:_HEADER_SIZE] = self._file_header(header_offset, count, names_index)
        return bytes(body)

    def _section_header(self, label: int, section: _Entry) -> bytes:
        return pack(
            f"{self._order}IIQQQQIIQQ",
            label,
            section.type,
            section.flags,
            section.address,
            section.offset,
            section.size,
            section.link,
            section.info,
            section.alignment,
            section.entry_size,
        )

    def _file_header(self, section_headers: int, count: int, names_index: int) -> bytes:
        identification = b"\x7fELF\x02" + (b"\x01" if self.byteorder == "little" else b"\x02") + b"\x01" + bytes(9)
        return identification + pack(
            f"{self._order}HHIQQQIHHHHHH",
            1,
            self.machine,
            1,
            0,
            0,
            section_headers,
            self.flags,
            _HEADER_SIZE,
            0,
            0,
            _SECTION_HEADER_SIZE,
            count,
            names_index,
        )


def _unsigned(what: str, value: int, bits: int) -> int:
    if not 0 <= value < 1 << bits:
        raise ValueError(f"{what} {value} does not fit into {bits} bits")
    return int(value)


def _checked_name(name: str) -> str:
    if "\0" in name:
        raise ValueError(f"a name with a NUL character: {name!r}")
    name.encode()
    return name
