"""Bytes from types: whole .BTF and .BTF.ext sections, and a BTF with some of its types replaced.

Rules: a record is written from the frozen values of `purebpf.btf.types`, so what was read can be written back.
Strings are stored once. Ids are given in the order of `add`, beginning with `next_id`; a type may name ids that
come later. What does not fit its field is a ValueError, the caller's mistake.
"""

from __future__ import annotations

import struct
from array import array

from purebpf.btf.ext import CORE_RECORD_SIZE, FUNC_RECORD_SIZE, LINE_RECORD_SIZE, CoreKind
from purebpf.btf.kinds import KNOWN_SIZES, RECORD_SIZES
from purebpf.btf.reader import HEADER_SIZE, LAYOUT_HEADER_SIZE, MAGIC, NATIVE, VERSION, Btf
from purebpf.btf.records import encode_record
from purebpf.btf.slots import IdMap, renumbered
from purebpf.units import ByteOrder, TypeId

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Sequence

    from purebpf.btf.types import BtfType

KIND_LAYOUT = b"".join(
    bytes((0, 0, 0, 0)) if not kind else bytes((*KNOWN_SIZES[2 * kind : 2 * kind + 2], 0, 0)) for kind in RECORD_SIZES
)
"""The kind-layout section that describes every kind this library knows."""

_MAX_SEARCHES = 32
"""Strings that a writer searches for in its base before it makes a table of them."""

MAX_LINE_COLUMN = 0x3FF
"""A line record has 10 bits for the column."""


class BtfWriter:
    """A .BTF section under construction; `base` makes it a split BTF that continues another."""

    def __init__(self, *, byteorder: ByteOrder = "little", base: Btf | None = None) -> None:
        self.byteorder = byteorder
        self.base = base
        self._strings = _Strings(base)
        self._records: list[bytes] = []
        self._next_id = base.end_id if base else 1

    @classmethod
    def continuing(cls, btf: Btf) -> BtfWriter:
        """A writer that goes on where `btf` ends: its types and strings stay where they are, nothing is renumbered."""
        writer = cls(byteorder=btf.byteorder, base=btf.base)
        writer._strings.take(btf.strings)
        writer._records.append(btf.records(btf.first_id, btf.end_id))
        writer._next_id = btf.end_id
        return writer

    @property
    def next_id(self) -> TypeId:
        """The id that the next `add` gives."""
        return TypeId(self._next_id)

    def string(self, text: str) -> int:
        """The offset of `text` in the string section, which gets it if it is not there yet."""
        return self._strings.offset(text)

    def add(self, kind: BtfType) -> TypeId:
        """Append a type and tell its id."""
        return self.add_record(encode_record(kind, self.string, self.byteorder))

    def add_record(self, record: bytes) -> TypeId:
        """Append a type as bytes, for kinds that this library does not know."""
        type_id = self.next_id
        self._records.append(record)
        self._next_id += 1
        return type_id

    def add_btf(self, btf: Btf) -> IdMap:
        """Append every own type of `btf` with its strings, in either byte order, and tell the new ids.

        A split BTF can only be added to one that continues the same base; ids of the base stay what they are.
        """
        if btf.base is not None and btf.base is not self.base:
            raise ValueError("a split BTF can only be added to a BTF that is split from the same base")
        ids = array("I", range(btf.first_id))
        ids.extend(range(self._next_id, self._next_id + len(btf.ids())))
        self.add_renumbered(btf, btf.ids(), ids)
        return ids

    def add_renumbered(self, btf: Btf, kept: Sequence[int], ids: IdMap) -> None:
        """Append the own types `kept` of `btf`, in that order, with the ids that they refer to replaced by `ids`."""
        words = renumbered(btf, kept, ids, _Moved(btf, self._strings).__getitem__)
        if self.byteorder != NATIVE:
            words.byteswap()
        self._records.append(words.tobytes())
        self._next_id += len(kept)

    def build(self, *, kind_layout: bytes | None = None) -> bytes:
        """The section. `kind_layout` (such as `KIND_LAYOUT`) is added where given; Linux 7.0 and older refuse it."""
        return _assemble(b"".join(self._records), self._strings.section(), kind_layout, self.byteorder)


