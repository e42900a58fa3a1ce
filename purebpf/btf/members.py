"""One member of a struct or union, without building the others.

The kernel's `task_struct` has 270 members and a program that reads one of them carries them all: building the type
costs 200 us, a member 2 us.
"""

from __future__ import annotations

from struct import Struct as Format

from purebpf.btf.kinds import HEAD_SIZE, VLEN_MASK
from purebpf.btf.types import Kind, Member
from purebpf.errors import BtfError
from purebpf.units import BitOffset, TypeId

TYPE_CHECKING = False
if TYPE_CHECKING:
    from purebpf.btf.reader import Btf

COMPOUND = (Kind.STRUCT, Kind.UNION)

_WORD = {"little": Format("<I"), "big": Format(">I")}
_THREE_WORDS = {"little": Format("<III"), "big": Format(">III")}
_MEMBER_SIZE = 12
_KIND_FLAG = 1 << 31


def member_count(btf: Btf, type_id: int) -> int:
    """How many members a struct or union has."""
    _, _, info = _record(btf, type_id)
    return info & VLEN_MASK


def member_at(btf: Btf, type_id: int, index: int) -> Member:
    """Member number `index` of a struct or union; BtfError where there is none."""
    owner, at, info = _record(btf, type_id)
    if btf.kind(type_id) not in COMPOUND or not 0 <= index < info & VLEN_MASK:
        raise BtfError(f"type {type_id} has no member {index}", file=btf.name, section=".BTF")
    name, member_type, place = _THREE_WORDS[owner.byteorder].unpack_from(
        owner.memory, at + HEAD_SIZE + _MEMBER_SIZE * index
    )
    if member_type >= btf.end_id:
        raise BtfError(
            f"member {index} of type {type_id} refers to type {member_type}, the last one is {btf.end_id - 1}",
            file=btf.name,
            section=".BTF",
        )
    text = owner.string(name) if name else ""
    if info & _KIND_FLAG:
        return Member(text, TypeId(member_type), BitOffset(place & 0xFFFFFF), place >> 24)
    return Member(text, TypeId(member_type), BitOffset(place))


def member_names(btf: Btf, type_id: int) -> list[str]:
    """The members' names in their order, "" for those without one; nothing for what has no members."""
    owner, at, info = _record(btf, type_id)
    if btf.kind(type_id) not in COMPOUND:
        return []
    begin = at + HEAD_SIZE
    records = _THREE_WORDS[owner.byteorder].iter_unpack(owner.memory[begin : begin + (info & VLEN_MASK) * _MEMBER_SIZE])
    string = owner.string
    return [string(name) if name else "" for name, _, _ in records]


def _record(btf: Btf, type_id: int) -> tuple[Btf, int, int]:
    """The BTF of the chain in which the record of the type stands, at which byte, and its info word."""
    while type_id < btf.first_id and btf.base is not None:
        btf = btf.base
    at = btf.offset_of(type_id)
    (info,) = _WORD[btf.byteorder].unpack_from(btf.memory, at + 4)
    return btf, at, info
