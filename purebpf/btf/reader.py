"""`Btf`: a .BTF section as a lazy table of types.

Rules: parsing walks the records once and remembers where each begins, nothing more; a type becomes a value when
it is asked for and is kept. Looking for a name searches bytes and builds nothing: a vmlinux has 126 000 types, a
program needs fifty. A `Btf` is never changed; `with_edits` gives a new one that shares the index.

What the kernel and libbpf refuse is refused here: sections outside the data or over one another, types out of
step, strings that do not end. As in libbpf, and other than in the kernel, gaps and trailing bytes are let pass.
"""

from __future__ import annotations

import sys
from struct import Struct as Format
from struct import pack

from purebpf.btf.decode import decode_type
from purebpf.btf.kinds import (
    HEAD_SIZE,
    KIND_MASK,
    KNOWN_SIZES,
    UNKNOWN_SIZE,
    Scan,
    native_words,
    scan_types,
    with_layout,
)
from purebpf.btf.types import BtfType, Kind, Void
from purebpf.errors import BtfError
from purebpf.frozen import Mutable
from purebpf.units import ByteOrder, TypeId

TYPE_CHECKING = False
if TYPE_CHECKING:
    from array import array
    from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
    from typing import Any, NoReturn

    FindIn = Callable[[Any, bytes, int, int], int]
    """`bytes.find` as a function, of any memory."""

MAGIC = 0xEB9F
VERSION = 1
HEADER_SIZE = 24
LAYOUT_HEADER_SIZE = 32
"""Of a header that has room for layout_off and layout_len."""

NATIVE: ByteOrder = "little" if sys.byteorder == "little" else "big"

_HEADER = {"little": Format("<HBBIIIII"), "big": Format(">HBBIIIII")}
_WORD = {"little": Format("<I"), "big": Format(">I")}
_TWO_WORDS = {"little": Format("<II"), "big": Format(">II")}
_VOID = Void()
_KINDS: dict[int, Kind] = {kind.value: kind for kind in Kind}
_FIRST_TYPES = 64
_FEW_PLACES = 24
"""So many places of a name are looked up one by one: that takes 0.1 ms each, and all at once 3 ms."""
_LONGS = ("long unsigned int", "unsigned long", "long int", "long", "unsigned long int", "unsigned int long")


class Header(Mutable):
    """Where the parts lie, as byte offsets from the beginning of the data."""

    byteorder: ByteOrder
    types: int
    types_end: int
    strings: int
    strings_end: int
    layout: int = 0
    layout_end: int = 0


