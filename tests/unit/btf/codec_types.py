"""BTF from Python literals, for the tests of the codec."""

from typing import Any

from purebpf.btf import Array, Btf, BtfWriter, Enum, Enumerator, Float, Int, Member, Pointer, Struct, Typedef, Union
from purebpf.btf.codec import Codec, codec_for
from purebpf.units import BitOffset, ByteOrder, TypeId


class Types:
    """Types are added, each gives its id; `codec` compiles one of them through a real BTF section."""

    def __init__(self, byteorder: ByteOrder = "little") -> None:
        self.writer = BtfWriter(byteorder=byteorder)
        self.u8 = self.integer("unsigned char", 1)
        self.s8 = self.integer("signed char", 1, signed=True)
        self.u16 = self.integer("unsigned short", 2)
        self.s16 = self.integer("short", 2, signed=True)
        self.u32 = self.integer("unsigned int", 4)
        self.s32 = self.integer("int", 4, signed=True)
        self.u64 = self.integer("unsigned long", 8)
        self.s64 = self.integer("long", 8, signed=True)
        self.char = self.integer("char", 1, signed=True)
        self.bool = self.integer("_Bool", 1, boolean=True)
        self.float = self.writer.add(Float("float", 4))
        self.double = self.writer.add(Float("double", 8))

    def integer(self, name: str, size: int, **how: Any) -> TypeId:
        return self.writer.add(Int(name, size, how.pop("bits", 8 * size), **how))

    def array(self, element: int, count: int) -> TypeId:
        return self.writer.add(Array(TypeId(element), self.u32, count))

    def typedef(self, name: str, type_id: int) -> TypeId:
        return self.writer.add(Typedef(name, TypeId(type_id)))

    def pointer(self, target: int) -> TypeId:
        return self.writer.add(Pointer(TypeId(target)))

    def enum(self, name: str, signed: bool = False, size: int = 4, /, **values: int) -> TypeId:
        enumerators = tuple(Enumerator(*item) for item in values.items())
        return self.writer.add(Enum(name, size, enumerators, signed, wide=size == 8))

    def struct(self, name: str, size: int, *members: tuple[str, int, int]) -> TypeId:
        """Members are (name, type, byte offset)."""
        placed = tuple(Member(member, TypeId(of), BitOffset(8 * offset)) for member, of, offset in members)
        return self.writer.add(Struct(name, size, placed))

    def bitfields(self, name: str, size: int, *members: tuple[str, int, int, int]) -> TypeId:
        """Members are (name, type, bit offset, width)."""
        placed = tuple(Member(member, TypeId(of), BitOffset(at), width) for member, of, at, width in members)
        return self.writer.add(Struct(name, size, placed, kind_flag=True))

    def union(self, name: str, size: int, *members: tuple[str, int]) -> TypeId:
        return self.writer.add(
            Union(name, size, tuple(Member(member, TypeId(of), BitOffset(0)) for member, of in members))
        )

    def btf(self) -> Btf:
        return Btf.parse(self.writer.build(), name="test")

    def codec(self, type_id: int) -> Codec[Any]:
        return codec_for(self.btf(), type_id)
