"""A module's split BTF that survives a new kernel: what it needs of its base, and fitting it to another base.

A split BTF names its base's types by number, so it is worth nothing beside any other build of the kernel. Distilled,
it brings a base of its own (the section .BTF.base) with as little as tells each type again: numbers in full, enums,
structs and unions by name and size. What has no name, and pointers and the like, go into the split part. `relocate`
finds those few types in the kernel at hand, by the rules of Linux 6.11 and newer: a struct that the split part holds by
value must have the size that it had; one that it only points at may have grown.

What is distilled here is what libbpf's btf__distill_base makes, type by type. In one thing more is accepted than there:
a struct or union that the distilled base only declares is found however many of its name there are, bitfields or not.
"""

from array import array

from purebpf.btf.dedup import Deduplicated
from purebpf.btf.kinds import Scan
from purebpf.btf.members import COMPOUND
from purebpf.btf.reader import Btf
from purebpf.btf.references import references
from purebpf.btf.types import (
    Array,
    BtfType,
    Const,
    Enum,
    Float,
    Forward,
    Int,
    Member,
    Restrict,
    Struct,
    Typedef,
    TypeTag,
    Union,
    Volatile,
)
from purebpf.btf.writer import BtfWriter
from purebpf.errors import BtfError
from purebpf.frozen import Frozen
from purebpf.units import TypeId

_MAX_TOLD = 3
"""Sizes of types of the same name that an error names."""


class Distilled(Frozen):
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
    kept, moved = _needed(btf)
    base_writer = BtfWriter(byteorder=btf.byteorder)
    ids = array("I", [0]) * btf.end_id
    for type_id in sorted(kept):
        ids[type_id] = base_writer.add(_told(btf[type_id]))
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
    held = _held_by_value(btf)
    ids = array("I", [0])
    for type_id in btf.base.ids():
        ids.append(_found(btf.base, type_id, base, type_id in held))
    ids.extend(range(base.end_id, base.end_id + len(btf.ids())))
    writer = BtfWriter(byteorder=btf.byteorder, base=base)
    writer.add_renumbered(btf, btf.ids(), ids)
    return Deduplicated(writer.build(), ids)


def read_distilled(
    split: bytes, distilled: bytes, *, base: Btf | None, name: str = "", scan: Scan | None = None
) -> Btf:
    """The types in a module's sections .BTF and .BTF.base, relocated to `base`; with their own base if that is None."""
    try:
        small = Btf.parse(distilled, name=name, scan=scan)
    except BtfError as error:
        raise BtfError(error.reason, file=name, section=".BTF.base", offset=error.offset) from None
    btf = Btf.parse(split, base=small, name=name, scan=scan)
    if base is None:
        return btf
    return Btf.parse(relocate(btf, base).data, base=base, name=name, scan=scan)


def _needed(btf: Btf) -> tuple[set[int], set[int]]:
    """Of the base: the types to be told, and those to be moved into the split part."""
    kept, moved = set[int](), set[int]()
    todo = list(btf.ids())
    while todo:
        for target in references(btf[todo.pop()]):
            if not target or target >= btf.first_id or target in kept or target in moved:
                continue
            if _can_be_told(btf[target]):
                kept.add(target)
            else:
                moved.add(target)
                todo.append(target)
    return kept, moved


def _can_be_told(kind: BtfType) -> bool:
    return bool(kind.name) and isinstance(kind, Int | Float | Enum | Struct | Union | Forward)


def _told(kind: BtfType) -> BtfType:
    match kind:
        case Struct(name=name, size=size):
            return Struct(name, size, ())
        case Union(name=name, size=size):
            return Union(name, size, ())
        case Enum(name=name, size=size):
            # Of either width: the kernel takes no ENUM64 in a distilled base.
            return Enum(name, size, ())
    return kind


def _held_by_value(btf: Btf) -> set[int]:
    """The base's types that a struct or union of the split part has inside: their size is part of its layout."""
    held, seen = set[int](), set[int]()
    todo = [member.type for each in btf.ids_of(*COMPOUND) for member in _members(btf[each])]
    while todo:
        type_id = todo.pop()
        if type_id in seen:
            continue
        seen.add(type_id)
        match btf[type_id]:
            case Const(type=inner) | Volatile(type=inner) | Restrict(type=inner) | Typedef(type=inner):
                todo.append(inner)
            case TypeTag(type=inner) | Array(element=inner):
                todo.append(inner)
            case Struct() | Union() if type_id < btf.first_id:
                held.add(type_id)
    return held


def _members(kind: BtfType) -> tuple[Member, ...]:
    assert isinstance(kind, Struct | Union)
    return kind.members


def _found(small: Btf, type_id: int, base: Btf, held: bool) -> TypeId:
    """The type of `base` that a type of a distilled base stands for."""
    wanted = small[type_id]
    if not _can_be_told(wanted):
        reason = f"type {type_id} ({type(wanted).__name__.lower()} '{wanted.name}') has no place in a distilled base"
        raise BtfError(
            f"{reason}: numbers, enums, structs, unions and declarations have, each with a name",
            file=small.name,
            section=".BTF.base",
        )
    alike = [each for each in base.find(wanted.name) if _is_same_kind(wanted, base[each])]
    if isinstance(wanted, Forward):
        # Whoever only points at a type can do with any of its name; one that is defined says more.
        fitting = sorted(alike, key=lambda each: isinstance(base[each], Forward))[:1]
    elif held or len(alike) > 1 or not isinstance(wanted, Struct | Union):
        fitting = [each for each in alike if _size(base[each]) == _size(wanted)]
    else:
        fitting = alike
    if len(fitting) == 1:
        return fitting[0]
    raise BtfError(_not_found(wanted, alike, fitting, base), file=small.name, section=".BTF.base")


def _is_same_kind(wanted: BtfType, there: BtfType) -> bool:
    match wanted:
        case Forward(is_union=is_union):
            is_same = isinstance(there, Union if is_union else Struct)
            return is_same or (isinstance(there, Forward) and there.is_union == is_union)
        case Int(signed=signed, char=char, boolean=boolean):
            return isinstance(there, Int) and (there.signed, there.char, there.boolean) == (signed, char, boolean)
    return type(wanted) is type(there)


def _not_found(wanted: BtfType, alike: list[TypeId], fitting: list[TypeId], base: Btf) -> str:
    where = f"the base that it is to continue{f', {base.name},' if base.name else ''} has"
    what = f"{type(wanted).__name__.lower()} '{wanted.name}'"
    if isinstance(wanted, Int):
        what = f"{'signed' if wanted.signed else 'unsigned'} {what}"
    if not isinstance(wanted, Forward):
        what += f" of {_size(wanted)} bytes"
    if fitting:
        return f"{where} more than one {what}, and nothing tells which of them is needed"
    others = " and ".join(str(_size(base[each])) for each in alike[:_MAX_TOLD])
    return f"{where} no {what}{f' (but of {others})' if others else ''}: the types are for another kernel"


def _size(kind: BtfType) -> int:
    assert isinstance(kind, Int | Float | Enum | Struct | Union)
    return kind.size
