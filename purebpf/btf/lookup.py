"""Following one type to another: through modifiers and typedefs to what counts.

Rules: the walk reads kind and reference from the bytes and builds no types. It ends after as many steps as there
are types, for a longer walk goes in a circle; a chain of 100 000 typedefs is legal and cheap.
"""

from purebpf.btf.reader import Btf
from purebpf.btf.types import Kind
from purebpf.errors import BtfError
from purebpf.units import TypeId

MODIFIERS = frozenset({Kind.CONST, Kind.VOLATILE, Kind.RESTRICT, Kind.TYPE_TAG})
ALIASES = MODIFIERS | {Kind.TYPEDEF}


def strip_modifiers(btf: Btf, type_id: int) -> TypeId:
    """The type under const, volatile, restrict and type tags; BtfError if they go in a circle."""
    return _follow(btf, type_id, MODIFIERS)


def resolve(btf: Btf, type_id: int) -> TypeId:
    """The type under modifiers and typedefs; BtfError if they go in a circle."""
    return _follow(btf, type_id, ALIASES)


def _follow(btf: Btf, type_id: int, kinds: frozenset[Kind]) -> TypeId:
    at = type_id
    for _ in range(len(btf) + 1):
        if btf.kind(at) not in kinds:
            return TypeId(at)
        at = btf.size_or_type(at)
    raise BtfError(f"type {type_id} is defined in terms of itself", file=btf.name, section=".BTF")
