"""Bytes to `ElfFile`: any bytes at all give a value or an `ElfError` that names section and offset.

Rules: no length, count or index of the file is used before it is checked. Time and memory are linear in the
file's size: sections may overlap, but all of them together may be no more than MAX_EXPANSION times the file,
and the same holds for names.

Decoding is done by `struct` on whole tables, not by pyelftools. Measured on an object of 33 sections, 24
symbols and 100 relocations as clang -g makes it: pyelftools 0.33 takes 4050 us (of which 820 us before the
first section, 34 us for the header alone even with its structs kept) and 60 ms to import; this module takes
about 95 us and imports nothing. pyelftools names numbers in messages (names.py) and is what the tests compare
every table with.
"""

from __future__ import annotations

from struct import Struct

from purebpf.elf.model import EM_BPF, ElfFile, Section, SectionType
from purebpf.elf.names import machine_name
from purebpf.elf.tables import (
    MAX_EXPANSION,
    SHF_ALLOC_COMPRESSED,
    SHN_XINDEX,
    RelocationTable,
    StringTable,
    read_symbols,
)
from purebpf.errors import ElfError, ObjectFileError
from purebpf.units import ByteOrder

BPF_MACHINES = (0, EM_BPF)
"""e_machine of a BPF object: EM_BPF, and EM_NONE, which LLVM wrote before BPF had a number (2016)."""

_LARGEST = 1 << 30
_MOST_OF_A_STREAM = 64 << 20
_CHUNK = 1 << 20
_ET_REL = 1
_HEADER_SIZE = 64
_SECTION_SIZE = 64
_HEADER = {"<": Struct("<HHIQQQIHHHHHH"), ">": Struct(">HHIQQQIHHHHHH")}
_SECTION = {"<": Struct("<IIQQQQIIQQ"), ">": Struct(">IIQQQQIIQQ")}
_SECTION_TYPES: dict[int, int] = {int(member): member for member in SectionType}
# Looking a member up in an enum class costs as much as a call, 0.1 us.
_SYMTAB = int(SectionType.SYMTAB)
_WITHOUT_BYTES = (int(SectionType.NOBITS), int(SectionType.NULL))
_RELOCATIONS = (int(SectionType.REL), int(SectionType.RELA))

_RawSection = tuple[int, int, int, int, int, int, int, int, int, int]


TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Container
    from os import PathLike
    from typing import BinaryIO

    Source = str | PathLike[str] | bytes | bytearray | memoryview | BinaryIO


def read_elf(source: Source, *, name: str | None = None, machines: Container[int] | None = BPF_MACHINES) -> ElfFile:
    """Read an ELF64 file from a path, from bytes, or from a binary file (from where it stands to its end).

    `name` labels the file in errors; it defaults to the path, or '<bytes>'. Files for a machine not in
    `machines` are refused; None accepts all. The file's type is not judged; relocations are read from
    relocatable files only (in others they are the run-time linker's).
    """
    data, label = contents(source)
    return _decode(data, label if name is None else name, machines)


def contents(source: Source) -> tuple[bytes, str]:
    """The bytes of a source, and its label: the path where it has one."""
    if isinstance(source, bytes):
        return source, "<bytes>"
    if isinstance(source, (bytearray, memoryview)):
        return bytes(source), "<bytes>"
    if isinstance(source, str) or hasattr(source, "__fspath__"):
        # Unbuffered: the file is read in one go.
        path = source if isinstance(source, str) else str(source.__fspath__())
        with open(source, "rb", buffering=0) as file:
            return read_bounded(file, path), path
    if not hasattr(source, "read"):
        raise TypeError(f"read_elf() takes a path, bytes or a binary file, not {type(source).__name__}")
    data = source.read()
    if not isinstance(data, bytes):
        raise TypeError("read_elf() needs a file opened in binary mode")
    label = getattr(source, "name", None)
    return data, label if isinstance(label, str) else "<file>"


