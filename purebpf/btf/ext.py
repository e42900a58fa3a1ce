"""`BtfExt`: a .BTF.ext section, which says things about instructions by the section that they stand in.

Rules: records stay bytes (`InfoSection.records`), for a loader passes them on to the kernel as they are; only
CO-RE records become values, since every one of them is looked at. Records longer than known are legal, what
stands behind the known fields is kept; shorter ones are refused. The byte order is the section's own.
"""

from __future__ import annotations

from struct import Struct as Format

from purebpf.btf.reader import MAGIC, VERSION, Btf
from purebpf.enums import IntEnum
from purebpf.errors import BtfError
from purebpf.frozen import Frozen, field
from purebpf.standard import MappingProxyType
from purebpf.units import ByteOffset, ByteOrder, TypeId

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from typing import NoReturn

HEADER_SIZE = 24
CORE_HEADER_SIZE = 32
"""Of a header that has room for core_relo_off and core_relo_len."""

FUNC_RECORD_SIZE = 8
LINE_RECORD_SIZE = 16
CORE_RECORD_SIZE = 16

_HEADER = {"little": Format("<HBBIIIII"), "big": Format(">HBBIIIII")}
_WORD = {"little": Format("<I"), "big": Format(">I")}
_TWO_WORDS = {"little": Format("<II"), "big": Format(">II")}
_FOUR_WORDS = {"little": Format("<IIII"), "big": Format(">IIII")}


class CoreKind(IntEnum):
    """BPF_CORE_*: what a CO-RE record asks of the target's types."""

    FIELD_BYTE_OFFSET = 0
    FIELD_BYTE_SIZE = 1
    FIELD_EXISTS = 2
    FIELD_SIGNED = 3
    FIELD_LSHIFT_U64 = 4
    FIELD_RSHIFT_U64 = 5
    TYPE_ID_LOCAL = 6
    TYPE_ID_TARGET = 7
    TYPE_EXISTS = 8
    TYPE_SIZE = 9
    ENUMVAL_EXISTS = 10
    ENUMVAL_VALUE = 11
    TYPE_MATCHES = 12


_CORE_KINDS: dict[int, CoreKind] = {kind.value: kind for kind in CoreKind}


class CoreRelocation(Frozen):
    """One CO-RE record: `access` is the path into local type `type` ("0:1:2")."""

    insn_offset: ByteOffset
    type: TypeId
    access: str
    kind: CoreKind


class InfoSection(Frozen):
    """The records of one ELF section, as they stand in the file, each `record_size` bytes."""

    record_size: int
    records: bytes = field(repr=False)

    def __len__(self) -> int:
        return len(self.records) // self.record_size


class LineInfo(Frozen):
    """Where an instruction comes from; `text` is the source line, `insn_offset` as it stands in the record."""

    insn_offset: ByteOffset
    file: str
    text: str
    line: int
    column: int

    def __str__(self) -> str:
        return f"{self.file.rpartition('/')[2]}:{self.line}  {self.text.strip()}"


class BtfExt(Frozen):
    """Function, line and CO-RE records, keyed by the name of the ELF section they speak of."""

    byteorder: ByteOrder
    func_info: Mapping[str, InfoSection]
    line_info: Mapping[str, InfoSection]
    core: Mapping[str, tuple[CoreRelocation, ...]]

    @classmethod
    def parse(cls, data: bytes | bytearray | memoryview, btf: Btf, *, name: str = "") -> BtfExt:
        """The .BTF.ext in `data`, whose strings and types are those of `btf`."""
        raw = data if type(data) is bytes else bytes(data)
        reader = _Reader(raw, btf, name)
        func, line, core = reader.parts
        return cls(
            reader.byteorder,
            MappingProxyType(_joined(reader.sections(*func, FUNC_RECORD_SIZE, "function"))),
            MappingProxyType(_joined(reader.sections(*line, LINE_RECORD_SIZE, "line"))),
            MappingProxyType(reader.core(*core)),
        )


def line_infos(section: InfoSection, btf: Btf, byteorder: ByteOrder | None = None) -> Iterator[LineInfo]:
    """The line records of a section, unpacked one at a time; a name outside the strings is a BtfError."""
    unpack, string = _FOUR_WORDS[byteorder or btf.byteorder].unpack_from, btf.string
    for at in range(0, len(section.records) - LINE_RECORD_SIZE + 1, section.record_size):
        insn, file, text, place = unpack(section.records, at)
        yield LineInfo(ByteOffset(insn), string(file), string(text), place >> 10, place & 0x3FF)


def line_at(section: InfoSection, btf: Btf, offset: int) -> str:
    """'file.c:12  text' of the line to which the instruction at `offset` belongs, '' where no record tells."""
    found = None
    for info in line_infos(section, btf):
        if info.insn_offset > offset:
            break
        found = info
    return str(found) if found is not None else ""