class Btf:
    """The types of one .BTF section, by id; `btf[id]` builds one.

    `first_id` is the first own id and `end_id` one past the last (also `len(btf)`): ids below `first_id` are
    those of `base`, and 0 is void. `raw` are the bytes as they were read, `memory` the same where they lie: a kernel's
    may be mapped, and is copied for who asks for `raw`. `derived` is a place for what others work out from the types,
    and is gone with them.
    """

    __slots__ = (
        "__weakref__",
        "_find_in",
        "_found",
        "_header",
        "_names",
        "_offsets",
        "_planes",
        "_pointer_size",
        "_string_base",
        "_types",
        "_whole_names",
        "base",
        "byteorder",
        "derived",
        "end_id",
        "first_id",
        "memory",
        "name",
        "raw",
    )

    base: Btf | None
    byteorder: ByteOrder
    derived: dict[object, Any]
    end_id: int
    first_id: int
    memory: bytes | memoryview
    name: str
    raw: bytes

    def __init__(
        self,
        memory: bytes | memoryview,
        header: Header,
        offsets: memoryview,
        names: bytes | None,
        base: Btf | None,
        name: str,
        find: FindIn = bytes.find,
    ) -> None:
        """For `parse` and `with_edits`, which see to it that the parts fit."""
        self.memory = memory
        if isinstance(memory, bytes):
            self.raw = memory
        self._find_in = find
        self.base = base
        self.name = name
        self.byteorder = header.byteorder
        self.derived = {}
        self.first_id = base.end_id if base else 1
        self.end_id = self.first_id + len(offsets)
        self._header = header
        self._offsets = offsets
        self._names = names
        self._string_base: int = base.string_end if base else 0
        self._whole_names = False
        self._planes: dict[int, bytes] = {}
        self._types: dict[int, BtfType] = {}
        self._found: dict[str, tuple[TypeId, ...]] = {}
        self._pointer_size = 0

    @classmethod
    def parse(
        cls,
        data: bytes | bytearray | memoryview,
        *,
        base: Btf | None = None,
        name: str = "",
        scan: Scan | None = None,
        find: FindIn | None = None,
        whole_names: bool = False,
    ) -> Btf:
        """The BTF in `data`, in either byte order; `base` is what a split BTF continues.

        `name` is for error messages; `scan` replaces the pure-Python walk over the records. `whole_names` asserts that
        no name is the tail of another string and no string is there twice, as in every BTF that pahole wrote: `find`
        need not look.
        `find` does what `bytes.find` does in any memory; with it `data` stays where it is, and must not change.
        """
        raw: Any = data if type(data) is bytes or find is not None else bytes(data)
        header = _read_header(raw, base is not None, name)
        sizes = KNOWN_SIZES
        if header.layout:
            sizes = with_layout(raw[header.layout : header.layout_end])
        swapped = header.byteorder != NATIVE
        types = memoryview(raw)[header.types : header.types_end]
        offsets, names, end = (scan or scan_types)(types, swapped, sizes)
        if end != len(types) // 4:
            _refuse_record(raw, header, sizes, end, name)
        places = memoryview(offsets).cast("I")
        parsed = cls(raw, header, places, names, base, name, find or bytes.find)
        parsed._whole_names = whole_names
        return parsed

    def __getattr__(self, name: str) -> bytes:
        """`raw`, an empty slot, of types that were not copied when they were parsed: of a vmlinux that takes 3 ms."""
        if name != "raw":
            raise AttributeError(f"a Btf has no attribute '{name}'")
        self.raw = bytes(self.memory)
        return self.raw

    def __len__(self) -> int:
        """One past the last id."""
        return self.end_id

    def __repr__(self) -> str:
        return f"<Btf {self.name or 'of bytes'}: types {self.first_id} to {self.end_id - 1}>"

    def __getitem__(self, type_id: int) -> BtfType:
        """The type of that id, built the first time; BtfError for an id that does not exist."""
        known = self._types.get(type_id)
        if known is not None:
            return known
        if type_id < self.first_id:
            if self.base and type_id > 0:
                return self.base[type_id]
            if type_id == 0:
                return _VOID
        built = decode_type(self, self.offset_of(type_id))
        self._types[type_id] = built
        return built

    def offset_of(self, type_id: int) -> int:
        """The byte of `raw` at which an own type's record begins."""
        if not self.first_id <= type_id < self.end_id:
            raise BtfError(
                f"there is no type {type_id}, the last one is {self.end_id - 1}", file=self.name, section=".BTF"
            )
        return self._header.types + 4 * self._offsets[type_id - self.first_id]

    def ids(self) -> range:
        """The own ids."""
        return range(self.first_id, self.end_id)

    def ids_of(self, *kinds: int) -> list[TypeId]:
        """The own ids of these kinds, without building anything."""
        at = self._header.types + (7 if self.byteorder == "little" else 4)
        raw, wanted = self.memory, frozenset(kinds)
        return [
            TypeId(type_id)
            for type_id, word in enumerate(self._offsets.tolist(), self.first_id)
            if raw[at + 4 * word] & KIND_MASK in wanted
        ]

    def kind(self, type_id: int) -> Kind | int:
        """The kind, without building the type; a plain int for one this library does not know."""
        if type_id < self.first_id:
            if type_id == 0:
                return Kind.VOID
            if self.base:
                return self.base.kind(type_id)
        at = self.offset_of(type_id) + (7 if self.byteorder == "little" else 4)
        number = self.memory[at] & KIND_MASK
        return _KINDS.get(number, number)

    def name_of(self, type_id: int) -> str:
        """The name, without building the type."""
        if type_id < self.first_id:
            if type_id == 0:
                return ""
            if self.base:
                return self.base.name_of(type_id)
        (offset,) = _WORD[self.byteorder].unpack_from(self.memory, self.offset_of(type_id))
        return self.string(offset) if offset else ""

    def size_or_type(self, type_id: int) -> int:
        """The third word of the record, a size or a type id as the kind has it, without building the type."""
        if type_id < self.first_id:
            if type_id == 0:
                return 0
            if self.base:
                return self.base.size_or_type(type_id)
        (word,) = _WORD[self.byteorder].unpack_from(self.memory, self.offset_of(type_id) + 8)
        return int(word)

    @property
    def string_end(self) -> int:
        """One past the last string offset, base's strings included."""
        return self._string_base + self._header.strings_end - self._header.strings

    def string(self, offset: int) -> str:
        """The string at an offset of the string section; bytes that are no UTF-8 become lone surrogates."""
        if offset < self._string_base:
            assert self.base is not None
            return self.base.string(offset)
        at = self._header.strings + offset - self._string_base
        end = self._find_in(self.memory, b"\0", at, self._header.strings_end)
        if end < 0:
            self._refuse(f"string offset {offset:#x} lies outside the string section of {self.string_end:#x} bytes")
        return str(self.memory[at:end], "utf-8", "surrogateescape")

    def string_offsets(self, text: str, *, once: bool = False) -> list[int]:
        """Every offset at which `text` stands as a string of its own (base's first), without building an index.

        With `once` the search ends where it is found.
        """
        found = self.base.string_offsets(text, once=once) if self.base else []
        if once and found:
            return found
        return found + self._search(b"\0" + text.encode("utf-8", "surrogateescape") + b"\0", 1, once=once)

    def strings_with(self, part: bytes) -> Iterator[str]:
        """The own strings in which `part` stands; no copy of the string section is made."""
        memory, begin, end = self.memory, self._header.strings, self._header.strings_end
        at = self._find_in(memory, part, begin, end)
        while at >= 0:
            first, last = at, self._find_in(memory, b"\0", at, end)
            while first > begin and memory[first - 1]:
                first -= 1
            yield str(memory[first:last], "utf-8", "surrogateescape")
            at = self._find_in(memory, part, last, end)

    def find(self, name: str, kind: int | None = None) -> tuple[TypeId, ...]:
        """The ids of the types of that name (and kind), base's first; () when there is none."""
        found = self._found.get(name)
        if found is None:
            found = self._found[name] = self._find(name)
        if kind is None:
            return found
        return tuple([type_id for type_id in found if self.kind(type_id) == kind])

    def find_one(self, name: str, kind: int | None = None) -> TypeId | None:
        """The first of `find`, or None."""
        found = self.find(name, kind)
        return found[0] if found else None

    def _find(self, name: str) -> tuple[TypeId, ...]:
        """Search the strings for the name, then the types' name offsets for where it stands.

        Both are searches of bytes for bytes, 0.9 and 0.1 ms in a vmlinux, where a dict of its names costs 60 ms and
        20 MB.
        """
        found = self.base.find(name) if self.base else ()
        first = self.first_id
        own = [TypeId(first + index) for offset in self._candidates(name) for index in self._named(offset)]
        return found + tuple(sorted(own))

    def _named(self, offset: int) -> list[int]:
        """Which own types have their name at that string offset, counted from 0.

        A byte of each offset stands in a plane of its own, where memchr() finds the few hundred that have the same;
        looking for all four bytes at once takes 8 times as long, for the upper ones are zeros nearly everywhere.
        """
        names = self._name_offsets()
        wanted = offset.to_bytes(4, NATIVE)
        # Of the two lowest bytes one that is not 0: a third of the types have no name, and so offset 0.
        lowest, second = (0, 1) if NATIVE == "little" else (3, 2)
        which = lowest if wanted[lowest] else second
        plane = self._planes.get(which)
        if plane is None:
            plane = self._planes[which] = names[which::4]
        byte, found = wanted[which : which + 1], []
        at = plane.find(byte)
        while at >= 0:
            if names[4 * at : 4 * at + 4] == wanted:
                found.append(at)
            at = plane.find(byte, at + 1)
        return found

    def _candidates(self, name: str) -> Collection[int]:
        """The string offsets that may give `name`: whole strings, and tails of others unless it is known that no
        name of this BTF is one.

        No known writer merges strings by their tails, but a name offset may point anywhere, and a short name such as
        "pid" has a hundred places: of many, those that any type has as its name are found in one go (3 ms for a
        vmlinux).
        """
        if not name:
            return (0,)
        if "\0" in name:
            return ()
        if self._whole_names:
            return self.string_offsets(name, once=True)
        needle = name.encode("utf-8", "surrogateescape") + b"\0"
        found = (self.base._search(needle, 0) if self.base else []) + self._search(needle, 0)
        if len(found) <= _FEW_PLACES:
            return found
        return set(found).intersection(memoryview(self._name_offsets()).cast("I"))

    def _search(self, needle: bytes, skip: int, *, once: bool = False) -> list[int]:
        """String offsets at which `needle` stands in the own strings, plus `skip`."""
        begin, end = self._header.strings, self._header.strings_end
        memory, found = self.memory, []
        shift = self._string_base + skip - begin
        at = self._find_in(memory, needle, begin, end)
        while at >= 0:
            found.append(at + shift)
            at = -1 if once else self._find_in(memory, needle, at + 1, end)
        # A split BTF's first string has no NUL before it.
        if skip and self.base and memory[begin : min(begin + len(needle) - 1, end)] == needle[1:]:
            found.insert(0, self._string_base)
        return found

    def _name_offsets(self) -> bytes:
        """The name offset of each own type, as native u32; gathered by the first search."""
        if self._names is None:
            types = memoryview(self.memory)[self._header.types : self._header.types_end]
            words = native_words(types, self.byteorder != NATIVE)
            self._names = pack(f"={len(self._offsets)}I", *map(words.__getitem__, self._offsets.tolist()))
        return self._names

    @property
    def pointer_size(self) -> int:
        """Bytes of a pointer: the size of the type `long` where there is one, else 8 as in every BPF program."""
        if self.base:
            return self.base.pointer_size
        if not self._pointer_size:
            # Compilers and pahole write the integers first, and a search of a vmlinux for their names takes 2 ms.
            first = (i for i in self.ids()[:_FIRST_TYPES] if self.kind(i) == Kind.INT and self.name_of(i) in _LONGS)
            long = next(first, None) or next((i for name in _LONGS for i in self.find(name, Kind.INT)), None)
            self._pointer_size = 4 if long and self.size_or_type(long) == 4 else 8
        return self._pointer_size

    @property
    def kind_layout(self) -> bytes | None:
        """The kind-layout section, or None when the file has none."""
        header = self._header
        return self.raw[header.layout : header.layout_end] if header.layout else None

    @property
    def words(self) -> memoryview | array[int]:
        """The type section as native words; see `places`."""
        types = memoryview(self.raw)[self._header.types : self._header.types_end]
        return native_words(types, self.byteorder != NATIVE)

    @property
    def places(self) -> array[int]:
        """The word of `words` at which each own type's record begins; the caller's own."""
        # Loaded here, as with it comes the module collections, which no load imports.
        from array import array

        return array("I", bytes(self._offsets))

    @property
    def strings(self) -> bytes:
        """The own string section."""
        return self.raw[self._header.strings : self._header.strings_end]

    def records(self, begin: int, end: int) -> bytes:
        """The bytes of the records of the own types from `begin` up to and without `end`."""
        return self.raw[self._record_place(begin) : self._record_place(end)]

    def _record_place(self, type_id: int) -> int:
        return self._header.types_end if type_id == self.end_id else self.offset_of(type_id)

    def with_edits(self, edits: Sequence[tuple[int, bytes]], changed: Mapping[int, BtfType]) -> Btf:
        """A copy with bytes of `raw` replaced, for edits that move no record and change no name.

        `edits` are (byte offset, bytes), `changed` what the types they touch are now. The index is shared, and so
        are the types built so far: an edit costs a copy of the bytes.
        """
        raw = bytearray(self.raw)
        for at, replacement in edits:
            raw[at : at + len(replacement)] = replacement
        if len(raw) != len(self.raw):
            raise ValueError("an edit of a BTF reaches past its end")
        copy = Btf(bytes(raw), self._header, self._offsets, self._names, self.base, self.name)
        copy._types = {**self._types, **changed}
        copy._found = self._found.copy()
        copy._whole_names = self._whole_names
        return copy

    def kinds(self) -> set[int]:
        """Which kinds the own types have."""
        at = self._header.types + (7 if self.byteorder == "little" else 4)
        raw = self.memory
        return {raw[at + 4 * word] & KIND_MASK for word in self._offsets.tolist()}

    def _refuse(self, reason: str, offset: int | None = None) -> NoReturn:
        raise BtfError(reason, file=self.name, section=".BTF", offset=offset)


