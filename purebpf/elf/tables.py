"""The tables inside a file: names, symbols, relocations.

Rules: whatever a table refers to is checked when the file is read, so following a reference later never
fails. Relocations are checked in bulk (the largest offset and the largest symbol index of a section, at C
speed) and become objects only when asked for: an object with DWARF has hundreds of them that no one looks at. Those of
sections that are never loaded are left out if they do not fit.

Names are decoded once per offset and their total is limited to a small multiple of the file's size: names may
overlap (linkers share tails), and without a limit n names of n bytes each would fit into a file of n bytes.
"""

from __future__ import annotations

from struct import Struct, unpack

from purebpf.elf.model import (
    SHF_ALLOC,
    SHN_ABS,
    SHN_COMMON,
    Relocation,
    Section,
    SectionType,
    Symbol,
    SymbolBinding,
    SymbolType,
    SymbolVisibility,
)
from purebpf.errors import ElfError
from purebpf.standard import Mapping

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

MAX_EXPANSION = 4
"""Bytes of sections, and separately of names, that a byte of file may stand for."""

SHN_LORESERVE = 0xFF00
SHN_XINDEX = 0xFFFF

SHF_ALLOC_COMPRESSED = 0x802
"""SHF_ALLOC | SHF_COMPRESSED: a combination that ELF forbids."""

# Looking a member up in an enum class costs as much as a call, 0.1 us.
_REL_TYPE = int(SectionType.REL)
_SYMTAB_SHNDX = int(SectionType.SYMTAB_SHNDX)

_SYMBOL = {"<": Struct("<IBBHQQ"), ">": Struct(">IBBHQQ")}
_REL = {"<": Struct("<QQ"), ">": Struct(">QQ")}
_RELA = {"<": Struct("<QQq"), ">": Struct(">QQq")}


def _members(enum: type[SymbolType] | type[SymbolBinding]) -> tuple[int, ...]:
    known = {int(member): member for member in enum}
    return tuple(known.get(number, number) for number in range(16))


_TYPES = _members(SymbolType)
_BINDINGS = _members(SymbolBinding)
_VISIBILITIES = tuple(SymbolVisibility)


class StringTable:
    """The names of one string table section."""

    __slots__ = ("_budget", "_data", "_file", "_known", "_section")

    def __init__(self, data: bytes, *, file: str, section: str, file_size: int) -> None:
        self._data = data
        self._file = file
        self._section = section
        self._budget = MAX_EXPANSION * file_size
        self._known = {0: ""} if data[:1] == b"\0" else {}

    def names(self, offsets: Iterable[int]) -> list[str]:
        """The names that start at `offsets`, in their order."""
        data, known, budget = self._data, self._known, self._budget
        find = data.find
        names = []
        for offset in offsets:
            name = known.get(offset)
            if name is None:
                end = find(0, offset)
                budget -= end - offset
                if end < 0 or budget < 0:
                    raise self._error(offset, end)
                try:
                    name = known[offset] = data[offset:end].decode()
                except UnicodeDecodeError as error:
                    raise self._undecodable(offset, end, error.start) from None
            names.append(name)
        self._budget = budget
        return names

    def _error(self, offset: int, end: int) -> ElfError:
        size = len(self._data)
        if end >= 0:
            reason = f"overlapping names would take more than {MAX_EXPANSION} times the file's size"
        else:
            reason = f"a name past the table's {size} bytes" if offset >= size else "a name that no NUL byte ends"
        return ElfError(reason, file=self._file, section=self._section, offset=offset)

    def _undecodable(self, offset: int, end: int, bad: int) -> ElfError:
        reason = f"a name that is not UTF-8: {self._data[offset : min(end, offset + 32)]!r}"
        return ElfError(reason, file=self._file, section=self._section, offset=offset + bad)


def check_entries(table: Section, size: int, *, file: str) -> None:
    """Check that a section is a whole number of entries of `size` bytes."""
    if table.entry_size != size:
        raise ElfError(f"entries of {table.entry_size} bytes, not {size}", file=file, section=table.name, offset=0)
    if len(table.data) % size:
        offset = len(table.data) // size * size
        raise ElfError(f"the last entry has fewer than {size} bytes", file=file, section=table.name, offset=offset)


def string_table(sections: Sequence[Section], user: Section, *, file: str, file_size: int) -> StringTable:
    """The string table that `user` links to."""
    table = sections[user.link]
    if table.type != SectionType.STRTAB:
        raise ElfError(f"its sh_link {user.link} is no string table", file=file, section=user.name)
    return StringTable(table.data, file=file, section=table.name, file_size=file_size)


