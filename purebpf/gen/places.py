"""Sizes, alignments and where members lie, on the words of a `Table`.

Rules as in `purebpf.btf.layout`: alignment is not in the file but follows from sizes and offsets. A struct with a
member where its type's alignment forbids it, or of a size that is no multiple of its alignment, was packed.
"""

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
_MAX_SIZE = 0xFFFFFFFF
MAX_DEPTH = 64
"""Of one declaration: aliases, arrays and anonymous types in one another. The kernel's deepest has 12."""

Measure = tuple[int, int, int, int]
"""Size and alignment in bytes; bits to skip and bits to take of an integer that is a bitfield of the old encoding."""

Place = tuple[int, int, int, int]
"""Of a member: its bit, its width if it is a bitfield, else 0; size and alignment of its type in bytes."""


class Places:
    """Worked out once a type and kept."""

    def __init__(self, table: Table) -> None:
        self._table = table
        self._measures: dict[int, Measure] = {}
        self._members: dict[int, list[Place]] = {}

    def measure(self, type_id: int, depth: int = 0) -> Measure:
        """Of a type that can be a member; size 0 of one without a size, which C does not accept as a member."""
        known = self._measures.get(type_id)
        if known is not None:
            return known
        table = self._table
        if depth > MAX_DEPTH:
            raise table.fault(type_id, "is nested too deeply or contains itself")
        kind = table.kinds[type_id]
        if kind in _ALIASES:
            found = self.measure(table.target(type_id), depth + 1)
        elif kind == _PTR:
            found = table.pointer_size, table.pointer_size, 0, 0
        elif kind == _ARRAY:
            element, count = table.element(type_id)
            size, alignment, _, _ = self.measure(element, depth + 1)
            if size * count > _MAX_SIZE:
                raise table.fault(type_id, f"is an array of more than {_MAX_SIZE} bytes")
            found = size * count, alignment, 0, 0
        elif kind in _SIZED:
            found = self._scalar(type_id, kind)
        elif kind in (_STRUCT, _UNION):
            found = table.third(type_id), self._compound_alignment(type_id, depth), 0, 0
        else:
            found = 0, 1, 0, 0
        self._measures[type_id] = found
        return found

    def _scalar(self, type_id: int, kind: int) -> Measure:
        table = self._table
        size, word = table.third(type_id), table.pointer_size
        power = size & -size
        alignment = max(1, min(power, 2 * word) if power > 8 else min(power, word))
        if kind != _INT:
            return size, alignment, 0, 0
        # Before Linux 5.0 a bitfield was a member of an integer type with fewer bits than its size has.
        encoding = table.words[table.places[type_id] + 3]
        bits, shift = encoding & 0xFF, encoding >> 16 & 0xFF
        return (size, alignment, shift, bits) if shift or bits != 8 * size else (size, alignment, 0, 0)

    def _compound_alignment(self, type_id: int, depth: int) -> int:
        alignment = 1
        for bit, width, unit, needed in self.members(type_id, depth):
            if needed > alignment:
                alignment = needed
            if bit % (8 * needed) if not width else _crosses(bit, width, unit):
                return 1
        return 1 if self._table.third(type_id) % alignment else alignment

    def members(self, type_id: int, depth: int = 0) -> list[Place]:
        """Where each member lies, by what the struct's encoding says."""
        places = self._members.get(type_id)
        if places is None:
            table, measures, measure = self._table, self._measures, self.measure
            _, types, offsets = table.columns(type_id, 3)
            measured = [measures.get(each) or measure(each, depth + 1) for each in table.checked(type_id, types)]
            pairs = zip(offsets, measured, strict=True)
            if table.flag(type_id):
                places = [(at & 0xFFFFFF, at >> 24, size, alignment) for at, (size, alignment, _, _) in pairs]
            else:
                places = [(at + shift, bits, size, alignment) for at, (size, alignment, shift, bits) in pairs]
            self._members[type_id] = places
        return places

    def is_packed(self, type_id: int) -> bool:
        """Whether a struct or union could not lie as it does unless it was declared packed."""
        if self.measure(type_id)[1] > 1:
            return False
        return any(
            alignment > 1 or (width and _crosses(bit, width, size))
            for bit, width, size, alignment in self.members(type_id)
        )


def _crosses(bit: int, width: int, size: int) -> bool:
    """Whether a bitfield begins in one unit of its type and ends in the next."""
    return not size or bit // (8 * size) != (bit + width - 1) // (8 * size)
