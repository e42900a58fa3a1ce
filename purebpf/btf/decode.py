"""Builds one type of a BTF: the record at a byte offset becomes a frozen value.

Whatever stands in a record is checked here, when it is asked for: names against the string section, type ids
against the number of types, sizes against what the kind can have. That the record lies in the type section was
checked when the file was scanned.
"""

from __future__ import annotations

from struct import Struct as Format

from purebpf.btf.kinds import HEAD_SIZE, KIND_MASK, VLEN_MASK
from purebpf.btf.types import (
    Array,
    BtfType,
    Const,
    DataSection,
    DeclTag,
    Enum,
    Enumerator,
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
    SectionVariable,
    Struct,
    Typedef,
    TypeTag,
    Union,
    Unknown,
    Variable,
    Volatile,
)
from purebpf.errors import BtfError
from purebpf.units import BitOffset, TypeId

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import NoReturn

    from purebpf.btf.reader import Btf

    _Builder = Callable[[Btf, int, str, int, int], BtfType]

INT_SIZES = frozenset({1, 2, 4, 8, 16})
ENUM_SIZES = frozenset({1, 2, 4, 8})
FLOAT_SIZES = frozenset({2, 4, 8, 12, 16})

INT_SIGNED = 1
INT_CHAR = 2
INT_BOOL = 4

_ONE_WORD = {"little": Format("<I"), "big": Format(">I")}
_SIGNED_WORD = {"little": Format("<i"), "big": Format(">i")}
_TWO_WORDS = {"little": Format("<II"), "big": Format(">II")}
_THREE_WORDS = {"little": Format("<III"), "big": Format(">III")}
_ENUMERATORS = {
    ("little", True): Format("<Ii"),
    ("little", False): Format("<II"),
    ("big", True): Format(">Ii"),
    ("big", False): Format(">II"),
}


def decode_type(btf: Btf, at: int) -> BtfType:
    """The type whose record begins at byte `at` of `btf.raw`."""
    name_offset, info, size_or_type = _THREE_WORDS[btf.byteorder].unpack_from(btf.memory, at)
    name = btf.string(name_offset) if name_offset else ""
    build = _BUILDERS.get(info >> 24 & KIND_MASK)
    if build is None:
        return Unknown(name, info >> 24 & KIND_MASK, size_or_type)
    return build(btf, at, name, info, size_or_type)


def refuse(btf: Btf, at: int, reason: str) -> NoReturn:
    """Blame the record at byte `at`."""
    raise BtfError(reason, file=btf.name, section=".BTF", offset=at)


def _checked(btf: Btf, at: int, type_id: int) -> TypeId:
    if type_id >= btf.end_id:
        refuse(btf, at, f"a type refers to type {type_id}, the last one is {btf.end_id - 1}")
    return TypeId(type_id)


def _int(btf: Btf, at: int, name: str, info: int, size: int) -> Int:
    (word,) = _ONE_WORD[btf.byteorder].unpack_from(btf.memory, at + HEAD_SIZE)
    encoding, bit_offset, bits = word >> 24 & 0xF, word >> 16 & 0xFF, word & 0xFF
    if size not in INT_SIZES:
        refuse(btf, at, f"integer '{name}' has a size of {size} bytes")
    if bits + bit_offset > 8 * size:
        refuse(btf, at, f"integer '{name}' has {bits} bits from bit {bit_offset} in {size} bytes")
    signed, char, boolean = encoding & INT_SIGNED, encoding & INT_CHAR, encoding & INT_BOOL
    return Int(name, size, bits, bit_offset, bool(signed), bool(char), bool(boolean))


def _pointer(btf: Btf, at: int, name: str, info: int, target: int) -> Pointer:
    return Pointer(_checked(btf, at, target), name)


def _array(btf: Btf, at: int, name: str, info: int, unused: int) -> Array:
    element, index, count = _THREE_WORDS[btf.byteorder].unpack_from(btf.memory, at + HEAD_SIZE)
    return Array(_checked(btf, at, element), _checked(btf, at, index), count, name)


def _members(btf: Btf, at: int, info: int) -> tuple[Member, ...]:
    begin = at + HEAD_SIZE
    records = _THREE_WORDS[btf.byteorder].iter_unpack(btf.memory[begin : begin + (info & VLEN_MASK) * 12])
    string, end_id = btf.string, btf.end_id
    members = []
    for name_offset, type_id, offset in records:
        if type_id >= end_id:
            _checked(btf, at, type_id)
        bitfield_size = 0
        if info >> 31:
            bitfield_size, offset = offset >> 24, offset & 0xFFFFFF
        name = string(name_offset) if name_offset else ""
        members.append(Member(name, TypeId(type_id), BitOffset(offset), bitfield_size))
    return tuple(members)


def _struct(btf: Btf, at: int, name: str, info: int, size: int) -> Struct:
    return Struct(name, size, _members(btf, at, info), bool(info >> 31))


def _union(btf: Btf, at: int, name: str, info: int, size: int) -> Union:
    return Union(name, size, _members(btf, at, info), bool(info >> 31))