def read_bounded(file: BinaryIO, label: str) -> bytes:
    """The whole file; ObjectFileError for what is none and may have no end, such as /dev/zero, or is absurdly large."""
    try:
        size = file.seek(0, 2)
        file.seek(0)
    except OSError:
        size = 0  # a pipe
    if size > _LARGEST:
        raise ObjectFileError(f"a file of {size} bytes, where {_LARGEST >> 20} MB are the most", file=label)
    if size:
        return file.read()
    parts, left = [], _MOST_OF_A_STREAM
    while chunk := file.read(min(left, _CHUNK)):
        parts.append(chunk)
        left -= len(chunk)
        if not left:
            raise ObjectFileError(f"no file, but a stream of more than {_MOST_OF_A_STREAM >> 20} MB", file=label)
    return b"".join(parts)


def _decode(data: bytes, name: str, machines: Container[int] | None) -> ElfFile:
    byteorder = _identify(data, name)
    order = "<" if byteorder == "little" else ">"
    header = _HEADER[order].unpack_from(data, 16)
    file_type, machine, version, _, _, _, flags = header[:7]
    if version != 1:
        raise ElfError(f"ELF version {version}, not 1", file=name, offset=20)
    if machines is not None and machine not in machines:
        reason = f"made for machine {machine_name(machine)}, not for BPF: compile it with clang -target bpf"
        raise ElfError(reason, file=name, offset=18)
    raw, names_index = _section_headers(data, name, order, header)
    sections = _sections(data, name, raw, names_index)
    symbol_table = _symbol_table(sections, name)
    symbols = read_symbols(sections, symbol_table, order=order, file=name, file_size=len(data))
    relocations = RelocationTable(order)
    if file_type == _ET_REL:
        _collect_relocations(relocations, sections, symbol_table, len(symbols), name)
    return ElfFile(name, byteorder, machine, file_type, flags, sections, symbols, relocations)


def _identify(data: bytes, name: str) -> ByteOrder:
    """Check the 16 bytes of e_ident, and that the header is whole."""
    if data[:4] != b"\x7fELF":
        what = f"it starts with {data[:4]!r}" if data else "it is empty"
        raise ElfError(f"no ELF file: {what}", file=name, offset=0)
    if len(data) < _HEADER_SIZE:
        reason = f"cut off: {len(data)} bytes, and the ELF header alone has {_HEADER_SIZE}"
        raise ElfError(reason, file=name, offset=len(data))
    if data[4] != 2:
        reason = "a 32-bit ELF file: BPF objects are 64-bit" if data[4] == 1 else f"unknown ELF class {data[4]}"
        raise ElfError(reason, file=name, offset=4)
    if data[6] != 1:
        raise ElfError(f"ELF version {data[6]}, not 1", file=name, offset=6)
    if data[5] == 1:
        return "little"
    if data[5] == 2:
        return "big"
    raise ElfError(f"unknown byte order {data[5]}", file=name, offset=5)


def _section_headers(data: bytes, name: str, order: str, header: tuple[int, ...]) -> tuple[list[_RawSection], int]:
    """The section headers as they stand in the file, and which section holds the names."""
    start, entry_size, count, names_index = header[5], header[10], header[11], header[12]
    if start == 0:
        if count:
            raise ElfError(f"{count} sections, but no section headers", file=name, offset=40)
        return [], 0
    if entry_size != _SECTION_SIZE:
        raise ElfError(f"section headers of {entry_size} bytes, not {_SECTION_SIZE}", file=name, offset=58)
    if start + _SECTION_SIZE > len(data):
        raise ElfError(f"cut off: the section headers at {start:#x} are missing", file=name, offset=len(data))
    if count == 0 or names_index == SHN_XINDEX:
        # Numbers of 0xff00 and more stand in the null section, which is otherwise all zeroes.
        null: _RawSection = _SECTION[order].unpack_from(data, start)
        count = count or null[5]
        names_index = null[6] if names_index == SHN_XINDEX else names_index
    end = start + count * _SECTION_SIZE
    if end > len(data):
        reason = f"cut off: {count} section headers at {start:#x} reach to {end:#x}"
        raise ElfError(reason, file=name, offset=len(data))
    if names_index >= max(count, 1):
        raise ElfError(f"section names in section {names_index}, of {count}", file=name, offset=62)
    return list(_SECTION[order].iter_unpack(data[start:end])), names_index


