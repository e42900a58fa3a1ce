"""From a BTF type to its codec.

A type is compiled once and its codec kept as long as the `Btf` is. A BTF may come from anywhere, so everything here is
bounded: types nest at most `MAX_DEPTH` deep, a chain of typedefs is at most `MAX_CHAIN` long, members lie inside their
struct, and a value has at most `OBJECTS_PER_BYTE` Python objects to a byte (overlapping members and arrays of nothing
would otherwise make a gigabyte of objects of a few bytes). What breaks a bound is a `BtfError` when the codec is made;
decoding then costs no more than the buffer is long.
"""

from __future__ import annotations

from weakref import WeakKeyDictionary

from purebpf.btf.codec.arrays import FlexibleCodec, ListCodec, bytes_codec, text_codec
from purebpf.btf.codec.bits import BitCodec
from purebpf.btf.codec.records import Field
from purebpf.btf.codec.scalars import EnumMembers, bool_codec, enum_codec, float_codec, int_codec
from purebpf.btf.codec.structs import StructCodec
from purebpf.btf.codec.unions import UnionCodec
from purebpf.btf.types import (
    Array,
    BtfType,
    Const,
    Enum,
    Float,
    Forward,
    Int,
    Member,
    Pointer,
    Restrict,
    Struct,
    Typedef,
    TypeTag,
    Union,
    Variable,
    Volatile,
)
from purebpf.errors import BtfError
from purebpf.units import BitOffset, TypeId

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from typing import Any

    from purebpf.btf.codec.base import Codec
    from purebpf.btf.reader import Btf

MAX_DEPTH = 64
MAX_CHAIN = 256
MAX_SIZE = 0xFFFF_FFFF
OBJECTS_PER_BYTE = 64
SPARE_OBJECTS = 1024

_codecs: WeakKeyDictionary[Btf, dict[TypeId, Codec[Any]]] = WeakKeyDictionary()


def codec_for(btf: Btf, type_id: TypeId | int) -> Codec[Any]:
    """Give the codec of a type of `btf`, compiled on the first request.

    Raises `BtfError` for what has no value in memory: void, functions, a struct that is only declared.
    """
    known = _codecs.setdefault(btf, {})
    codec = known.get(TypeId(type_id))
    if codec is None:
        codec = known[TypeId(type_id)] = _Compiler(btf).open_ended(TypeId(type_id))
    return codec


