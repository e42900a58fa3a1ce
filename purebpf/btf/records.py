"""One type as the bytes of its record: the reverse of `decode`."""

from __future__ import annotations

import struct
from collections.abc import Callable

from purebpf.btf.decode import INT_BOOL, INT_CHAR, INT_SIGNED
from purebpf.btf.kinds import VLEN_MASK
from purebpf.btf.types import (
    Array,
    BtfType,
    Const,
    DataSection,
    DeclTag,
    Enum,
    Float,
    Forward,
    Function,
    FunctionProto,
    Int,
    Kind,
    Member,
    Parameter,
    Pointer,
    Restrict,
    Struct,
    Typedef,
    TypeTag,
    Union,
    Variable,
    Volatile,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from purebpf.units import ByteOrder

StringOffset = Callable[[str], int]
"""Gives the offset of a string in the section that the record will refer to."""

Fields = tuple[Kind, bool, int, int, tuple[int, ...]]
"""Kind, kind_flag, vlen, the third word (a size or a type id), and the words that follow the head."""


def encode_record(kind: BtfType, string: StringOffset, byteorder: ByteOrder) -> bytes:
    """The record of a type; ValueError for a number that does not fit its field."""
    number, flag, vlen, size_or_type, words = _fields(kind, string)
    if not 0 <= vlen <= VLEN_MASK:
        raise ValueError(f"a type has at most {VLEN_MASK} elements, not {vlen}")
    info = flag << 31 | number << 24 | vlen
    mark = "<" if byteorder == "little" else ">"
    try:
        return struct.pack(f"{mark}{3 + len(words)}I", string(kind.name), info, size_or_type, *words)
    except struct.error:
        raise ValueError(f"a number does not fit 32 bits in {kind}") from None


def _fields(kind: BtfType, string: StringOffset) -> Fields:
    match kind:
        case Int(size=size):
            return Kind.INT, False, 0, size, (_int_word(kind),)
        case Pointer(target=target):
            return Kind.PTR, False, 0, target, ()
        case Array(element=element, index=index, count=count):
            return Kind.ARRAY, False, 0, 0, (element, index, count)
        case Struct(size=size, members=members, kind_flag=flag):
            return Kind.STRUCT, flag, len(members), size, _member_words(members, flag, string)
        case Union(size=size, members=members, kind_flag=flag):
            return Kind.UNION, flag, len(members), size, _member_words(members, flag, string)
        case Enum(size=size, enumerators=values, signed=signed, wide=wide):
            return Kind.ENUM64 if wide else Kind.ENUM, signed, len(values), size, _enum_words(kind, string)
        case FunctionProto(return_type=result, parameters=parameters):
            return Kind.FUNC_PROTO, False, len(parameters), result, _parameter_words(parameters, string)
        case DataSection(size=size, variables=variables):
            placed = tuple(word for each in variables for word in (each.type, each.offset, each.size))
            return Kind.DATASEC, False, len(variables), size, placed
    return _plain_fields(kind)


def _plain_fields(kind: BtfType) -> Fields:
    """Of the kinds that are a reference, or a head alone."""
    match kind:
        case Forward(is_union=is_union):
            return Kind.FWD, is_union, 0, 0, ()
        case Typedef(type=target):
            return Kind.TYPEDEF, False, 0, target, ()
        case Volatile(type=target):
            return Kind.VOLATILE, False, 0, target, ()
        case Const(type=target):
            return Kind.CONST, False, 0, target, ()
        case Restrict(type=target):
            return Kind.RESTRICT, False, 0, target, ()
        case Function(type=target, linkage=linkage):
            return Kind.FUNC, False, linkage, target, ()
        case Variable(type=target, linkage=linkage):
            return Kind.VAR, False, 0, target, (linkage,)
        case Float(size=size):
            return Kind.FLOAT, False, 0, size, ()
        case DeclTag(type=target, component=component, kind_flag=flag):
            return Kind.DECL_TAG, flag, 0, target, (_word(component, signed=True),)
        case TypeTag(type=target, kind_flag=flag):
            return Kind.TYPE_TAG, flag, 0, target, ()
    raise ValueError(f"cannot write a type that has no record of its own or is of unknown kind: {kind}")


def _int_word(kind: Int) -> int:
    if not (0 <= kind.bits <= 0xFF and 0 <= kind.bit_offset <= 0xFF):
        raise ValueError(f"bits and bit_offset of an integer have 8 bits each: {kind}")
    encoding = kind.signed * INT_SIGNED | kind.char * INT_CHAR | kind.boolean * INT_BOOL
    return encoding << 24 | kind.bit_offset << 16 | kind.bits


def _member_words(members: tuple[Member, ...], flag: bool, string: StringOffset) -> tuple[int, ...]:
    words: list[int] = []
    for member in members:
        offset: int = member.bit_offset
        if flag:
            if not (0 <= offset <= 0xFFFFFF and 0 <= member.bitfield_size <= 0xFF):
                raise ValueError(f"with kind_flag an offset has 24 bits and a bitfield size 8: {member}")
            offset |= member.bitfield_size << 24
        elif member.bitfield_size:
            raise ValueError(f"a member with a bitfield size needs a struct with kind_flag: {member}")
        words += (string(member.name), member.type, offset)
    return tuple(words)


def _enum_words(kind: Enum, string: StringOffset) -> tuple[int, ...]:
    words: list[int] = []
    for each in kind.enumerators:
        if not kind.wide:
            words += (string(each.name), _word(each.value, kind.signed))
            continue
        lowest = -(1 << 63) if kind.signed else 0
        if not lowest <= each.value < lowest + (1 << 64):
            raise ValueError(f"an enumerator does not fit its enum's 64 bits: {each}")
        words += (string(each.name), each.value & 0xFFFFFFFF, each.value >> 32 & 0xFFFFFFFF)
    return tuple(words)


def _parameter_words(parameters: tuple[Parameter, ...], string: StringOffset) -> tuple[int, ...]:
    return tuple(word for each in parameters for word in (string(each.name), each.type))


def _word(value: int, signed: bool) -> int:
    lowest = -(1 << 31) if signed else 0
    if not lowest <= value < lowest + (1 << 32):
        raise ValueError(f"{value} does not fit {'signed' if signed else 'unsigned'} 32 bits")
    return value & 0xFFFFFFFF
