"""Size and alignment of types in memory.

Rules: no recursion, whatever the nesting; time is linear in the types that are looked at. A size is at most
2^32 - 1 bytes, as everywhere in BTF. Alignment is not in the file: it is inferred from sizes and member offsets,
as pahole and libbpf do. Unlike libbpf, 16-byte integers align to 16 bytes, as clang and gcc have them.
"""

from __future__ import annotations

from purebpf.btf.lookup import ALIASES, MAX_CHAIN, endless, resolve
from purebpf.btf.members import COMPOUND
from purebpf.btf.types import Array, DataSection, Enum, Float, Int, Kind, Member, Pointer, Struct, Union
from purebpf.errors import BtfError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from purebpf.btf.reader import Btf

MAX_SIZE = 0xFFFFFFFF

_REFERENCES = ALIASES | {Kind.VAR, Kind.DECL_TAG}


def size_of(btf: Btf, type_id: int) -> int:
    """The size in bytes; BtfError for a type without one (void, a forward declaration, a function)."""
    count, at = 1, type_id
    for _ in range(MAX_CHAIN):
        kind = btf.kind(at)
        if kind in _REFERENCES:
            at = btf.size_or_type(at)
            continue
        if kind in COMPOUND:  # with hundreds of members that nobody asked for
            return _bounded(btf, type_id, count * btf.size_or_type(at))
        match btf[at]:
            case Array(element=element, count=elements):
                # A zero-length dimension does not hide an impossible one, for the walk goes on to the end.
                count, at = count * elements, element
                if count > MAX_SIZE:
                    break
            case Int(size=size) | Enum(size=size) | Float(size=size):
                return _bounded(btf, type_id, count * size)
            case DataSection(size=size):
                return _bounded(btf, type_id, count * size)
            case Pointer():
                return _bounded(btf, type_id, count * btf.pointer_size)
            case _:
                raise _fault(btf, type_id, f"has no size: it leads to {_describe(btf, at)}")
    else:
        raise endless(btf, type_id)
    raise _fault(btf, type_id, f"is an array of more than {MAX_SIZE} bytes")


def align_of(btf: Btf, type_id: int, known: dict[int, int] | None = None) -> int:
    """The alignment in bytes; BtfError for a type that cannot be an object in memory.

    A struct with a member where its type's alignment forbids it, or of a size that is no multiple of its
    alignment, was declared packed and has alignment 1. `known` keeps what was worked out for further calls.
    """
    known = {} if known is None else known
    open_ids: set[int] = set()
    stack = [_terminal(btf, type_id)]
    while stack:
        at = stack[-1]
        built = btf[at]
        if at in known:
            stack.pop()
        elif not isinstance(built, Struct | Union):
            known[at] = _scalar_alignment(btf, at)
            stack.pop()
        elif at in open_ids:
            known[at] = _compound_alignment(btf, built, known)
            open_ids.discard(at)
            stack.pop()
        else:
            open_ids.add(at)
            inner = {_terminal(btf, member.type) for member in built.members}
            if inner & open_ids:
                raise _fault(btf, type_id, "contains itself")
            stack.extend(inner - known.keys())
    return known[_terminal(btf, type_id)]


def is_packed(btf: Btf, type_id: int, known: dict[int, int] | None = None) -> bool:
    """Whether a struct or union was declared packed: its members say it could not lie as it does otherwise."""
    compound = btf[_terminal(btf, type_id)]
    known = {} if known is None else known
    if not isinstance(compound, Struct | Union) or align_of(btf, type_id, known) > 1:
        return False
    crossing = any(_crosses_unit(btf, member) for member in compound.members)
    return crossing or any(align_of(btf, member.type, known) > 1 for member in compound.members)


def bit_place(btf: Btf, member: Member) -> tuple[int, int]:
    """The bit at which a member begins in its struct, and its width in bits if it is a bitfield, else 0.

    A struct with kind_flag says so itself; before Linux 5.0 a bitfield was a member of an integer type with fewer
    bits than its size has.
    """
    if not member.bitfield_size:
        inner = btf[resolve(btf, member.type)]
        if isinstance(inner, Int) and (inner.bit_offset or inner.bits != 8 * inner.size):
            return member.bit_offset + inner.bit_offset, inner.bits
    return member.bit_offset, member.bitfield_size


def _compound_alignment(btf: Btf, compound: Struct | Union, known: dict[int, int]) -> int:
    alignment = 1
    for member in compound.members:
        needed = known[_terminal(btf, member.type)]
        alignment = max(alignment, needed)
        misplaced = not member.bitfield_size and member.bit_offset % (8 * needed)
        if misplaced or _crosses_unit(btf, member):
            return 1
    return 1 if compound.size % alignment else alignment


def _crosses_unit(btf: Btf, member: Member) -> bool:
    """Whether a bitfield begins in one unit of its type and ends in the next, which only packed allows."""
    if not member.bitfield_size:
        return False
    unit = 8 * size_of(btf, member.type)
    return not unit or member.bit_offset // unit != (member.bit_offset + member.bitfield_size - 1) // unit


def _scalar_alignment(btf: Btf, at: int) -> int:
    pointer_size = btf.pointer_size
    match btf[at]:
        case Int(size=size) | Enum(size=size) | Float(size=size):
            power = size & -size
            return min(power, 2 * pointer_size) if power > 8 else min(power, pointer_size)
        case Pointer():
            return pointer_size
    raise _fault(btf, at, f"has no alignment: it leads to {_describe(btf, at)}")


def _terminal(btf: Btf, type_id: int) -> int:
    """What decides the alignment: the type under typedefs, modifiers, variables and arrays."""
    at = type_id
    for _ in range(MAX_CHAIN):
        kind = btf.kind(at)
        if kind in _REFERENCES:
            at = btf.size_or_type(at)
        elif kind == Kind.ARRAY:
            array = btf[at]
            assert isinstance(array, Array)
            at = array.element
        else:
            return at
    raise endless(btf, type_id)


def _bounded(btf: Btf, type_id: int, size: int) -> int:
    if size > MAX_SIZE:
        raise _fault(btf, type_id, f"is an array of more than {MAX_SIZE} bytes")
    return size


def _describe(btf: Btf, type_id: int) -> str:
    kind = btf.kind(type_id)
    words = {Kind.VOID: "void", Kind.FWD: "the forward declaration", Kind.FUNC_PROTO: "a function"}
    word = words.get(kind, "the function") if isinstance(kind, Kind) else f"a type of unknown kind {kind}"
    name = btf.name_of(type_id)
    return f"{word} '{name}'" if name else word


def _fault(btf: Btf, type_id: int, reason: str) -> BtfError:
    name = btf.name_of(type_id)
    subject = f"type {type_id} '{name}'" if name else f"type {type_id}"
    return BtfError(f"{subject} {reason}", file=btf.name, section=".BTF")