class _Compiler:
    """One run of the compiler over one type and all that it consists of."""

    def __init__(self, btf: Btf) -> None:
        self.btf = btf
        self.byteorder = btf.byteorder
        self.done: dict[tuple[TypeId, str, bool], Codec[Any]] = {}
        self.depth = 0

    def open_ended(self, type_id: TypeId) -> Codec[Any]:
        """The codec of a type that stands last in its buffer, where a flexible array has room."""
        return self.codec(type_id, last=True)

    def codec(self, type_id: TypeId, *, last: bool = False) -> Codec[Any]:
        resolved, kind, alias = self.resolve(type_id)
        key = (resolved, alias, last)
        codec = self.done.get(key)
        if codec is None:
            if self.depth >= MAX_DEPTH:
                raise self.error(f"type {type_id} nests more than {MAX_DEPTH} levels deep, or contains itself")
            self.depth += 1
            codec = self.done[key] = self.build(resolved, kind, alias, last)
            self.depth -= 1
            self.check_bounds(codec)
        return codec

    def resolve(self, type_id: TypeId) -> tuple[TypeId, BtfType, str]:
        """Look through typedefs and modifiers; gives the outermost typedef's name too, or ""."""
        alias = ""
        for _ in range(MAX_CHAIN):
            kind = self.btf[type_id]
            match kind:
                case Typedef():
                    alias = alias or kind.name
                case Const() | Volatile() | Restrict() | TypeTag() | Variable():
                    pass
                case _:
                    return type_id, kind, alias
            type_id = kind.type
        raise self.error(f"type {type_id} is at the end of more than {MAX_CHAIN} typedefs, or of a circle of them")

    def build(self, type_id: TypeId, kind: BtfType, alias: str, last: bool) -> Codec[Any]:
        match kind:
            case Int():
                return self.integer(kind, alias or kind.name)
            case Pointer():
                return int_codec(self.pointer_name(kind), self.btf.pointer_size, False, self.byteorder)
            case Enum():
                name = _tagged("enum", kind.name, alias)
                return enum_codec(name, kind.size, kind.signed, _members_of(kind, name), self.byteorder)
            case Float():
                return float_codec(alias or kind.name, kind.size, self.byteorder)
            case Array():
                return self.array(kind)
            case Struct():
                fields = self.fields_of(kind, self.flattened(kind, Struct), last)
                return StructCodec(_tagged("struct", kind.name, alias), kind.size, fields, self.byteorder)
            case Union():
                fields = self.fields_of(kind, self.flattened(kind, Union), False)
                return UnionCodec(_tagged("union", kind.name, alias), kind.size, fields, self.byteorder)
            case Forward():
                raise self.error(f"type {type_id} '{kind.name}' is declared here and defined elsewhere: it has no size")
            case _:
                what = f"{type(kind).__name__.lower()} {kind.name}".strip()
                raise self.error(f"type {type_id} ({what}) has no value in memory")

    def integer(self, kind: Int, name: str) -> Codec[Any]:
        if not 1 <= kind.size <= 16 or kind.bits + kind.bit_offset > 8 * kind.size or kind.bits < 1:
            raise self.error(f"int '{kind.name}' of {kind.bits} bits at bit {kind.bit_offset} in {kind.size} bytes")
        if kind.bits != 8 * kind.size:
            return BitCodec(
                name, kind.bit_offset, kind.bits, self.byteorder,
                signed=kind.signed, boolean=kind.boolean, size=kind.size,
            )  # fmt: skip
        if kind.boolean:
            return bool_codec(name, kind.size, self.byteorder)
        return int_codec(name, kind.size, kind.signed, self.byteorder)

    def array(self, kind: Array) -> Codec[Any]:
        element = self.codec(kind.element)
        if element.size * kind.count > MAX_SIZE or element.weight * kind.count > OBJECTS_PER_BYTE * MAX_SIZE:
            raise self.error(f"array of {kind.count} elements of {element.size} bytes is larger than 4 GiB")
        name = f"{element.type_name}[{kind.count}]"
        form = self.array_form(kind)
        if form is str:
            return text_codec(name, kind.count, self.byteorder)
        if form is bytes:
            return bytes_codec(name, kind.count, self.byteorder)
        return ListCodec(name, element, kind.count, self.byteorder)

    def array_form(self, kind: Array) -> type[str] | type[bytes] | type[list[Any]]:
        _, element, _ = self.resolve(kind.element)
        if not isinstance(element, Int) or element.size != 1 or element.bits != 8 or element.boolean:
            return list
        # gcc marks signed and unsigned char as characters too.
        if element.name == "char" or (element.char and element.name not in ("signed char", "unsigned char")):
            return str
        return list if element.signed else bytes

    def pointer_name(self, kind: Pointer) -> str:
        _, target, alias = self.resolve(kind.target)
        match target:
            case Struct() | Union():
                return f"{_tagged(type(target).__name__.lower(), target.name, alias)} *"
            case Forward():
                return f"{'union' if target.is_union else 'struct'} {target.name} *"
            case _:
                return f"{alias or getattr(target, 'name', '') or 'void'} *"

    # members

    def flattened(self, kind: Struct | Union, same: type[Struct] | type[Union]) -> list[Member]:
        """The members, with those of anonymous members of the same kind in place of these."""
        members: list[Member] = []
        pending = [(iter(kind.members), 0)]
        steps_left = OBJECTS_PER_BYTE * kind.size + SPARE_OBJECTS
        while pending:
            source, base = pending[-1]
            member = next(source, None)
            if member is None:
                pending.pop()
                continue
            steps_left -= 1
            if steps_left < 0 or len(pending) > MAX_DEPTH:
                raise self.error(f"'{kind.name}' has too many anonymous members in one another")
            placed = Member(member.name, member.type, BitOffset(base + member.bit_offset), member.bitfield_size)
            inner = None if member.name else self.resolve(member.type)[1]
            if isinstance(inner, same) and isinstance(inner, Struct | Union):
                pending.append((iter(inner.members), placed.bit_offset))
            elif member.name or isinstance(inner, Struct | Union):
                members.append(placed)
        return members

    def fields_of(self, kind: Struct | Union, members: Sequence[Member], last: bool) -> list[Field]:
        taken = {member.name for member in members}
        used: set[str] = set()
        fields = []
        for position, member in enumerate(members):
            name = member.name
            if not name or name in used:
                name = _place_name(position, taken)
            used.add(name)
            open_ended = last and position == len(members) - 1
            field = self.field(kind, member, name, open_ended)
            if field.offset + field.codec.size > kind.size:
                raise self.error(f"member '{member.name}' ends outside of '{kind.name}', which has {kind.size} bytes")
            fields.append(field)
        return fields

    def field(self, kind: Struct | Union, member: Member, name: str, open_ended: bool) -> Field:
        _, inner, alias = self.resolve(member.type)
        bits = self.bitfield(member, inner, alias)
        if bits is not None:
            return Field(name, (member.bit_offset + _int_offset(inner)) // 8, bits)
        if member.bitfield_size or member.bit_offset % 8:
            raise self.error(f"member '{member.name}' of '{kind.name}' is a bitfield of what is no integer")
        if open_ended and isinstance(inner, Array) and inner.count == 0:
            element = self.codec(inner.element)
            return Field(
                name, member.bit_offset // 8, FlexibleCodec(f"{element.type_name}[]", element, self.array_form(inner))
            )
        codec = self.codec(member.type, last=open_ended)
        hoisted: tuple[str, ...] = ()
        if not member.name and isinstance(codec, StructCodec | UnionCodec):
            hoisted = tuple(_reachable(codec))
        return Field(name, member.bit_offset // 8, codec, hoisted)

    def bitfield(self, member: Member, inner: BtfType, alias: str) -> BitCodec | None:
        """The codec of a bitfield in either encoding (kind_flag, or an old int of few bits); None if it is none."""
        if not isinstance(inner, Int | Enum) or not 1 <= inner.size <= 16:
            return None
        width = member.bitfield_size or (inner.bits if isinstance(inner, Int) else 8 * inner.size)
        start = member.bit_offset + _int_offset(inner)
        if not member.bitfield_size and width == 8 * inner.size and start % 8 == 0:
            return None
        if not 1 <= width <= 8 * inner.size:
            raise self.error(f"bitfield '{member.name}' of {width} bits in an integer of {inner.size} bytes")
        if isinstance(inner, Enum):
            name = _tagged("enum", inner.name, alias)
            members = _members_of(inner, name)
            return BitCodec(name, start % 8, width, self.byteorder, signed=inner.signed, members=members)
        name = alias or inner.name
        return BitCodec(name, start % 8, width, self.byteorder, signed=inner.signed, boolean=inner.boolean)

    # bounds

    def check_bounds(self, codec: Codec[Any]) -> None:
        if codec.weight > OBJECTS_PER_BYTE * codec.size + SPARE_OBJECTS:
            raise self.error(f"{codec.type_name} of {codec.size} bytes consists of {codec.weight} values")

    def error(self, reason: str) -> BtfError:
        return BtfError(reason, file=self.btf.name, section=".BTF")


def _tagged(keyword: str, name: str, alias: str) -> str:
    return f"{keyword} {name}" if name else alias or keyword


def _members_of(kind: Enum, name: str) -> EnumMembers:
    return EnumMembers(name, [(enumerator.name, enumerator.value) for enumerator in kind.enumerators])


def _int_offset(kind: BtfType) -> int:
    return kind.bit_offset if isinstance(kind, Int) else 0


def _place_name(position: int, taken: set[str]) -> str:
    name = f"_{position}"
    while name in taken:
        name = f"_{name}"
    return name


def _reachable(codec: StructCodec | UnionCodec) -> Iterator[str]:
    for field in codec.fields:
        yield from field.hoisted or (field.name,)
