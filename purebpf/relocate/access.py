"""What a CO-RE record asks for, and where a target type has the same.

The compiler writes a path of indices into the local type ("0:5:1": of the object pointed to, member 5, of that
member 1). Indices mean nothing on another kernel, so the path becomes an `Access`: the names and array elements
that the C code wrote, without the anonymous structs and unions in between. `locate` walks a target type by these
names, and the result is an `Access` again, with the target's offsets, or the part that has no counterpart.

Rules, as libbpf has them: member names must be equal, and the types of the members compatible (`compat`); the
first member of that name counts, depth first through anonymous structs and unions; an array element must lie
inside the target's array, unless that is a flexible one (of no elements, last in its struct). A path has 64 parts
at the most.
"""

from __future__ import annotations

from purebpf.btf import (
    Array,
    Btf,
    BtfError,
    CoreKind,
    CoreRelocation,
    Enum,
    Kind,
    resolve,
    size_of,
)
from purebpf.btf.members import COMPOUND, member_at, member_count, member_names
from purebpf.errors import RelocationError
from purebpf.frozen import Frozen
from purebpf.relocate.compat import essential_name, fields_compatible
from purebpf.units import TypeId

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Final, NoReturn

    PlacesOf = Callable[[Btf, TypeId], Mapping[str, tuple[TypeId, int, int]]]
    """`places_of`, or what remembers its answers."""

    EnumeratorsOf = Callable[[Btf, TypeId], Mapping[str, int]]
    """`enumerators_of`, or what remembers its answers."""

LONGEST: Final = 64
"""Parts of a path, anonymous members included (BPF_CORE_SPEC_MAX_LEN)."""

# The kernel's own limit (BTF_MAX_VLEN), here for a type and its anonymous members together.
_MOST_MEMBERS: Final = 0xFFFF
_LARGEST_INDEX: Final = 0x7FFFFFFF
_ENUMS: Final = (Kind.ENUM, Kind.ENUM64)

FIELD_KINDS: Final = frozenset(
    (
        CoreKind.FIELD_BYTE_OFFSET,
        CoreKind.FIELD_BYTE_SIZE,
        CoreKind.FIELD_EXISTS,
        CoreKind.FIELD_SIGNED,
        CoreKind.FIELD_LSHIFT_U64,
        CoreKind.FIELD_RSHIFT_U64,
    )
)
ENUM_KINDS: Final = frozenset((CoreKind.ENUMVAL_EXISTS, CoreKind.ENUMVAL_VALUE))

_LONGEST_PATH: Final = 200


class Part(Frozen):
    """A step of a path: member or enumerator `name`, number `index` of type `type`.

    Without a name it is element `index` of an array of `type`; the first part of a field's path is that too.
    """

    type: TypeId
    index: int
    name: str | None = None


class Access(Frozen):
    """A type (no parts), an enumerator (one) or a field, which begins at `bit_offset` of the root type."""

    root: TypeId
    parts: tuple[Part, ...] = ()
    bit_offset: int = 0

    def text(self, root: str) -> str:
        """The path as in C, for the root's name: 'task_struct.thread.sp[3]'."""
        words = [root]
        for position, part in enumerate(self.parts):
            if part.name is not None:
                words.append(f".{part.name}")
            elif position or part.index:
                words.append(f"[{part.index}]")
        return "".join(words)


def parse_access(btf: Btf, record: CoreRelocation) -> Access:
    """The access that a record of the object with types `btf` asks for; RelocationError if it makes no sense."""
    if record.kind in FIELD_KINDS:
        return _parse_field(btf, record)
    indices = _indices(btf, record)
    if len(indices) > 1:
        _refuse(btf, record, "leads into something that has no parts")
    if record.kind not in ENUM_KINDS:
        if indices[0]:
            _refuse(btf, record, "leads into something that has no parts")
        return Access(record.type)
    enum_id = resolve(btf, record.type)
    enum = btf[enum_id]
    if not isinstance(enum, Enum) or indices[0] >= len(enum.enumerators):
        _refuse(btf, record, "names no enumerator")
    return Access(record.type, (Part(enum_id, indices[0], enum.enumerators[indices[0]].name),))


def _parse_field(btf: Btf, record: CoreRelocation) -> Access:
    first, *rest = _indices(btf, record)
    at = resolve(btf, record.type)
    parts = [Part(at, first)]
    bit_offset = first * size_of(btf, at) * 8
    for index in rest:
        at = resolve(btf, at)
        kind = btf.kind(at)
        if kind in COMPOUND:
            if index >= member_count(btf, at):
                _refuse(btf, record, f"asks for member {index} of {member_count(btf, at)}")
            member = member_at(btf, at, index)
            bit_offset += member.bit_offset
            if member.name:
                parts.append(Part(at, index, member.name))
            at = member.type
        elif kind == Kind.ARRAY:
            array = btf[at]
            assert isinstance(array, Array)
            if index >= array.count and not _is_flexible(btf, parts[-1], array):
                path = Access(record.type, (*parts, Part(at, index))).text(btf.name_of(record.type))
                _refuse(btf, record, f"asks for element {index} of {array.count}: '{path[:_LONGEST_PATH]}'")
            at = resolve(btf, array.element)
            parts.append(Part(at, index))
            bit_offset += index * size_of(btf, at) * 8
        else:
            _refuse(btf, record, "leads into something that has no parts")
    return Access(record.type, tuple(parts), bit_offset)


