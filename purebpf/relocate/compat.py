"""When a local and a target type are the same for CO-RE: names, and types of fields (`comparison` has whole types).

Everywhere modifiers and typedefs are looked through, and a name counts up to its last `___`: `task_struct___old`
is the programmer's other idea of `task_struct` (a flavour). Fields are compatible if both are structs or unions, or
of one kind: pointers and floats always, integers unless they are old-style bitfields, enums and forward declarations
by name (or without), arrays by their elements. Nesting deeper than 32 is an error, as in libbpf.
"""

from __future__ import annotations

from purebpf.btf import Array, Btf, Int, Kind, resolve
from purebpf.btf.members import COMPOUND
from purebpf.errors import RelocationError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Final

DEEPEST: Final = 32
_ENUMS: Final = (Kind.ENUM, Kind.ENUM64)
_NAMED: Final = (*_ENUMS, Kind.FWD)


def essential_name(name: str) -> str:
    """The name without its flavour: what stands before the last `___` that has a name on both sides."""
    if "___" not in name:
        return name
    at = name.rfind("___")
    while at > 0:
        if name[at - 1] != "_" and name[at + 3 : at + 4] not in ("", "_"):
            return name[:at]
        at = name.rfind("___", 0, at + 2)
    return name


def kinds_compatible(local: int, target: int) -> bool:
    """Whether the kinds are the same; ENUM and ENUM64 are."""
    return local == target or (local in _ENUMS and target in _ENUMS)


def fields_compatible(local: Btf, local_id: int, target: Btf, target_id: int) -> bool:
    """Whether a member of the one type can stand for a member of the other."""
    for _ in range(DEEPEST):
        local_id, target_id = resolve(local, local_id), resolve(target, target_id)
        local_kind, target_kind = local.kind(local_id), target.kind(target_id)
        if local_kind in COMPOUND and target_kind in COMPOUND:
            return True
        if not kinds_compatible(local_kind, target_kind):
            return False
        if local_kind == Kind.ARRAY:
            local_id, target_id = _element(local, local_id), _element(target, target_id)
        elif local_kind == Kind.INT:
            return _is_whole(local, local_id) and _is_whole(target, target_id)
        elif local_kind in _NAMED:
            local_name, target_name = essential_name(local.name_of(local_id)), essential_name(target.name_of(target_id))
            return not local_name or not target_name or local_name == target_name
        else:
            return local_kind in (Kind.PTR, Kind.FLOAT)
    raise too_deep(local, local_id)


def _element(btf: Btf, type_id: int) -> int:
    array = btf[type_id]
    assert isinstance(array, Array)
    return array.element


def _is_whole(btf: Btf, type_id: int) -> bool:
    number = btf[type_id]
    return isinstance(number, Int) and not number.bit_offset


def too_deep(btf: Btf, type_id: int) -> RelocationError:
    """The error for types nested deeper than `DEEPEST`."""
    name = btf.name_of(type_id) or f"type {type_id}"
    return RelocationError(f"types are nested more than {DEEPEST} deep around '{name}', too deep to be compared")