def _read_header(raw: bytes, split: bool, name: str) -> Header:
    def refuse(reason: str, offset: int | None = None) -> NoReturn:
        raise BtfError(reason, file=name, section=".BTF", offset=offset)

    if len(raw) < HEADER_SIZE:
        refuse(f"{len(raw)} bytes are too few for a BTF header of {HEADER_SIZE}")
    byteorder: ByteOrder = "big" if raw[:2] == b"\xeb\x9f" else "little"
    magic, version, flags, size, types, types_len, strings, strings_len = _HEADER[byteorder].unpack_from(raw)
    if magic != MAGIC:
        refuse(f"no BTF: the magic number is {magic:#06x}, not {MAGIC:#06x}", 0)
    if version != VERSION:
        refuse(f"BTF of version {version}, this library reads version {VERSION}", 2)
    if flags:
        refuse(f"BTF with unknown flags {flags:#x}", 3)
    if not HEADER_SIZE <= size <= len(raw):
        refuse(f"the header says that it is {size} bytes long, of {len(raw)}", 4)
    if types & 3 or types_len & 3:
        refuse(f"the type section ({types_len} bytes from {types:#x}) is not made of whole words", 8)
    room = len(raw) - size
    if types + types_len > strings:
        refuse(f"the type section ({types_len} bytes from {types:#x}) reaches into the strings at {strings:#x}", 8)
    if strings + strings_len > room:
        refuse(f"the string section ({strings_len} bytes from {strings:#x}) ends after the data ({room} bytes)", 16)
    header = Header(byteorder, size + types, size + types + types_len, size + strings, size + strings + strings_len)
    if not strings_len and not split:
        refuse("the string section is empty")
    if strings_len and raw[header.strings_end - 1]:
        refuse("the string section does not end with a NUL", header.strings_end - 1)
    if strings_len and not split and raw[header.strings]:
        refuse(
            "the string section does not begin with the empty string; a split BTF is read with its base", header.strings
        )
    if size >= LAYOUT_HEADER_SIZE:
        _read_layout(raw, header, size, refuse_at=name)
    return header