def _indices(btf: Btf, record: CoreRelocation) -> list[int]:
    words = record.access.split(":", LONGEST)
    if len(words) > LONGEST:
        _refuse(btf, record, f"has more than {LONGEST} parts")
    if not all(word.isascii() and word.isdigit() and len(word) <= 10 for word in words):
        _refuse(btf, record, "is not made of numbers")
    indices = [int(word) for word in words]
    if max(indices) > _LARGEST_INDEX:
        _refuse(btf, record, "has a number that is too large")
    return indices


def _refuse(btf: Btf, record: CoreRelocation, reason: str) -> NoReturn:
    root = btf.name_of(record.type) or "an unnamed type"
    path = record.access if len(record.access) <= 80 else record.access[:80] + "..."
    raise RelocationError(f"the path '{path}' into '{root}' of a CO-RE record {reason}")


def _is_flexible(btf: Btf, holder: Part, array: Array) -> bool:
    return holder.name is not None and not array.count and holder.index == member_count(btf, holder.type) - 1


Place = tuple[TypeId, int, int]
"""Where a struct or union has a member: in which type, itself or an anonymous member's, as which of its members, and
at which bit of the struct that type begins."""


def places_of(btf: Btf, type_id: TypeId) -> dict[str, Place]:
    """Every named member of a struct or union, those of its anonymous members included, depth first.

    C allows a name once; of several (damage) the first counts. A type that stands in it twice adds nothing the second
    time, which bounds the walk whatever the nesting.
    """
    places: dict[str, Place] = {}
    seen: set[int] = {type_id}
    waiting = [(type_id, 0, enumerate(member_names(btf, type_id)))]
    members_left = _MOST_MEMBERS
    while waiting:
        at, shift, names = waiting[-1]
        for index, name in names:
            members_left -= 1
            if members_left < 0:
                reason = f"type {type_id} '{btf.name_of(type_id)}' has more than {_MOST_MEMBERS} members"
                raise BtfError(reason, file=btf.name, section=".BTF")
            if name:
                places.setdefault(name, (at, index, shift))
                continue
            member = member_at(btf, at, index)
            inner = resolve(btf, member.type)
            if inner not in seen:
                seen.add(inner)
                waiting.append((inner, shift + member.bit_offset, enumerate(member_names(btf, inner))))
                break
        else:
            waiting.pop()
    return places


def enumerators_of(btf: Btf, type_id: TypeId) -> dict[str, int]:
    """The number of each enumerator by its essential name, the first of that name; nothing for what is no enum."""
    enum = btf[type_id]
    found: dict[str, int] = {}
    for index, enumerator in enumerate(enum.enumerators if isinstance(enum, Enum) else ()):
        found.setdefault(essential_name(enumerator.name), index)
    return found


class Mismatch(Frozen):
    """Part number `position` of a path has no counterpart in target type `type`, to which the parts before it led."""

    position: int
    type: TypeId


def locate(
    local: Btf,
    access: Access,
    target: Btf,
    root: TypeId,
    places: PlacesOf = places_of,
    enumerators: EnumeratorsOf = enumerators_of,
) -> Access | Mismatch:
    """The field or enumerator of target type `root` that local `access` means, or what stands in the way."""
    if access.parts and local.kind(access.parts[0].type) in _ENUMS and access.parts[0].name is not None:
        return _locate_enumerator(access, target, root, enumerators)
    at, bit_offset = root, 0
    parts: list[Part] = []
    for position, part in enumerate(access.parts):
        at = resolve(target, at)
        if part.name is not None:
            place = places(target, at).get(part.name) if target.kind(at) in COMPOUND else None
            if place is None:
                return Mismatch(position, at)
            owner, index, shift = place
            member = member_at(target, owner, index)
            wanted = member_at(local, part.type, part.index).type
            if not fields_compatible(local, wanted, target, member.type):
                return Mismatch(position, at)
            parts.append(Part(owner, index, part.name))
            bit_offset += shift + member.bit_offset
            at = member.type
            continue
        if position:
            array = target[at]
            if not isinstance(array, Array):
                return Mismatch(position, at)
            if part.index >= array.count and not _is_flexible(target, parts[-1], array):
                return Mismatch(position, at)
            at = resolve(target, array.element)
        parts.append(Part(at, part.index))
        bit_offset += part.index * size_of(target, at) * 8
    return Access(root, tuple(parts), bit_offset)


def _locate_enumerator(access: Access, target: Btf, root: TypeId, enumerators: EnumeratorsOf) -> Access | Mismatch:
    at = resolve(target, root)
    enum = target[at]
    wanted = essential_name(access.parts[0].name or "")
    index = enumerators(target, at).get(wanted)
    if index is None or not isinstance(enum, Enum):
        return Mismatch(0, at)
    return Access(root, (Part(at, index, enum.enumerators[index].name),))