def _sections(data: bytes, name: str, raw: list[_RawSection], names_index: int) -> tuple[Section, ...]:
    table = _section_names(data, name, raw, names_index)
    names = table.names([header[0] for header in raw]) if table is not None else [""] * len(raw)
    count, file_size = len(raw), len(data)
    budget = MAX_EXPANSION * file_size
    sections = []
    for index, (_, kind, flags, address, offset, size, link, info, alignment, entry_size) in enumerate(raw):
        section = names[index]
        payload = b""
        if kind not in _WITHOUT_BYTES:
            end = offset + size
            budget -= size
            if end > file_size or budget < 0:
                raise _misplaced(name, section, index, offset, size, file_size)
            payload = data[offset:end]
        if link >= count and kind:
            raise ElfError(f"its sh_link names section {link}, of {count}", file=name, section=section or f"#{index}")
        if flags & SHF_ALLOC_COMPRESSED == SHF_ALLOC_COMPRESSED:
            raise ElfError("compressed, though it is to be loaded", file=name, section=section or f"#{index}")
        kind = _SECTION_TYPES.get(kind, kind)
        sections.append(
            Section(index, section, kind, flags, offset, size, link, info, entry_size, alignment, address, payload)
        )
    return tuple(sections)


def _section_names(data: bytes, name: str, raw: list[_RawSection], index: int) -> StringTable | None:
    """The table with the sections' names; None for a file that names none."""
    if index == 0:
        return None
    _, kind, _, _, offset, size, _, _, _, _ = raw[index]
    if kind != SectionType.STRTAB:
        raise ElfError(f"the section names' section #{index} is no string table", file=name, offset=62)
    if offset + size > len(data):
        raise _misplaced(name, "", index, offset, size, len(data))
    return StringTable(data[offset : offset + size], file=name, section=f"#{index}", file_size=len(data))


def _misplaced(file: str, name: str, index: int, offset: int, size: int, file_size: int) -> ElfError:
    """Why a section's bytes cannot be had; the error's offset is the first byte that is missing."""
    section = name or f"#{index}"
    if offset + size > file_size:
        reason = f"its {size:#x} bytes at {offset:#x} reach past the file's end at {file_size:#x}"
        return ElfError(reason, file=file, section=section, offset=max(file_size - offset, 0))
    reason = f"overlapping sections: together more than {MAX_EXPANSION} times the file's {file_size} bytes"
    return ElfError(reason, file=file, section=section, offset=0)


def _symbol_table(sections: tuple[Section, ...], name: str) -> Section | None:
    tables = [section for section in sections if section.type == _SYMTAB]
    if len(tables) > 1:
        raise ElfError("a second symbol table", file=name, section=tables[1].name or f"#{tables[1].index}")
    return tables[0] if tables else None


def _collect_relocations(
    relocations: RelocationTable,
    sections: tuple[Section, ...],
    symbol_table: Section | None,
    symbol_count: int,
    name: str,
) -> None:
    for table in sections:
        if table.type not in _RELOCATIONS:
            continue
        if symbol_table is None or table.link != symbol_table.index:
            raise ElfError(f"its sh_link {table.link} is not the symbol table", file=name, section=table.name)
        if not 0 < table.info < len(sections):
            reason = f"it applies to section {table.info}, of {len(sections)}"
            raise ElfError(reason, file=name, section=table.name)
        relocations.add(table, sections[table.info], symbol_count, file=name)
