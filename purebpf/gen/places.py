"""Sizes, alignments and the padding that puts members where they are, on the words of a `Table`.

Rules as in `purebpf.btf.layout`: alignment is not in the file but follows from sizes and offsets. A struct with a
member where its type's alignment forbids it, or of a size that is no multiple of its alignment, was packed.
"""

from collections.abc import Sequence

from purebpf.btf.types import Kind
from purebpf.gen.table import Table

_INT, _PTR, _ARRAY, _STRUCT, _UNION = (
    Kind.INT.value,
    Kind.PTR.value,
    Kind.ARRAY.value,
    Kind.STRUCT.value,
    Kind.UNION.value,
)
_SIZED = frozenset({Kind.INT.value, Kind.ENUM.value, Kind.ENUM64.value, Kind.FLOAT.value})
_ALIASES = frozenset(
    kind.value for kind in (Kind.TYPEDEF, Kind.CONST, Kind.VOLATILE, Kind.RESTRICT, Kind.TYPE_TAG, Kind.VAR)
)
_PADDING = ((64, "long long"), (32, "int"), (16, "short"), (8, "char"))
_MAX_PADDING_LINES = 16
_MAX_SIZE = 0xFFFFFFFF
MAX_DEPTH = 200
"""Of one declaration: aliases, arrays and anonymous types in one another. The kernel's deepest has 12."""

Place = tuple[int, int, int]
"""Bit, width of a bitfield or 0, size in bytes of the member's type."""


class Places:
    """Worked out once a type and kept."""

    def __init__(self, table: Table) -> None:
        self._table = table
        self._known: dict[int, tuple[int, int]] = {}

    def size_and_alignment(self, type_id: int, depth: int = 0) -> tuple[int, int]:
        """Of a type that can be a member; (0, 1) for one without a size, which C does not accept as a member."""
        known = self._known.get(type_id)
        if known is not None:
            return known
        table = self._table
        if depth > MAX_DEPTH:
            raise table.fault(type_id, "is nested too deeply or contains itself")
        kind = table.kinds[type_id]
        if kind in _ALIASES:
            found = self.size_and_alignment(table.target(type_id), depth + 1)
        elif kind == _PTR:
            found = table.pointer_size, table.pointer_size
        elif kind == _ARRAY:
            element, count = table.element(type_id)
            size, alignment = self.size_and_alignment(element, depth + 1)
            if size * count > _MAX_SIZE:
                raise table.fault(type_id, f"is an array of more than {_MAX_SIZE} bytes")
            found = size * count, alignment
        elif kind in _SIZED:
            found = self._scalar(table.third(type_id))
        elif kind in (_STRUCT, _UNION):
            found = table.third(type_id), self._compound_alignment(type_id, depth)
        else:
            found = 0, 1
        self._known[type_id] = found
        return found

    def _scalar(self, size: int) -> tuple[int, int]:
        power = size & -size
        word = self._table.pointer_size
        return size, max(1, min(power, 2 * word) if power > 8 else min(power, word))

    def _compound_alignment(self, type_id: int, depth: int) -> int:
        size, alignment = self._table.third(type_id), 1
        for type_of_member, (bit, width, _) in zip(*self._members(type_id, depth), strict=True):
            unit, needed = self.size_and_alignment(type_of_member, depth + 1)
            if needed > alignment:
                alignment = needed
            if width:
                if not unit or bit // (8 * unit) != (bit + width - 1) // (8 * unit):
                    return 1
            elif bit % (8 * needed):
                return 1
        return 1 if size % alignment else alignment

    def _members(self, type_id: int, depth: int) -> tuple[Sequence[int], list[Place]]:
        _, types, offsets = self._table.columns(type_id, 3)
        self._table.checked(type_id, types)
        return types, self.members(type_id, types, offsets, depth)

    def members(self, type_id: int, types: Sequence[int], offsets: Sequence[int], depth: int = 0) -> list[Place]:
        """Where each member lies."""
        known, measured = self._known, self.size_and_alignment
        sizes = [(known.get(each) or measured(each, depth + 1))[0] for each in types]
        if self._table.flag(type_id):
            return [(offset & 0xFFFFFF, offset >> 24, size) for offset, size in zip(offsets, sizes, strict=True)]
        return [
            (offset, 0, size) if kind != _INT and kind not in _ALIASES else self._old_bitfield(each, offset, size)
            for offset, size, each, kind in zip(
                offsets, sizes, types, map(self._table.kinds.__getitem__, types), strict=True
            )
        ]

    def _old_bitfield(self, type_id: int, offset: int, size: int) -> Place:
        """Before Linux 5.0 a bitfield was a member of an integer type with fewer bits than its size has."""
        table, at = self._table, type_id
        while table.kinds[at] in _ALIASES:
            at = table.target(at)
        if table.kinds[at] != _INT:
            return offset, 0, size
        word = table.words[table.places[at] + 3]
        bits, shift = word & 0xFF, word >> 16 & 0xFF
        return (offset + shift, bits, size) if shift or bits != 8 * size else (offset, 0, size)

    def is_packed(self, type_id: int, types: Sequence[int], places: Sequence[Place]) -> bool:
        """Whether a struct or union could not lie as it does unless it was declared packed."""
        measured = self.size_and_alignment
        if measured(type_id)[1] > 1:
            return False
        for each, (bit, width, size) in zip(types, places, strict=True):
            if measured(each)[1] > 1 or (width and bit // (8 * size or 1) != (bit + width - 1) // (8 * size or 1)):
                return True
        return False


def padding(begin: int, end: int) -> list[str]:
    """Unnamed bitfields that fill the bits from `begin` to `end`."""
    lines: list[str] = []
    while begin < end:
        fitting = (each for each in _PADDING if not begin % each[0] and begin + each[0] <= end)
        bits, word = next(fitting, (min(8 - begin % 8, end - begin), "char"))
        if len(lines) == _MAX_PADDING_LINES and not (begin | end) % 8:
            return [*lines, f"char __padding_{begin // 8}[{(end - begin) // 8}];"]
        lines.append(f"{word}: {bits};")
        begin += bits
    return lines