def _enum(btf: Btf, at: int, name: str, info: int, size: int) -> Enum:
    if size not in ENUM_SIZES:
        refuse(btf, at, f"enum '{name}' has a size of {size} bytes")
    signed, begin, string = bool(info >> 31), at + HEAD_SIZE, btf.string
    records = _ENUMERATORS[btf.byteorder, signed].iter_unpack(btf.memory[begin : begin + (info & VLEN_MASK) * 8])
    values = tuple([Enumerator(string(name_offset), value) for name_offset, value in records])
    return Enum(name, size, values, signed)


def _enum64(btf: Btf, at: int, name: str, info: int, size: int) -> Enum:
    if size not in ENUM_SIZES:
        refuse(btf, at, f"enum '{name}' has a size of {size} bytes")
    signed, begin, string = bool(info >> 31), at + HEAD_SIZE, btf.string
    records = _THREE_WORDS[btf.byteorder].iter_unpack(btf.memory[begin : begin + (info & VLEN_MASK) * 12])
    values = []
    for name_offset, low, high in records:
        value = high << 32 | low
        if signed and high >> 31:
            value -= 1 << 64
        values.append(Enumerator(string(name_offset), value))
    return Enum(name, size, tuple(values), signed, wide=True)


def _forward(btf: Btf, at: int, name: str, info: int, unused: int) -> Forward:
    return Forward(name, bool(info >> 31))


def _typedef(btf: Btf, at: int, name: str, info: int, type_id: int) -> Typedef:
    return Typedef(name, _checked(btf, at, type_id))


def _volatile(btf: Btf, at: int, name: str, info: int, type_id: int) -> Volatile:
    return Volatile(_checked(btf, at, type_id), name)


def _const(btf: Btf, at: int, name: str, info: int, type_id: int) -> Const:
    return Const(_checked(btf, at, type_id), name)


def _restrict(btf: Btf, at: int, name: str, info: int, type_id: int) -> Restrict:
    return Restrict(_checked(btf, at, type_id), name)


def _function(btf: Btf, at: int, name: str, info: int, type_id: int) -> Function:
    return Function(name, _checked(btf, at, type_id), info & VLEN_MASK)


def _function_proto(btf: Btf, at: int, name: str, info: int, return_type: int) -> FunctionProto:
    begin = at + HEAD_SIZE
    records = _TWO_WORDS[btf.byteorder].iter_unpack(btf.memory[begin : begin + (info & VLEN_MASK) * 8])
    parameters = [
        Parameter(btf.string(name_offset) if name_offset else "", _checked(btf, at, type_id))
        for name_offset, type_id in records
    ]
    return FunctionProto(_checked(btf, at, return_type), tuple(parameters), name)


def _variable(btf: Btf, at: int, name: str, info: int, type_id: int) -> Variable:
    (linkage,) = _ONE_WORD[btf.byteorder].unpack_from(btf.memory, at + HEAD_SIZE)
    return Variable(name, _checked(btf, at, type_id), linkage)


def _data_section(btf: Btf, at: int, name: str, info: int, size: int) -> DataSection:
    begin = at + HEAD_SIZE
    records = _THREE_WORDS[btf.byteorder].iter_unpack(btf.memory[begin : begin + (info & VLEN_MASK) * 12])
    variables = [SectionVariable(_checked(btf, at, type_id), offset, extent) for type_id, offset, extent in records]
    return DataSection(name, size, tuple(variables))


def _float(btf: Btf, at: int, name: str, info: int, size: int) -> Float:
    if size not in FLOAT_SIZES:
        refuse(btf, at, f"floating-point type '{name}' has a size of {size} bytes")
    return Float(name, size)


def _decl_tag(btf: Btf, at: int, name: str, info: int, type_id: int) -> DeclTag:
    (component,) = _SIGNED_WORD[btf.byteorder].unpack_from(btf.memory, at + HEAD_SIZE)
    return DeclTag(name, _checked(btf, at, type_id), component, bool(info >> 31))


def _type_tag(btf: Btf, at: int, name: str, info: int, type_id: int) -> TypeTag:
    return TypeTag(name, _checked(btf, at, type_id), bool(info >> 31))


_BUILDERS: dict[int, _Builder] = {
    Kind.INT: _int,
    Kind.PTR: _pointer,
    Kind.ARRAY: _array,
    Kind.STRUCT: _struct,
    Kind.UNION: _union,
    Kind.ENUM: _enum,
    Kind.FWD: _forward,
    Kind.TYPEDEF: _typedef,
    Kind.VOLATILE: _volatile,
    Kind.CONST: _const,
    Kind.RESTRICT: _restrict,
    Kind.FUNC: _function,
    Kind.FUNC_PROTO: _function_proto,
    Kind.VAR: _variable,
    Kind.DATASEC: _data_section,
    Kind.FLOAT: _float,
    Kind.DECL_TAG: _decl_tag,
    Kind.TYPE_TAG: _type_tag,
    Kind.ENUM64: _enum64,
}
