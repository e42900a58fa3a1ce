"""A module's split BTF that survives a new kernel: what it needs of its base, and fitting it to another base.

A split BTF names its base's types by number, so it is worth nothing beside any other build of the kernel. Distilled,
it brings a base of its own with as little as tells each type again: numbers in full, enums by name and size, structs
and unions by name, and by size where the module holds one by value. What has no name, and pointers and the like, go
into the split part. `relocate` finds those few types in the kernel at hand (Linux 6.11 does it for modules; the
sections are .BTF and .BTF.base).
"""

from array import array

from purebpf.btf.dedup import Deduplicated
from purebpf.btf.reader import Btf
from purebpf.btf.references import references
from purebpf.btf.types import BtfType, Enum, Float, Forward, FunctionProto, Int, Kind, Pointer, Struct, Union
from purebpf.btf.writer import BtfWriter
from purebpf.errors import BtfError
from purebpf.frozen import frozen

_COMPOUND = (Kind.STRUCT, Kind.UNION)
_ENUMS = (Kind.ENUM, Kind.ENUM64)


@frozen
class Distilled:
    """A small base, the split BTF that continues it, and what became of each id."""

    base: bytes
    split: bytes
    ids: "array[int]"


def distill(btf: Btf) -> Distilled:
    """The types of a split BTF with a base of just those types that they need."""
    if btf.base is None:
        raise ValueError("only a split BTF can be distilled: this one has no base")
    if btf.base.base is not None:
        raise ValueError("a BTF can only be distilled from a base that is whole: this one's is split itself")
    kept, moved, embedded = _needed(btf)
    base_writer = BtfWriter(byteorder=btf.byteorder)
    ids = array("I", [0]) * btf.end_id
    for type_id in sorted(kept):
        ids[type_id] = base_writer.add(_told(btf[type_id], type_id in embedded))
    base_data = base_writer.build()
    base = Btf.parse(base_data)
    for new, old in enumerate([*btf.ids(), *sorted(moved)], base.end_id):
        ids[old] = new
    writer = BtfWriter(byteorder=btf.byteorder, base=base)
    writer.add_renumbered(btf, btf.ids(), ids)
    writer.add_renumbered(btf.base, sorted(moved), ids)
    return Distilled(base_data, writer.build(), ids)


def relocate(btf: Btf, base: Btf) -> Deduplicated:
    """A split BTF with a distilled base as one that continues `base`; BtfError for a type that `base` does not have."""
    if btf.base is None:
        raise ValueError("only a split BTF can be relocated: this one has no base")
    ids = array("I", [0])
    for type_id in btf.base.ids():
        ids.append(_found(btf.base, type_id, base))
    ids.extend(range(base.end_id, base.end_id + len(btf.ids())))
    writer = BtfWriter(byteorder=btf.byteorder, base=base)
    writer.add_renumbered(btf, btf.ids(), ids)
    return Deduplicated(writer.build(), ids)


def _needed(btf: Btf) -> tuple[set[int], set[int], set[int]]:
    """Of the base: the types to be told, those to be moved into the split part, and those held by value."""
    kept, moved, embedded = set[int](), set[int](), set[int]()
    seen = set[tuple[int, bool]]()
    todo = [(each, True) for each in btf.ids()]
    while todo:
        type_id, by_value = todo.pop()
        kind = btf[type_id]
        inner = by_value and not isinstance(kind, Pointer | FunctionProto)
        for target in references(kind):
            if not target or target >= btf.first_id or (target, inner) in seen:
                continue
            seen.add((target, inner))
            if _can_be_told(btf[target]):
                kept.add(target)
                if inner:
                    embedded.add(target)
            else:
                moved.add(target)
                todo.append((target, inner))
    return kept, moved, embedded


def _can_be_told(kind: BtfType) -> bool:
    return bool(kind.name) and isinstance(kind, Int | Float | Enum | Struct | Union | Forward)


def _told(kind: BtfType, embedded: bool) -> BtfType:
    match kind:
        case Struct(name=name, size=size):
            return Struct(name, size, ()) if embedded else Forward(name)
        case Union(name=name, size=size):
            return Union(name, size, ()) if embedded else Forward(name, is_union=True)
        case Enum(name=name, size=size, signed=signed, wide=wide):
            return Enum(name, size, (), signed, wide)
    return kind


def _found(small: Btf, type_id: int, base: Btf) -> int:
    """The type of `base` that a type of a distilled base stands for."""
    wanted = small[type_id]
    alike = [each for each in base.find(wanted.name) if _fits(wanted, base[each])]
    # Whoever only points at a type can do with any of its name.
    if len(alike) == 1 or (alike and isinstance(wanted, Forward)):
        return alike[0]
    what = f"{Kind(small.kind(type_id)).name.lower()} '{wanted.name}'"
    if isinstance(wanted, Struct | Union | Enum):
        what += f" of {wanted.size} bytes"
    reason = f"the new base has {'more than one' if alike else 'no'} {what}, which the split BTF needs"
    raise BtfError(reason, file=base.name, section=".BTF")


def _fits(wanted: BtfType, there: BtfType) -> bool:
    match wanted:
        case Forward(is_union=is_union):
            is_same = isinstance(there, Union if is_union else Struct)
            return is_same or (isinstance(there, Forward) and there.is_union == is_union)
        case Struct(size=size):
            return isinstance(there, Struct) and there.size == size
        case Union(size=size):
            return isinstance(there, Union) and there.size == size
        case Enum(size=size):
            return isinstance(there, Enum) and there.size == size
    return wanted == there
