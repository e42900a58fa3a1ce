"""How many bytes each kind's record takes, and the walk over the type section that follows from it.

A record is a head of three words (name, info, size or type), `info` bytes that stand once, then `vlen` elements
of `element` bytes. A kind newer than this library is skipped with the file's own kind-layout section, which
gives the same two figures (`struct btf_layout`, Linux 7.1); a kind that nobody described ends the walk, for there
is no telling where the next record begins.

The info word is read as the newest kernel headers do: 24 bits of vlen, 7 bits of kind, 1 bit of kind_flag. Older
ones had 16 and 5, with the bits between required to be zero, so one reading serves both.
"""

from __future__ import annotations

from struct import pack

from purebpf.btf.types import Kind
from purebpf.standard import Callable, remembered_lately

TYPE_CHECKING = False
if TYPE_CHECKING:
    from array import array

HEAD_SIZE = 12
KIND_MASK = 0x7F
VLEN_MASK = 0xFFFFFF
KIND_COUNT = 128

UNKNOWN_SIZE = 0xFF
"""Marks a kind without a description in a size table; no true size, for those are multiples of 4."""

Scan = Callable[[memoryview, bool, bytes], "tuple[bytes, bytes | None, int]"]
"""`scan(types, swapped, sizes) -> (offsets, names, end)`.

`types` is the type section (a multiple of 4 bytes), `swapped` whether its words are in the other byte order,
`sizes` a size table: for each of 128 kinds a byte of `info` and a byte of `element` size, UNKNOWN_SIZE for a
kind nobody knows. `offsets` are native u32, the word (not byte) at which each record begins; `names` are native
u32, the name offset of each record, or None to have them gathered when first needed. `end` is the word at which
the walk ended: the section's length in words, or the beginning of the first record that is of an unknown kind or
does not lie in the section as a whole.
"""

RECORD_SIZES: dict[Kind, tuple[int, int]] = {
    Kind.VOID: (UNKNOWN_SIZE, UNKNOWN_SIZE),
    Kind.INT: (4, 0),
    Kind.PTR: (0, 0),
    Kind.ARRAY: (12, 0),
    Kind.STRUCT: (0, 12),
    Kind.UNION: (0, 12),
    Kind.ENUM: (0, 8),
    Kind.FWD: (0, 0),
    Kind.TYPEDEF: (0, 0),
    Kind.VOLATILE: (0, 0),
    Kind.CONST: (0, 0),
    Kind.RESTRICT: (0, 0),
    Kind.FUNC: (0, 0),
    Kind.FUNC_PROTO: (0, 8),
    Kind.VAR: (4, 0),
    Kind.DATASEC: (0, 12),
    Kind.FLOAT: (0, 0),
    Kind.DECL_TAG: (4, 0),
    Kind.TYPE_TAG: (0, 0),
    Kind.ENUM64: (0, 12),
}

KNOWN_SIZES = b"".join(bytes(pair) for pair in RECORD_SIZES.values()).ljust(2 * KIND_COUNT, bytes([UNKNOWN_SIZE]))
"""The size table of a file without a kind-layout section."""


def with_layout(layout: bytes) -> bytes:
    """The size table of a file with the kind-layout section `layout` (4 bytes a kind: info, element, flags).

    The kinds this library knows keep their own sizes, as in libbpf: the section helps with the others only. An
    entry whose sizes are no multiple of 4 would put every later record out of step and counts as absent.
    """
    sizes = bytearray(KNOWN_SIZES)
    for kind in range(len(RECORD_SIZES), min(len(layout) // 4, KIND_COUNT)):
        info, element = layout[4 * kind], layout[4 * kind + 1]
        if not (info | element) & 3:
            sizes[2 * kind : 2 * kind + 2] = bytes((info, element))
    return bytes(sizes)


@remembered_lately(8)
def _steps(sizes: bytes) -> tuple[list[int], list[int]]:
    """Words of head and info, and words an element, by the top byte of the info word (kind_flag and kind)."""
    beyond = 1 << 40  # past the end of every section: a record of an unknown kind ends the walk
    known = [sizes[2 * kind] != UNKNOWN_SIZE for kind in range(KIND_COUNT)]
    fixed = [(HEAD_SIZE + sizes[2 * kind]) // 4 if known[kind] else beyond for kind in range(KIND_COUNT)]
    element = [sizes[2 * kind + 1] // 4 if known[kind] else 0 for kind in range(KIND_COUNT)]
    return fixed * 2, element * 2


def scan_types(types: memoryview, swapped: bool, sizes: bytes) -> tuple[bytes, None, int]:
    """The pure-Python `Scan`.

    A view of words and an array of words walk equally fast; the view spares the copy. Most records have no
    elements, which is worth the branch: 16 ms for the 126 585 types of a vmlinux.
    """
    words = native_words(types, swapped)
    fixed, element = _steps(sizes)
    offsets: list[int] = []
    append = offsets.append
    at, end = 0, len(words)
    try:
        while at < end:
            append(at)
            info = words[at + 1]
            if info & VLEN_MASK:
                at += fixed[info >> 24] + (info & VLEN_MASK) * element[info >> 24]
            else:
                at += fixed[info >> 24]
    except IndexError:
        at = end + 1
    if at != end:
        end = offsets.pop()
    return pack(f"={len(offsets)}I", *offsets), None, end


def native_words(section: memoryview, swapped: bool) -> memoryview | array[int]:
    """The 32-bit words of a section, copied only where they are in the other byte order."""
    if not swapped:
        return section.cast("I")
    # Loaded here, as with it comes the module collections; the types of a load are in native order.
    from array import array

    words = array("I", bytes(section))
    words.byteswap()
    return words
