"""Functions of an executable or shared library, as offsets into its file: what a uprobe is attached to.

A symbol table is searched, not read: the file is mapped, an exported name is looked up in the linker's own hash
table (80 us in a library of 52 000 symbols), any other by finding its bytes among the strings and then its offset
among the symbols (6 ms for 110 000). pyelftools, which makes an object of every symbol, takes 460 times as long
as libbpf; one Python tuple a symbol 3 times.

The probe's offset is not the symbol's value: the kernel wants the place in the file (value - section's address +
section's offset), for fixed (ET_EXEC) and position-independent (ET_DYN) files alike.

Any bytes give an answer or an `ElfError`. The one thing not guarded against is a file cut short while it is mapped.
"""

import itertools
import mmap
import os
import struct
from collections.abc import Iterator
from contextlib import contextmanager

from purebpf.errors import AttachTargetError, ElfError
from purebpf.frozen import Frozen
from purebpf.near import did_you_mean

_SYMTAB, _DYNSYM, _GNU_HASH, _VERDEF, _VERSYM = 2, 11, 0x6FFFFFF6, 0x6FFFFFFD, 0x6FFFFFFF
_FUNC, _GNU_IFUNC = 2, 10
_LOCAL, _WEAK = 0, 2
_FIRST_RESERVED_SECTION = 0xFF00
_NAMED_BY_SEARCH = 32
"""Up to so many places where a name may start, each is looked for in the symbols (2.7 ms for 110 000 of them); above,
one pass over all of them (130 ms) costs less."""
_MOST_VERSIONS = 1 << 15
_MOST_NAMES = 400_000


class FunctionSymbol(Frozen):
    """One function of a file. `version` is '' for one without; `hidden` is true for 'f@VER', false for 'f@@VER'."""

    name: str
    offset: int
    size: int
    binding: int
    version: str = ""
    hidden: bool = False


class _Section(Frozen):
    kind: int
    address: int
    offset: int
    size: int
    link: int


class _Symbol(Frozen):
    index: int
    name: int
    binding: int
    kind: int
    section: int
    value: int
    size: int


def function_offset(path: str | os.PathLike[str], name: str) -> int:
    """File offset of function `name` ('f', 'f@VER' or 'f@@VER').

    Where several functions share the name, an exported one goes before a local one, a strong one before a weak one
    and a default version before the others; what is still ambiguous is an error, as is a name that is missing.
    """
    label = os.fspath(path)
    with open_symbols(label) as symbols:
        found = symbols.find(name)
        offsets = {symbol.offset for symbol in found}
        if len(offsets) == 1:
            return offsets.pop()
        if offsets:
            places = ", ".join(f"{offset:#x}" for offset in sorted(offsets)[:8])
            raise AttachTargetError(
                f"'{label}' has {len(offsets)} functions '{name}'",
                evidence=[f"at file offsets {places}"],
                remedy=f"name one by its offset: {label}:{min(offsets):#x}",
            )
        raise AttachTargetError(f"'{label}' has no function '{name}'", evidence=symbols.explain_missing(name))


@contextmanager
def open_symbols(path: str) -> Iterator["ElfSymbols"]:
    """Map the file for the length of the block. A missing or unreadable file is an `OSError`."""
    with open(path, "rb") as file:
        if os.fstat(file.fileno()).st_size == 0:
            raise ElfError("the file is empty", file=path)
        with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
            yield ElfSymbols(data, path)