def read_symbols(
    sections: Sequence[Section], table: Section | None, *, order: str, file: str, file_size: int
) -> tuple[Symbol, ...]:
    """Every symbol of the symbol table `table`; none where the file has no table."""
    if table is None:
        return ()
    check_entries(table, 24, file=file)
    strings = string_table(sections, table, file=file, file_size=file_size)
    extended = _extended_indices(sections, table, order=order, file=file)
    limit = min(len(sections), SHN_LORESERVE)
    entries = list(_SYMBOL[order].iter_unpack(table.data))
    names = strings.names([entry[0] for entry in entries])
    symbols = []
    for index, (_, info, other, section, value, size) in enumerate(entries):
        if section >= limit and section != SHN_ABS and section != SHN_COMMON:
            section = _far_section(section, index, extended, len(sections), table=table, file=file)
        kind, binding, visibility = _TYPES[info & 15], _BINDINGS[info >> 4], _VISIBILITIES[other & 3]
        symbols.append(Symbol(index, names[index], value, size, kind, binding, visibility, section))
    return tuple(symbols)


def _extended_indices(sections: Sequence[Section], table: Section, *, order: str, file: str) -> tuple[int, ...]:
    """Section indices that do not fit into 16 bits, by symbol; empty where the file has no such table."""
    for section in sections:
        if section.type == _SYMTAB_SHNDX and section.link == table.index:
            check_entries(section, 4, file=file)
            return unpack(f"{order}{len(section.data) // 4}I", section.data)
    return ()


def _far_section(section: int, symbol: int, extended: tuple[int, ...], count: int, *, table: Section, file: str) -> int:
    """The section of a symbol whose 16-bit index is no plain one."""
    if section != SHN_XINDEX:
        reason = f"a symbol in section {section:#x}, of {count}"
    elif symbol >= len(extended):
        reason = "a symbol with an extended section index, which the file does not give"
    elif extended[symbol] >= count:
        reason = f"a symbol in section {extended[symbol]:#x}, of {count}"
    elif SHN_LORESERVE <= extended[symbol] <= SHN_XINDEX:
        # A Symbol could not tell such a section from SHN_ABS. BPF objects have tens of sections.
        reason = f"a symbol in section {extended[symbol]:#x}, an index that is reserved"
    else:
        return extended[symbol]
    raise ElfError(reason, file=file, section=table.name, offset=24 * symbol)


class RelocationTable(Mapping[int, tuple[Relocation, ...]]):
    """Relocations by the index of the section they apply to, decoded when asked for."""

    __slots__ = ("_decoded", "_order", "_tables")

    def __init__(self, order: str) -> None:
        self._order = order
        self._tables: dict[int, list[Section]] = {}
        self._decoded: dict[int, tuple[Relocation, ...]] = {}

    def add(self, table: Section, target: Section, symbol_count: int, *, file: str) -> None:
        """Take in one REL or RELA section, after checking every entry.

        Of a section that is not loaded (debug information, types) entries that do not fit are nobody's concern: those
        of a compressed one speak of its bytes before they were compressed, others of bytes that a tool took out.
        """
        try:
            taken = self._check(table, target, symbol_count, file=file)
        except ElfError:
            if target.flags & SHF_ALLOC:
                raise
            return
        if taken:
            self._tables.setdefault(target.index, []).append(table)

    def _check(self, table: Section, target: Section, symbol_count: int, *, file: str) -> bool:
        """Whether there are any entries, all of which fit."""
        width = 2 if table.type == _REL_TYPE else 3
        check_entries(table, 8 * width, file=file)
        if not table.data:
            return False
        fields = unpack(f"{self._order}{len(table.data) // 8}Q", table.data)
        offsets, infos = fields[::width], fields[1::width]
        if max(offsets) >= target.size:
            entry = next(index for index, offset in enumerate(offsets) if offset >= target.size)
            reason = f"a relocation at {offsets[entry]:#x} of section '{target.name}', which has {target.size:#x} bytes"
            raise ElfError(reason, file=file, section=table.name, offset=8 * width * entry)
        if max(infos) >> 32 >= symbol_count:
            entry = next(index for index, info in enumerate(infos) if info >> 32 >= symbol_count)
            reason = f"a relocation by symbol {infos[entry] >> 32}, of {symbol_count}"
            raise ElfError(reason, file=file, section=table.name, offset=8 * width * entry)
        return True

    def __getitem__(self, section: int) -> tuple[Relocation, ...]:
        decoded = self._decoded.get(section)
        if decoded is None:
            tables = self._tables[section]
            decoded = tuple(entry for table in tables for entry in self._entries(table))
            self._decoded[section] = decoded
        return decoded

    def __iter__(self) -> Iterator[int]:
        return iter(self._tables)

    def __len__(self) -> int:
        return len(self._tables)

    def __repr__(self) -> str:
        return repr(dict(self))

    def _entries(self, table: Section) -> list[Relocation]:
        if table.type == _REL_TYPE:
            return [
                Relocation(offset, info & 0xFFFFFFFF, info >> 32)
                for offset, info in _REL[self._order].iter_unpack(table.data)
            ]
        return [
            Relocation(offset, info & 0xFFFFFFFF, info >> 32, addend)
            for offset, info, addend in _RELA[self._order].iter_unpack(table.data)
        ]
