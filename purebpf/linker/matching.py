"""Whether two files mean the same by one name: their types are compared by shape and by name.

Rules: qualifiers and typedefs do not count. Behind a pointer only the kind and the name of a struct, union or enum
count, and one that is declared only matches one that is defined. An array's length does not count: `extern int a[]`
is the declaration of any. Of map definitions everything counts: the lengths of arrays are their numbers, and what
a pointer points to is the type of a key or value.

The answer is "" or what differs, in words. No type is compared with another twice, so cycles end and the cost is
bounded by the types that both files have.
"""

from __future__ import annotations

from purebpf.btf import (
    Array,
    Btf,
    Enum,
    Float,
    Forward,
    Function,
    FunctionProto,
    Int,
    Member,
    Pointer,
    Struct,
    Union,
    Variable,
    resolve,
    type_name,
)
from purebpf.enums import IntEnum
from purebpf.units import TypeId


class _Depth(IntEnum):
    """How closely two types are compared."""

    NAMED = 0
    WHOLE = 1
    DEFINITION = 2


_NAMED, _WHOLE, _DEFINITION = _Depth
_Pair = tuple[int, int, _Depth]


def declarations_match(one: Btf, one_id: TypeId, other: Btf, other_id: TypeId) -> str:
    """What differs between two functions or variables."""
    return _Comparison(one, other).difference(one_id, other_id, _WHOLE)


def map_definitions_match(one: Btf, one_id: TypeId, other: Btf, other_id: TypeId) -> str:
    """What differs between two definitions of a map."""
    return _Comparison(one, other).difference(one_id, other_id, _DEFINITION)


class _Comparison:
    def __init__(self, one: Btf, other: Btf) -> None:
        self._one, self._other = one, other
        self._seen: set[_Pair] = set()
        self._waiting: list[_Pair] = []

    def difference(self, one_id: int, other_id: int, depth: _Depth) -> str:
        """What differs, found without recursion: types nest as deeply as a file likes."""
        self._ask(one_id, other_id, depth)
        while self._waiting:
            one, other, depth = self._waiting.pop()
            if not self._same(one, other, depth):
                return f"'{type_name(self._one, TypeId(one))}' and '{type_name(self._other, TypeId(other))}'"
        return ""

    def _ask(self, one_id: int, other_id: int, depth: _Depth) -> None:
        one, other = resolve(self._one, TypeId(one_id)), resolve(self._other, TypeId(other_id))
        pair = one, other, depth
        if pair not in self._seen:
            self._seen.add(pair)
            self._waiting.append(pair)

    def _same(self, one_id: int, other_id: int, depth: _Depth) -> bool:
        one, other = self._one[one_id], self._other[other_id]
        if depth == _NAMED and (isinstance(one, Forward) or isinstance(other, Forward)):
            return one.name == other.name and _is_union(one) == _is_union(other)
        if type(one) is not type(other):
            return False
        match one, other:
            case (Int(size=ours), Int(size=theirs)) | (Float(size=ours), Float(size=theirs)):
                return ours == theirs
            case Enum(), Enum():
                same = one.name == other.name and one.size == other.size
                return same and (depth != _DEFINITION or one.enumerators == other.enumerators)
            case Pointer(), Pointer():
                self._ask(one.target, other.target, depth if depth == _DEFINITION else _NAMED)
            case Array(), Array():
                self._ask(one.element, other.element, depth)
                return one.count == other.count or depth != _DEFINITION
            case Struct() | Union(), Struct() | Union():
                return one.name == other.name and (depth == _NAMED or self._same_members(one, other, depth))
            case FunctionProto(), FunctionProto():
                return self._same_signature(one, other)
            case Function() | Variable(), Function() | Variable():
                self._ask(one.type, other.type, depth)
            case Forward(), Forward():
                return one.name == other.name and one.is_union == other.is_union
        return True

    def _same_members(self, one: Struct | Union, other: Struct | Union, depth: _Depth) -> bool:
        if one.size != other.size or len(one.members) != len(other.members):
            return False
        if depth == _DEFINITION and not one.name:
            return self._same_properties(one, other)
        for ours, theirs in zip(one.members, other.members, strict=True):
            if _place(ours) != _place(theirs):
                return False
            self._ask(ours.type, theirs.type, _WHOLE)
        return True

    def _same_properties(self, one: Struct | Union, other: Struct | Union) -> bool:
        """Members of a map's definition are its properties, in any order."""
        theirs = {member.name: member.type for member in other.members}
        for member in one.members:
            if member.name not in theirs:
                return False
            self._ask(member.type, theirs[member.name], _DEFINITION)
        return True

    def _same_signature(self, one: FunctionProto, other: FunctionProto) -> bool:
        if len(one.parameters) != len(other.parameters):
            return False
        self._ask(one.return_type, other.return_type, _NAMED)
        for ours, theirs in zip(one.parameters, other.parameters, strict=True):
            self._ask(ours.type, theirs.type, _NAMED)
        return True


def _place(member: Member) -> tuple[str, int, int]:
    return member.name, member.bit_offset, member.bitfield_size


def _is_union(kind: object) -> bool | None:
    match kind:
        case Forward(is_union=is_union):
            return is_union
        case Union():
            return True
        case Struct():
            return False
    return None
