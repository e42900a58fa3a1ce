"""The number that a CO-RE record stands for, in the local or in the target type.

Where a bitfield lies is told by four numbers, which the compiler's macros put together: load BYTE_SIZE bytes from
BYTE_OFFSET, shift left by LSHIFT and right by RSHIFT. The load is the smallest one of the member's own type, or of
twice that and so on up to 8 bytes, that is aligned to its size and holds all bits.
"""

from __future__ import annotations

from purebpf.btf import Array, Btf, CoreKind, Enum, Int, Kind, resolve, size_of
from purebpf.btf.members import member_at
from purebpf.errors import RelocationError
from purebpf.frozen import Frozen
from purebpf.relocate.access import FIELD_KINDS, Access
from purebpf.units import VOID, ByteOrder, TypeId

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Final

_REGISTER_BYTES: Final = 8
_REGISTER_BITS: Final = 64
_U64: Final = 0xFFFFFFFF_FFFFFFFF

FOUND_OR_ZERO: Final = frozenset(
    (
        CoreKind.FIELD_EXISTS,
        CoreKind.TYPE_ID_TARGET,
        CoreKind.TYPE_EXISTS,
        CoreKind.TYPE_SIZE,
        CoreKind.TYPE_MATCHES,
        CoreKind.ENUMVAL_EXISTS,
    )
)
"""Kinds that are 0 when the target has nothing that matches; the others poison their instruction then."""


class Value(Frozen):
    """`number` is what the instruction holds; `checked` says that the compiler must have come to the same one.

    `size` is how many bytes a load or store of the field moves (0: not for the loader to change), `type` of what.
    `unsigned` is what it is instead to a compiler that takes it for unsigned, where the types do not tell.
    """

    number: int
    checked: bool = True
    size: int = 0
    type: TypeId = VOID
    unsigned: int | None = None


def value_of(kind: CoreKind, btf: Btf, access: Access, byteorder: ByteOrder) -> Value:
    """What a record of that kind stands for, given where the types `btf` have what it asks for."""
    if kind in FIELD_KINDS:
        return _field_value(kind, btf, access, byteorder)
    match kind:
        case CoreKind.TYPE_ID_LOCAL | CoreKind.TYPE_ID_TARGET:
            # A linker of object files may have numbered the types anew.
            return Value(access.root, checked=False)
        case CoreKind.TYPE_SIZE:
            return Value(size_of(btf, access.root))
        case CoreKind.ENUMVAL_VALUE:
            return _enumerator_value(btf, access)
    return Value(1)


def _enumerator_value(btf: Btf, access: Access) -> Value:
    """The value as 64 bits. Those of a 32-bit enum are extended as signed ones, as libbpf has it: before Linux 6.0
    BTF did not say of an enum whether it is signed. The instruction knows what the compiler thought.
    """
    (part,) = access.parts
    enum = btf[part.type]
    assert isinstance(enum, Enum)
    value = enum.enumerators[part.index].value
    if enum.wide:
        return Value(value & _U64)
    low = value & 0xFFFFFFFF
    signed = ((low ^ 0x80000000) - 0x80000000) & _U64
    return Value(signed, unsigned=low if low != signed and not enum.signed else None)


def _field_value(kind: CoreKind, btf: Btf, access: Access, byteorder: ByteOrder) -> Value:
    if kind is CoreKind.FIELD_EXISTS:
        return Value(1)
    last = access.parts[-1]
    if last.name is None:
        return _element_value(kind, btf, access, last.type)
    member = member_at(btf, last.type, last.index)
    type_id = resolve(btf, member.type)
    width = member.bitfield_size
    if kind is CoreKind.FIELD_SIGNED:
        return Value(int(_is_signed(btf, type_id)))
    if width:
        offset, size = _bitfield_load(btf, type_id, access.bit_offset, width)
    else:
        offset, size = access.bit_offset // 8, size_of(btf, type_id)
    bits = width or 8 * size
    match kind:
        case CoreKind.FIELD_BYTE_OFFSET:
            return Value(offset, False) if width else Value(offset, True, *_moved(btf, type_id))
        case CoreKind.FIELD_BYTE_SIZE:
            return Value(size, not width)
        case CoreKind.FIELD_LSHIFT_U64:
            first = access.bit_offset - 8 * offset
            shift = _REGISTER_BITS - first - bits
            if byteorder == "big":
                shift = 8 * (_REGISTER_BYTES - size) + first
            return Value(shift & 0xFFFFFFFF, not width)
    return Value(_REGISTER_BITS - bits & 0xFFFFFFFF)