def _read_layout(raw: bytes, header: Header, size: int, refuse_at: str) -> None:
    """Take the kind-layout section's place into `header`; a length of 0 means there is none."""
    offset, length = _TWO_WORDS[header.byteorder].unpack_from(raw, HEADER_SIZE)
    if not length:
        return
    begin, end = size + offset, size + offset + length
    reason = ""
    if offset & 3 or length & 3:
        reason = "is not made of whole words"
    elif end > len(raw):
        reason = f"ends after the data ({len(raw) - size} bytes)"
    elif begin < header.types_end and end > header.types:
        reason = "reaches into the types"
    elif begin < header.strings_end and end > header.strings:
        reason = "reaches into the strings"
    if reason:
        reason = f"the kind-layout section ({length} bytes from {offset:#x}) {reason}"
        raise BtfError(reason, file=refuse_at, section=".BTF", offset=HEADER_SIZE)
    header.layout, header.layout_end = begin, end


def _refuse_record(raw: bytes, header: Header, sizes: bytes, word: int, name: str) -> NoReturn:
    """Say what is wrong with the record at `word`, at which the scan ended early."""
    at = header.types + 4 * word
    reason = "the last type is cut off"
    if at + HEAD_SIZE <= header.types_end:
        (info,) = _WORD[header.byteorder].unpack_from(raw, at + 4)
        kind = info >> 24 & KIND_MASK
        if sizes[2 * kind] == UNKNOWN_SIZE:
            reason = f"a type of kind {kind}, which this library does not know"
            reason += " and the file does not describe" if kind else ""
        else:
            reason = f"a type of kind {_KINDS[kind].name if kind in _KINDS else kind} ends after the type section"
    raise BtfError(reason, file=name, section=".BTF", offset=at)