class BtfExtWriter:
    """A .BTF.ext section under construction. Its strings go to `btf`: build that one last.

    `record_sizes` (func, line, core) larger than the known records give ones with zeros behind; `with_core=False`
    writes the short header of compilers that knew no CO-RE.
    """

    def __init__(
        self,
        btf: BtfWriter,
        *,
        record_sizes: tuple[int, int, int] = (FUNC_RECORD_SIZE, LINE_RECORD_SIZE, CORE_RECORD_SIZE),
        with_core: bool = True,
    ) -> None:
        self.btf = btf
        self.record_sizes = record_sizes
        self.with_core = with_core
        self._func: dict[str, list[bytes]] = {}
        self._line: dict[str, list[bytes]] = {}
        self._core: dict[str, list[bytes]] = {}

    def func(self, section: str, insn_offset: int, type_id: int) -> None:
        """Say that the function of that FUNC begins at byte `insn_offset` of `section`."""
        self._func.setdefault(section, []).append(self._words(insn_offset, type_id))

    def line(self, section: str, insn_offset: int, file: str, text: str, line: int, column: int) -> None:
        """Say what source line the instruction at byte `insn_offset` of `section` comes from."""
        if not 0 <= column <= MAX_LINE_COLUMN:
            raise ValueError(f"column {column} does not fit a line record, the last one is {MAX_LINE_COLUMN}")
        names = self.btf.string(file), self.btf.string(text)
        record = self._words(insn_offset, *names, line << 10 | column)
        self._line.setdefault(section, []).append(record)

    def core(self, section: str, insn_offset: int, type_id: int, access: str, kind: CoreKind) -> None:
        """Record that the instruction at byte `insn_offset` of `section` depends on the target's types."""
        record = self._words(insn_offset, type_id, self.btf.string(access), kind)
        self._core.setdefault(section, []).append(record)

    def build(self) -> bytes:
        """The section."""
        func = self._part(self._func, self.record_sizes[0])
        line = self._part(self._line, self.record_sizes[1])
        core = self._part(self._core, self.record_sizes[2])
        if core and not self.with_core:
            raise ValueError("CO-RE records need a header with room for them")
        places = [0, len(func), len(func), len(line)]
        if self.with_core:
            places += [len(func) + len(line), len(core)]
        head = struct.pack(_mark(self.btf.byteorder) + "HBBI", MAGIC, VERSION, 0, 8 + 4 * len(places))
        return head + self._words(*places) + func + line + core

    def _part(self, sections: dict[str, list[bytes]], record_size: int) -> bytes:
        if not sections:
            return b""
        blocks = [self._words(record_size)]
        for section, records in sections.items():
            blocks.append(self._words(self.btf.string(section), len(records)))
            blocks += [record.ljust(record_size, b"\0") for record in records]
        return b"".join(blocks)

    def _words(self, *words: int) -> bytes:
        try:
            return struct.pack(f"{_mark(self.btf.byteorder)}{len(words)}I", *words)
        except struct.error:
            raise ValueError(f"one of {words} does not fit 32 bits") from None


def rewrite(
    btf: Btf,
    replace: Callable[[TypeId, BtfType], BtfType],
    *,
    kinds: Collection[int] | None = None,
    kind_layout: bool = True,
) -> bytes:
    """The bytes of `btf` with each own type replaced by what `replace(id, type)` gives; ids stay what they are.

    Only types of `kinds` are built and offered (all of them by default); the others are copied as bytes, and so
    are those for which `replace` returns the very type it was given. When nothing changes the result is `btf.raw`.
    `kind_layout=False` leaves the kind-layout section out, which kernels older than it refuse.
    """
    strings = _Strings(btf)
    replaced: dict[int, bytes] = {}
    for type_id in btf.ids() if kinds is None else btf.ids_of(*kinds):
        old = btf[type_id]
        new = replace(TypeId(type_id), old)
        if new is not old and new != old:
            replaced[type_id] = encode_record(new, strings.offset, btf.byteorder)
    layout = btf.kind_layout if kind_layout else None
    if not replaced and layout == btf.kind_layout:
        return btf.raw
    records: list[bytes] = []
    done = btf.first_id
    for type_id, record in replaced.items():
        records += [btf.records(done, type_id), record]
        done = type_id + 1
    records.append(btf.records(done, btf.end_id))
    return _assemble(b"".join(records), btf.strings + strings.added(), layout, btf.byteorder)