class ElfSymbols:
    """Questions about the symbols of one mapped ELF file (32 or 64 bits, either byte order)."""

    def __init__(self, data: mmap.mmap | bytes, file: str = "<bytes>") -> None:
        self._data = data
        self._file = file
        ident = data[:6]
        if ident[:4] != b"\x7fELF" or ident[4:5] not in (b"\1", b"\2") or ident[5:6] not in (b"\1", b"\2"):
            raise ElfError("not an ELF file", file=file)
        self._wide = ident[4] == 2
        order = "<" if ident[5] == 1 else ">"
        self._u16 = struct.Struct(order + "H")
        self._u32 = struct.Struct(order + "I")
        self._symbol = struct.Struct(order + ("IBBHQQ" if self._wide else "IIIBBH"))
        self._sections = self._read_sections(order)

    def find(self, name: str) -> tuple[FunctionSymbol, ...]:
        """The functions that `name` may mean: of the same rank, at different places."""
        if not name or "\0" in name:
            return ()
        bare, at, version = name.partition("@")
        default_only = version.startswith("@")
        version = version.lstrip("@")
        exported = self._find_exported(bare)
        if at:
            exported = [
                symbol for symbol in exported if symbol.version == version and not (default_only and symbol.hidden)
            ]
        return self._best(exported) or self._best(self._find_in_symtab(name))

    def names(self) -> Iterator[str]:
        """Names of all functions with a place in the file; for error messages, as it reads every symbol."""
        left = _MOST_NAMES
        for table in self._tables(_DYNSYM, _SYMTAB):
            strings = self._strings(table)
            for index, fields in enumerate(self._rows(table)):
                if left == 0:
                    return
                left -= 1
                symbol = self._make_symbol(index, fields)
                if symbol.kind == _FUNC and symbol.section:
                    yield self._string(strings, symbol.name)

    def explain_missing(self, name: str) -> list[str]:
        """Evidence for an error: why `name` cannot be found, and which names are like it."""
        bare = name.partition("@")[0]
        lines = []
        for table in self._tables(_DYNSYM, _SYMTAB):
            for symbol in self._named(table, bare):
                if symbol.kind == _GNU_IFUNC:
                    lines.append(f"'{bare}' is chosen when the program starts (ifunc): probe one of its variants")
                elif not symbol.section:
                    lines.append(f"the file only imports '{bare}': probe the library that has it")
        versions = sorted({symbol.version for symbol in self._find_exported(bare) if symbol.version})
        if versions and bare != name:
            lines.append(f"'{bare}' has the version{'s' if len(versions) > 1 else ''} {', '.join(versions)}")
        if not any(self._tables(_SYMTAB)):
            lines.append("the file is stripped: only its exported functions have names")
        return [*dict.fromkeys(lines), *did_you_mean(bare, self.names())]

    @staticmethod
    def _best(found: list[FunctionSymbol]) -> tuple[FunctionSymbol, ...]:
        def rank(symbol: FunctionSymbol) -> tuple[bool, bool, bool]:
            return symbol.binding == _LOCAL, symbol.hidden, symbol.binding == _WEAK

        best = min(map(rank, found), default=None)
        distinct = {symbol.offset: symbol for symbol in found if rank(symbol) == best}
        return tuple(distinct.values())

    def _find_exported(self, name: str) -> list[FunctionSymbol]:
        found = []
        for table in self._tables(_DYNSYM):
            symbols = self._hashed(table, name) if self._hash_table(table) else self._named(table, name)
            for symbol in symbols:
                version, hidden = self._version(symbol.index)
                function = self._function(symbol, name, version, hidden)
                if function is not None:
                    found.append(function)
        return found

    def _find_in_symtab(self, name: str) -> list[FunctionSymbol]:
        """A version is part of the name there: assemblers write 'f@VER' and 'f@@VER' as they stand."""
        spellings = [name] if "@@" in name or "@" not in name else [name, name.replace("@", "@@")]
        found = []
        for table in self._tables(_SYMTAB):
            for spelling in spellings:
                functions = (self._function(symbol, spelling) for symbol in self._named(table, spelling))
                found += [function for function in functions if function is not None]
        return found

    def _function(self, symbol: _Symbol, name: str, version: str = "", hidden: bool = False) -> FunctionSymbol | None:
        if symbol.kind != _FUNC or not symbol.section:
            return None
        offset = self._file_offset(symbol)
        return FunctionSymbol(name, offset, symbol.size, symbol.binding, version, hidden)

    def _file_offset(self, symbol: _Symbol) -> int:
        if symbol.section >= min(len(self._sections), _FIRST_RESERVED_SECTION):
            raise self._damaged(f"symbol {symbol.index} is in section {symbol.section}, which is not there")
        section = self._sections[symbol.section]
        inside = symbol.value - section.address
        if not 0 <= inside < max(section.size, 1):
            raise self._damaged(f"symbol {symbol.index} at {symbol.value:#x} is outside of its section")
        return section.offset + inside

    def _hash_table(self, table: _Section) -> _Section | None:
        for section in self._sections:
            if section.kind == _GNU_HASH and section.link < len(self._sections):
                return section if self._sections[section.link] is table else None
        return None

    def _hashed(self, table: _Section, name: str) -> list[_Symbol]:
        """Symbols of that name by the GNU hash table, which has all that the file defines and none it imports."""
        place = self._hash_table(table)
        if place is None:
            return []
        start, end = self._span(place)
        buckets, first, bloom = (self._word(start + 4 * index, end) for index in range(3))
        if buckets == 0:
            return []
        wanted = _gnu_hash(name.encode())
        bucket_at = start + 16 + bloom * (8 if self._wide else 4)
        index = self._word(bucket_at + 4 * (wanted % buckets), end)
        if index < max(first, 1):
            return []
        chain_at = bucket_at + 4 * buckets
        strings = self._strings(table)
        found = []
        while True:
            word = self._word(chain_at + 4 * (index - first), end)
            if word | 1 == wanted | 1:
                symbol = self._symbol_at(table, index)
                if self._string(strings, symbol.name) == name:
                    found.append(symbol)
            if word & 1:
                return found
            index += 1

    def _named(self, table: _Section, name: str) -> list[_Symbol]:
        """Symbols of that name by looking for its bytes. A string may be the tail of a longer one that holds it."""
        first, last = self._span(self._strings(table))
        needle = name.encode() + b"\0"
        places = []
        at = self._data.find(needle, first, last)
        while at >= 0:
            places.append(at - first)
            at = self._data.find(needle, at + 1, last)
        if len(places) > _NAMED_BY_SEARCH:
            wanted = frozenset(places)
            rows = enumerate(self._rows(table))
            return [self._make_symbol(index, fields) for index, fields in rows if fields[0] in wanted]
        return [symbol for place in places for symbol in self._symbols_naming(table, place)]

    def _symbols_naming(self, table: _Section, string: int) -> Iterator[_Symbol]:
        start, end = self._span(table)
        needle = self._u32.pack(string)
        step = self._symbol.size
        at = self._data.find(needle, start, end)
        while at >= 0:
            index, inside = divmod(at - start, step)
            if inside == 0 and at + step <= end:
                yield self._symbol_at(table, index)
            at = self._data.find(needle, at + 1, end)

    def _rows(self, table: _Section) -> Iterator[tuple[int, ...]]:
        start, end = self._span(table)
        return self._symbol.iter_unpack(self._data[start : end - (end - start) % self._symbol.size])

    def _symbol_at(self, table: _Section, index: int) -> _Symbol:
        start, end = self._span(table)
        at = start + index * self._symbol.size
        if at + self._symbol.size > end:
            raise self._damaged(f"there is no symbol {index}")
        return self._make_symbol(index, self._symbol.unpack_from(self._data, at))

    def _make_symbol(self, index: int, fields: tuple[int, ...]) -> _Symbol:
        if self._wide:
            name, info, _, section, value, size = fields
        else:
            name, value, size, info, _, section = fields
        return _Symbol(index, name, info >> 4, info & 0xF, section, value, size)

    def _version(self, index: int) -> tuple[str, bool]:
        for section in self._sections:
            if section.kind == _VERSYM:
                start, end = self._span(section)
                at = start + 2 * index
                if at + 2 > end:
                    return "", False
                (number,) = self._u16.unpack_from(self._data, at)
                return self._version_name(number & 0x7FFF), bool(number & 0x8000)
        return "", False

    def _version_name(self, wanted: int) -> str:
        """Name of version `wanted` in the chain of definitions; 0 and 1 mean local and unversioned."""
        if wanted < 2:
            return ""
        for section in self._sections:
            if section.kind != _VERDEF:
                continue
            at, end = self._span(section)
            for _ in range(_MOST_VERSIONS):
                name_at, step = self._word(at + 12, end), self._word(at + 16, end)
                (number,) = self._u16.unpack_from(self._data, at + 4)
                if number == wanted:
                    return self._string(self._strings(section), self._word(at + name_at, end))
                if step == 0:
                    break
                at += step
        return ""

    def _tables(self, *kinds: int) -> Iterator[_Section]:
        """The first section of each kind: there may be one, and a damaged file with 65 000 is not to take as long."""
        for kind in kinds:
            yield from itertools.islice((section for section in self._sections if section.kind == kind), 1)

    def _strings(self, table: _Section) -> _Section:
        if table.link >= len(self._sections):
            raise self._damaged(f"the strings of a symbol table are in section {table.link}, which is not there")
        return self._sections[table.link]

    def _string(self, strings: _Section, offset: int) -> str:
        start, last = self._span(strings)
        end = self._data.find(b"\0", start + offset, last)
        if end < 0:
            raise self._damaged(f"a name at {offset:#x} is outside of its string table")
        return self._data[start + offset : end].decode(errors="replace")

    def _span(self, section: _Section) -> tuple[int, int]:
        end = section.offset + section.size
        if end > len(self._data):
            raise self._damaged("a section reaches past the end of the file", section.offset)
        return section.offset, end

    def _word(self, at: int, end: int) -> int:
        if at + 4 > end:
            raise self._damaged("a table is cut short", at)
        (word,) = self._u32.unpack_from(self._data, at)
        return int(word)

    def _read_sections(self, order: str) -> tuple[_Section, ...]:
        header = struct.Struct(order + ("HHIQQQIHHHHHH" if self._wide else "HHIIIIIHHHHHH"))
        if len(self._data) < 16 + header.size:
            raise self._damaged("the header is cut short", 16)
        fields = header.unpack_from(self._data, 16)
        table, size, count = fields[5], fields[10], fields[11]
        row = struct.Struct(order + ("IIQQQQIIQQ" if self._wide else "IIIIIIIIII"))
        if table == 0:
            return ()
        if size != row.size:
            raise self._damaged(f"section headers of {size} bytes", 16)
        if count == 0:
            count = self._long_count(row, table)
        if table + count * size > len(self._data):
            raise self._damaged(f"{count} section headers reach past the end of the file", table)
        rows = row.iter_unpack(self._data[table : table + count * size])
        return tuple(_Section(entry[1], entry[3], entry[4], entry[5], entry[6]) for entry in rows)

    def _long_count(self, row: struct.Struct, table: int) -> int:
        """More than 65 279 sections: the first header's size field has their number."""
        if table + row.size > len(self._data):
            raise self._damaged("section headers reach past the end of the file", table)
        return int(row.unpack_from(self._data, table)[5])

    def _damaged(self, reason: str, offset: int | None = None) -> ElfError:
        return ElfError(reason, file=self._file, offset=offset)


def _gnu_hash(name: bytes) -> int:
    value = 5381
    for byte in name:
        value = (value * 33 + byte) & 0xFFFFFFFF
    return value
