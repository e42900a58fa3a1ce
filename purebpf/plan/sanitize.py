"""The stage `sanitize`: the object's types as this kernel can take them.

Rules, libbpf's to the byte: type ids never change, because maps and records refer to them; a kind that the kernel
does not know becomes one that it knows, whose record is as long, so that all is done in place; only the placeholder
of 64-bit enumerators is appended. Without anything to change the bytes are the file's.

| kind | is needed for | becomes, without it |
|---|---|---|
| VAR, DATASEC | BTF_DATASEC | INT of one byte; STRUCT with a member for each variable |
| DATASEC "?..." | BTF_QMARK_DATASEC | the same with "_" for "?" |
| FUNC_PROTO, FUNC | BTF_FUNC | ENUM with an enumerator for each parameter; TYPEDEF |
| FUNC that is global | BTF_GLOBAL_FUNC | a static one |
| FLOAT | BTF_FLOAT | STRUCT of that size, without name and members |
| DECL_TAG, TYPE_TAG | BTF_DECL_TAG, BTF_TYPE_TAG | INT of one byte; CONST |
| ENUM64, signed ENUM | BTF_ENUM64 | UNION with a byte for each enumerator; ENUM without its sign |
| layout section | BTF_LAYOUT | left out |
"""

from __future__ import annotations

import struct

from purebpf.btf import Btf, Kind
from purebpf.btf.kinds import VLEN_MASK
from purebpf.frozen import Mutable
from purebpf.plan.target import Feature, Target

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Final, Self

    _Change = Callable[["_Image", int], None]

# On Python 3.11 a member looked up on its enum class costs 0.5 us.
_BTF: Final = Feature.BTF
_LAYOUT: Final = Feature.BTF_LAYOUT
_ENUM64: Final = Kind.ENUM64


def sanitize(btf: Btf, target: Target) -> bytes | None:
    """The bytes to hand to the kernel; None if it takes no BTF at all."""
    if not target.supports(_BTF):
        return None
    lacking = [changes for feature, changes in _CHANGES if not target.supports(feature)]
    if not target.supports(_LAYOUT) and btf.kind_layout is not None:
        # Loaded here because few objects on few kernels need it.
        from purebpf.btf import without_layout

        btf = Btf.parse(without_layout(btf), name=btf.name)
    # Where a kind has two changes the first is the one that an older kernel needs.
    changes = {kind: change for found in reversed(lacking) for kind, change in found.items()}
    concerned = btf.ids_of(*changes) if changes else ()
    if not concerned:
        return btf.raw
    image = _Image.of(btf, changes)
    for type_id in concerned:
        changes[btf.kind(type_id)](image, btf.offset_of(type_id))
    return bytes(image.data)


class _Image(Mutable):
    """The bytes of a BTF while its records are changed; `placeholder` is the type of what stands for enumerators."""

    data: bytearray
    btf: Btf
    placeholder: int
    words: struct.Struct

    @classmethod
    def of(cls, btf: Btf, changes: Mapping[int, _Change]) -> Self:
        """The image to change, with a placeholder where one will be needed."""
        placeholder = 0
        if _ENUM64 in changes and btf.ids_of(_ENUM64):
            from purebpf.btf import Int
            from purebpf.btf.writer import with_added

            placeholder = btf.end_id
            btf = with_added(btf, [Int("enum64_placeholder", 1, 8)])
        return cls(bytearray(btf.raw), btf, placeholder, struct.Struct("<I" if btf.byteorder == "little" else ">I"))

    def word(self, at: int) -> int:
        """The 32 bits at a byte of the image."""
        return int(self.words.unpack_from(self.data, at)[0])

    def put(self, at: int, *words: int) -> None:
        """Set words from a byte on."""
        for index, word in enumerate(words):
            self.words.pack_into(self.data, at + 4 * index, word)

    def name(self, at: int) -> tuple[int, int]:
        """Begin and end, in the image, of the name of the record at `at`."""
        header_size, strings = self.word(4), self.word(16)
        begin = header_size + strings + self.word(at)
        return begin, self.data.index(0, begin)

    def entries(self, at: int) -> range:
        """Where the three words of each entry of the record at `at` begin."""
        return range(at + 12, at + 12 + 12 * (self.word(at + 4) & VLEN_MASK), 12)


def _to_byte(image: _Image, at: int) -> None:
    """What matters is only that the type exists: one byte fits into any section."""
    image.put(at + 4, Kind.INT << 24, 1, 8)


def _section_to_struct(image: _Image, at: int) -> None:
    begin, end = image.name(at)
    image.data[begin:end] = image.data[begin:end].replace(b".", b"_").replace(b"?", b"_")
    image.put(at + 4, Kind.STRUCT << 24 | image.word(at + 4) & VLEN_MASK)
    for entry in image.entries(at):
        variable, offset = image.word(entry), image.word(entry + 4)
        image.put(entry, image.word(image.btf.offset_of(variable)), variable, offset * 8 & 0xFFFF_FFFF)


def _without_question_mark(image: _Image, at: int) -> None:
    begin, _ = image.name(at)
    if image.data[begin] == ord("?"):
        image.data[begin] = ord("_")


def _prototype_to_enum(image: _Image, at: int) -> None:
    # Parameters and enumerators are two words each, a name first.
    image.put(at + 4, Kind.ENUM << 24 | image.word(at + 4) & VLEN_MASK, 4)


def _function_to_typedef(image: _Image, at: int) -> None:
    image.put(at + 4, Kind.TYPEDEF << 24)


def _to_static(image: _Image, at: int) -> None:
    # The linkage stands where other kinds count their members; 0 is static.
    image.put(at + 4, Kind.FUNC << 24)


def _float_to_struct(image: _Image, at: int) -> None:
    image.put(at, 0, Kind.STRUCT << 24)


def _tag_to_const(image: _Image, at: int) -> None:
    image.put(at, 0, Kind.CONST << 24)


def _without_sign(image: _Image, at: int) -> None:
    image.put(at + 4, Kind.ENUM << 24 | image.word(at + 4) & VLEN_MASK)


def _to_union(image: _Image, at: int) -> None:
    for entry in image.entries(at):
        image.put(entry + 4, image.placeholder, 0)
    image.put(at + 4, Kind.UNION << 24 | image.word(at + 4) & VLEN_MASK)


_CHANGES: Final[tuple[tuple[Feature, dict[int, _Change]], ...]] = (
    (Feature.BTF_FUNC, {Kind.FUNC_PROTO: _prototype_to_enum, Kind.FUNC: _function_to_typedef}),
    (Feature.BTF_GLOBAL_FUNC, {Kind.FUNC: _to_static}),
    (Feature.BTF_DATASEC, {Kind.VAR: _to_byte, Kind.DATASEC: _section_to_struct}),
    (Feature.BTF_QMARK_DATASEC, {Kind.DATASEC: _without_question_mark}),
    (Feature.BTF_FLOAT, {Kind.FLOAT: _float_to_struct}),
    (Feature.BTF_DECL_TAG, {Kind.DECL_TAG: _to_byte}),
    (Feature.BTF_TYPE_TAG, {Kind.TYPE_TAG: _tag_to_const}),
    (Feature.BTF_ENUM64, {Kind.ENUM: _without_sign, Kind.ENUM64: _to_union}),
)