def _joined(sections: Iterator[tuple[str, int, bytes]]) -> dict[str, InfoSection]:
    """By section name; the rare second block of a section continues the first, as the kernel's order demands."""
    joined: dict[str, InfoSection] = {}
    more: dict[str, list[bytes]] = {}
    for name, record_size, records in sections:
        if name in joined:
            more.setdefault(name, [joined[name].records]).append(records)
        else:
            joined[name] = InfoSection(record_size, records)
    for name, blocks in more.items():
        joined[name] = InfoSection(joined[name].record_size, b"".join(blocks))
    return joined


class _Reader:
    """The header's parts, and the walk over the blocks of one part."""

    def __init__(self, raw: bytes, btf: Btf, name: str) -> None:
        self.raw = raw
        self.btf = btf
        self.name = name
        self.byteorder: ByteOrder = "big" if raw[:2] == b"\xeb\x9f" else "little"
        self.parts = self._header()

    def _header(self) -> tuple[tuple[int, int], tuple[int, int], tuple[int, int]]:
        """Byte offset in the data and length of the func, line and core parts."""
        if len(self.raw) < HEADER_SIZE:
            self._refuse(f"{len(self.raw)} bytes are too few for a .BTF.ext header of {HEADER_SIZE}")
        fields = _HEADER[self.byteorder].unpack_from(self.raw)
        magic, version, flags, size, func, func_len, line, line_len = fields
        if magic != MAGIC:
            self._refuse(f"no BTF: the magic number is {magic:#06x}, not {MAGIC:#06x}", 0)
        if version != VERSION:
            self._refuse(f".BTF.ext of version {version}, this library reads version {VERSION}", 2)
        if flags:
            self._refuse(f".BTF.ext with unknown flags {flags:#x}", 3)
        if not HEADER_SIZE <= size <= len(self.raw):
            self._refuse(f"the header says that it is {size} bytes long, of {len(self.raw)}", 4)
        if size == len(self.raw):
            self._refuse("nothing follows the header", 4)
        core = core_len = 0
        if size >= CORE_HEADER_SIZE:
            core, core_len = _TWO_WORDS[self.byteorder].unpack_from(self.raw, HEADER_SIZE)
        return (size + func, func_len), (size + line, line_len), (size + core, core_len)

    def sections(self, begin: int, length: int, least: int, what: str) -> Iterator[tuple[str, int, bytes]]:
        """Section name, record size and records of each block of a part that starts with its record size."""
        if not length:
            return
        end = begin + length
        if begin & 3:
            self._refuse(f"the {what} records are not aligned to 4 bytes", begin)
        if end > len(self.raw):
            self._refuse(f"the {what} records ({length} bytes) end after the data", begin)
        if length < 4:
            self._refuse(f"the {what} records have no record size", begin)
        (record_size,) = _WORD[self.byteorder].unpack_from(self.raw, begin)
        if record_size < least or record_size & 3:
            self._refuse(f"{what} records of {record_size} bytes, expected {least} or more, in steps of 4", begin)
        at = begin + 4
        if at == end:
            self._refuse(f"the {what} records name no section", begin)
        while at < end:
            if at + 8 > end:
                self._refuse(f"the last block of {what} records is cut off", at)
            name_offset, count = _TWO_WORDS[self.byteorder].unpack_from(self.raw, at)
            records, at = at + 8, at + 8 + count * record_size
            if not count:
                self._refuse(f"a section without {what} records", records - 8)
            if at > end:
                self._refuse(f"{count} {what} records of {record_size} bytes end after their part", records - 8)
            yield self.btf.string(name_offset), record_size, self.raw[records:at]

    def core(self, begin: int, length: int) -> dict[str, tuple[CoreRelocation, ...]]:
        found: dict[str, tuple[CoreRelocation, ...]] = {}
        for section, record_size, records in self.sections(begin, length, CORE_RECORD_SIZE, "CO-RE"):
            found[section] = found.get(section, ()) + tuple(self._core_records(record_size, records, begin))
        return found

    def _core_records(self, record_size: int, records: bytes, begin: int) -> list[CoreRelocation]:
        unpack, string, end_id = _FOUR_WORDS[self.byteorder].unpack_from, self.btf.string, self.btf.end_id
        relocations = []
        for at in range(0, len(records), record_size):
            insn, type_id, access, number = unpack(records, at)
            kind = _CORE_KINDS.get(number)
            if kind is None:
                self._refuse(f"a CO-RE record of unknown kind {number}", begin)
            if type_id >= end_id:
                self._refuse(f"a CO-RE record refers to type {type_id}, the last one is {end_id - 1}", begin)
            relocations.append(CoreRelocation(ByteOffset(insn), TypeId(type_id), string(access), kind))
        return relocations

    def _refuse(self, reason: str, offset: int | None = None) -> NoReturn:
        raise BtfError(reason, file=self.name, section=".BTF.ext", offset=offset)
