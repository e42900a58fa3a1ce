"""When a whole local and a whole target type are the same for CO-RE, which the records about types ask.

The rules of `compat` hold, and there are two relations more, from lax to strict:

- types are compatible (does the type exist? how large is it?) by kind, through pointers, arrays and the parameters
  of functions;
- types match if every member and enumerator of the local type is in the target with the same name and a matching
  type; behind a pointer structs are asked for their names only.

A pair of types is compared once, and the number of comparisons for an object is bounded, so that damaged types cost
little.
"""

from __future__ import annotations

from purebpf.btf import Array, Btf, Enum, Forward, FunctionProto, Int, Pointer, Struct, Union, Void, resolve
from purebpf.errors import RelocationError
from purebpf.relocate.compat import DEEPEST, essential_name, kinds_compatible, too_deep

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from typing import Final

    from purebpf.units import TypeId

_MOST_COMPARISONS: Final = 131_072


class Comparison:
    """Compares whole types of an object and a target: what is known of pairs, and how much more may be looked at."""

    def __init__(self, local: Btf, target: Btf) -> None:
        self._local = local
        self._target = target
        self._compatible: dict[tuple[int, int], bool] = {}
        self._matching: dict[tuple[int, int, bool], bool] = {}
        self._left = _MOST_COMPARISONS

    def compatible(self, local_id: TypeId, target_id: TypeId) -> bool:
        """Whether the types are of one kind all the way through pointers, arrays and functions."""
        # The first look does not see through typedefs: a struct is no candidate for a typedef of a struct.
        if not kinds_compatible(self._local.kind(local_id), self._target.kind(target_id)):
            return False
        return self._are_compatible(local_id, target_id, DEEPEST)

    def match(self, local_id: TypeId, target_id: TypeId) -> bool:
        """Whether everything of the local type is in the target type, with the same names and matching types."""
        return self._match(local_id, target_id, False, DEEPEST)

    def _are_compatible(self, local_id: int, target_id: int, level: int) -> bool:
        self._spend(local_id, level + 1)
        for _ in range(DEEPEST):
            local, target = self._local[resolve(self._local, local_id)], self._target[resolve(self._target, target_id)]
            match local, target:
                case (Pointer(target=local_id), Pointer(target=target_id)):
                    continue
                case (Array(element=local_id), Array(element=target_id)):
                    continue
                case (FunctionProto(), FunctionProto()):
                    if not self._parameters_compatible(local, target, level):
                        return False
                    local_id, target_id = local.return_type, target.return_type
                case (Int(), Int()):
                    return not local.bit_offset and not target.bit_offset
                case (Void(), Void()) | (Struct(), Struct()) | (Union(), Union()):
                    return True
                case (Enum(), Enum()) | (Forward(), Forward()):
                    return True
                case _:
                    return False
        raise too_deep(self._local, local_id)

    def _parameters_compatible(self, local: FunctionProto, target: FunctionProto, level: int) -> bool:
        if len(local.parameters) != len(target.parameters):
            return False
        for ours, theirs in zip(local.parameters, target.parameters, strict=True):
            pair = (ours.type, theirs.type)
            if pair not in self._compatible:
                self._compatible[pair] = self._are_compatible(ours.type, theirs.type, level - 1)
            if not self._compatible[pair]:
                return False
        return True

    def _match(self, local_id: int, target_id: int, behind_pointer: bool, level: int) -> bool:
        pair = (local_id, target_id, behind_pointer)
        if pair not in self._matching:
            self._matching[pair] = self._compare(local_id, target_id, behind_pointer, level)
        return self._matching[pair]

    def _compare(self, local_id: int, target_id: int, behind_pointer: bool, level: int) -> bool:
        self._spend(local_id, level)
        for _ in range(DEEPEST):
            local, target = self._local[resolve(self._local, local_id)], self._target[resolve(self._target, target_id)]
            if essential_name(local.name) != essential_name(target.name):
                return False
            match local, target:
                case (Pointer(target=local_id), Pointer(target=target_id)):
                    behind_pointer = True
                case (Array(element=local_id), Array(element=target_id)):
                    if local.count != target.count:
                        return False
                case (FunctionProto(), FunctionProto()):
                    if not self._parameters_match(local, target, behind_pointer, level):
                        return False
                    local_id, target_id = local.return_type, target.return_type
                case (Int(), Int()):
                    return local.size == target.size and local.signed == target.signed
                case (Enum(), Enum()):
                    return _enumerators_match(local, target)
                case (Void(), Void()):
                    return True
                case (Struct() | Union() | Forward(), Struct() | Union() | Forward()):
                    return self._compounds_match(local, target, behind_pointer, level)
                case _:
                    return False
        raise too_deep(self._local, local_id)

    def _parameters_match(self, local: FunctionProto, target: FunctionProto, behind_pointer: bool, level: int) -> bool:
        return len(local.parameters) == len(target.parameters) and all(
            self._match(ours.type, theirs.type, behind_pointer, level - 1)
            for ours, theirs in zip(local.parameters, target.parameters, strict=True)
        )

    def _compounds_match(
        self, local: Struct | Union | Forward, target: Struct | Union | Forward, behind_pointer: bool, level: int
    ) -> bool:
        """Behind a pointer only which of the two it is counts, and a declaration will do."""
        if behind_pointer:
            return _is_union(local) == _is_union(target)
        if type(local) is not type(target):
            return False
        if isinstance(local, Forward) or isinstance(target, Forward):
            return _is_union(local) == _is_union(target)
        return self._members_match(local, target, level)

    def _members_match(self, local: Struct | Union, target: Struct | Union, level: int) -> bool:
        if len(local.members) > len(target.members):
            return False
        named: dict[str, list[TypeId]] = {}
        for member in target.members:
            named.setdefault(essential_name(member.name), []).append(member.type)
        for member in local.members:
            same_name = named.get(essential_name(member.name), ())
            if not any(self._match(member.type, type_id, False, level - 1) for type_id in self._counted(same_name)):
                return False
        return True

    def _counted(self, type_ids: Iterable[TypeId]) -> Iterator[TypeId]:
        for type_id in type_ids:
            self._spend(0, DEEPEST)
            yield type_id

    def _spend(self, local_id: int, level: int) -> None:
        if level <= 0:
            raise too_deep(self._local, local_id)
        self._left -= 1
        if self._left < 0:
            raise RelocationError(f"comparing whole types for CO-RE takes more than {_MOST_COMPARISONS} steps")


def types_compatible(local: Btf, local_id: TypeId, target: Btf, target_id: TypeId) -> bool:
    """One comparison alone: whether the types are of one kind all the way through."""
    return Comparison(local, target).compatible(local_id, target_id)


def types_match(local: Btf, local_id: TypeId, target: Btf, target_id: TypeId) -> bool:
    """One comparison alone: whether everything of the local type is in the target type."""
    return Comparison(local, target).match(local_id, target_id)


def _enumerators_match(local: Enum, target: Enum) -> bool:
    if local.size != target.size or len(local.enumerators) > len(target.enumerators):
        return False
    theirs = {essential_name(enumerator.name) for enumerator in target.enumerators}
    return all(essential_name(enumerator.name) in theirs for enumerator in local.enumerators)


def _is_union(compound: Struct | Union | Forward) -> bool:
    return compound.is_union if isinstance(compound, Forward) else isinstance(compound, Union)