def _element_value(kind: CoreKind, btf: Btf, access: Access, type_id: TypeId) -> Value:
    """Of an array's element only place and size can be asked for."""
    size = size_of(btf, type_id)
    if kind is CoreKind.FIELD_BYTE_OFFSET:
        return Value(access.bit_offset // 8, True, size, type_id)
    if kind is CoreKind.FIELD_BYTE_SIZE:
        return Value(size)
    raise RelocationError(f"a CO-RE record asks for {words(kind)} of an array's element, which has none")


def _moved(btf: Btf, type_id: TypeId) -> tuple[int, TypeId]:
    """What a load or store of the field moves: of an array one element."""
    element = type_id
    while btf.kind(element) == Kind.ARRAY:
        array = btf[element]
        assert isinstance(array, Array)
        element = resolve(btf, array.element)
    return size_of(btf, element), type_id


def _bitfield_load(btf: Btf, type_id: TypeId, first: int, width: int) -> tuple[int, int]:
    """Offset and size in bytes of the load that gets all bits of a bitfield."""
    size = size_of(btf, type_id)
    while size:
        offset = first // 8 // size * size
        if first + width <= 8 * (offset + size):
            return offset, size
        if size >= _REGISTER_BYTES:
            break
        size *= 2
    raise RelocationError(f"a bitfield of {width} bits from bit {first} cannot be read with one load")


def _is_signed(btf: Btf, type_id: TypeId) -> bool:
    match btf[type_id]:
        case Enum(signed=signed) | Int(signed=signed):
            return signed
    return False


def may_resize(local: Btf, ours: Value, target: Btf, theirs: Value) -> bool:
    """Whether a load or store may move `theirs.size` bytes where the program was compiled for `ours.size`.

    The value must come out right without the program's doing: a load fills the register's upper half with zeros,
    which is right for unsigned integers and pointers.
    """
    if ours.size == theirs.size:
        return True
    old, new = local.kind(ours.type), target.kind(theirs.type)
    if old == new == Kind.INT:
        return not _is_plainly_signed(local, ours.type) and not _is_plainly_signed(target, theirs.type)
    return old == new == Kind.PTR


def _is_plainly_signed(btf: Btf, type_id: TypeId) -> bool:
    """Signed and neither char nor bool, as libbpf asks it."""
    number = btf[type_id]
    return isinstance(number, Int) and number.signed and not number.char and not number.boolean


_WORDS: Final = {
    CoreKind.FIELD_BYTE_OFFSET: "the byte offset",
    CoreKind.FIELD_BYTE_SIZE: "the size",
    CoreKind.FIELD_EXISTS: "the existence",
    CoreKind.FIELD_SIGNED: "the signedness",
    CoreKind.FIELD_LSHIFT_U64: "the left shift",
    CoreKind.FIELD_RSHIFT_U64: "the right shift",
    CoreKind.TYPE_ID_LOCAL: "the type id in the object",
    CoreKind.TYPE_ID_TARGET: "the type id in the kernel",
    CoreKind.TYPE_EXISTS: "the existence",
    CoreKind.TYPE_SIZE: "the size",
    CoreKind.TYPE_MATCHES: "the match",
    CoreKind.ENUMVAL_EXISTS: "the existence",
    CoreKind.ENUMVAL_VALUE: "the value",
}


def words(kind: CoreKind) -> str:
    """What a record of that kind asks for, in words."""
    return _WORDS[kind]