def with_added(btf: Btf, types: Iterable[BtfType]) -> Btf:
    """`btf` with more types behind its own, whose ids stay what they are."""
    strings = _Strings(btf)
    records = [btf.records(btf.first_id, btf.end_id)]
    records += [encode_record(kind, strings.offset, btf.byteorder) for kind in types]
    raw = _assemble(b"".join(records), btf.strings + strings.added(), btf.kind_layout, btf.byteorder)
    return Btf.parse(raw, base=btf.base, name=btf.name)


def without_layout(btf: Btf) -> bytes:
    """The bytes of `btf` without a kind-layout section; `btf.raw` if it has none."""
    return rewrite(btf, lambda _, kind: kind, kinds=(), kind_layout=False)


class _Strings:
    """A string section under construction, beginning with the empty string or where `known` ends."""

    def __init__(self, known: Btf | None) -> None:
        self._known = known
        self._inherited = _Inherited(known)
        self._offsets = {b"": 0}
        self._parts: list[bytes] = []
        self._end = known.string_end if known else 1

    def offset(self, text: str) -> int:
        if "\0" in text:
            raise ValueError(f"a BTF string cannot hold a NUL: {text!r}")
        return self.offset_of(text.encode("utf-8", "surrogateescape"))

    def offset_of(self, text: bytes) -> int:
        found = self._offsets.get(text)
        if found is not None:
            return found
        found = self._inherited.offset(text)
        if found is None:
            found = self._end
            self._parts.append(text)
            self._end += len(text) + 1
        self._offsets[text] = found
        return found

    def take(self, section: bytes) -> None:
        """Begin with the strings of a section that continues the same base."""
        begin = self._known.string_end if self._known else 0
        self._parts = section[0 if self._known else 1 :].split(b"\0")[:-1]
        self._end = begin + len(section)
        at = begin + (0 if self._known else 1)
        for text in self._parts:
            self._offsets.setdefault(text, at)
            at += len(text) + 1

    def added(self) -> bytes:
        return b"\0".join([*self._parts, b""])

    def section(self) -> bytes:
        return (b"" if self._known else b"\0") + self.added()


class _Moved(dict[int, int]):
    """Offsets of strings of a BTF, and where the section under construction has the same; found when asked for."""

    def __init__(self, btf: Btf, strings: _Strings) -> None:
        self._btf = btf
        self._own = btf.strings
        self._begin = btf.string_end - len(self._own)
        self._strings = strings

    def __missing__(self, offset: int) -> int:
        at = offset - self._begin
        end = self._own.find(b"\0", at) if at >= 0 else -1
        text = self._own[at:end] if end >= 0 else self._btf.string(offset).encode("utf-8", "surrogateescape")
        found = self[offset] = self._strings.offset_of(text)
        return found


class _Inherited:
    """Where the strings of a base are.

    The first few are searched for, about 1 ms each in a vmlinux; then a table is made, which takes 40 ms.
    """

    def __init__(self, btf: Btf | None) -> None:
        self._btf = btf
        self._searches_left = _MAX_SEARCHES
        self._table: dict[bytes, int] = {}

    def offset(self, text: bytes) -> int | None:
        btf = self._btf
        if btf is None:
            return None
        if self._searches_left:
            self._searches_left -= 1
            return next(iter(btf.string_offsets(text.decode("utf-8", "surrogateescape"))), None)
        if not self._table:
            self._table = _table_of_strings(btf)
        return self._table.get(text)


def _table_of_strings(btf: Btf) -> dict[bytes, int]:
    """The first offset of each string of `btf` and its base."""
    table = _table_of_strings(btf.base) if btf.base else {}
    at = btf.base.string_end if btf.base else 0
    for text in btf.strings.split(b"\0")[:-1]:
        table.setdefault(text, at)
        at += len(text) + 1
    return table


def _assemble(types: bytes, strings: bytes, layout: bytes | None, byteorder: ByteOrder) -> bytes:
    """Header and sections; the kind layout, which must be aligned, stands before the strings, which are not."""
    middle = layout or b""
    words = [0, len(types), len(types) + len(middle), len(strings)]
    if layout:
        words += [len(types), len(layout)]
    size = LAYOUT_HEADER_SIZE if layout else HEADER_SIZE
    head = struct.pack(f"{_mark(byteorder)}HBBI{len(words)}I", MAGIC, VERSION, 0, size, *words)
    return head + types + middle + strings


def _mark(byteorder: ByteOrder) -> str:
    return "<" if byteorder == "little" else ">"
