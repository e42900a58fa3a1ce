"""Following one type to another: through modifiers and typedefs to what counts.

Rules: the walk reads kind and reference from the bytes and builds no types. It ends in an error after MAX_CHAIN
steps, in a circle or not: the kernel follows 32, and without a limit a damaged file could have a hundred thousand
members that each lead through a hundred thousand typedefs.
"""

from __future__ import annotations

from purebpf.btf.types import Kind
from purebpf.errors import BtfError
from purebpf.units import TypeId

TYPE_CHECKING = False
if TYPE_CHECKING:
    from purebpf.btf.reader import Btf

MODIFIERS = frozenset({Kind.CONST, Kind.VOLATILE, Kind.RESTRICT, Kind.TYPE_TAG})
ALIASES = MODIFIERS | {Kind.TYPEDEF}
MAX_CHAIN = 256


def strip_modifiers(btf: Btf, type_id: int) -> TypeId:
    """The type under const, volatile, restrict and type tags; BtfError if they never end."""
    return _follow(btf, type_id, MODIFIERS)


def resolve(btf: Btf, type_id: int) -> TypeId:
    """The type under modifiers and typedefs; BtfError if they never end."""
    return _follow(btf, type_id, ALIASES)


def _follow(btf: Btf, type_id: int, kinds: frozenset[Kind]) -> TypeId:
    at = type_id
    for _ in range(MAX_CHAIN):
        if btf.kind(at) not in kinds:
            return TypeId(at)
        at = btf.size_or_type(at)
    raise endless(btf, type_id)


def endless(btf: Btf, type_id: int) -> BtfError:
    """The complaint about a type that leads through too many others."""
    reason = f"type {type_id} is defined in terms of itself, or of more than {MAX_CHAIN} types one after the other"
    return BtfError(reason, file=btf.name, section=".BTF")
