"""Small objects and targets for the tests of CO-RE: types written by name, records against them."""

from collections.abc import Sequence

from purebpf.btf import (
    Array,
    Btf,
    BtfType,
    BtfWriter,
    CoreKind,
    CoreRelocation,
    Enum,
    Enumerator,
    Int,
    Member,
    Pointer,
    Struct,
)
from purebpf.plan.target import Target
from purebpf.relocate.resolve import Decision, Resolver
from purebpf.units import BitOffset, ByteOffset, ByteOrder, TypeId


class Types:
    """A BTF in the making; `build` ends it."""

    def __init__(self, byteorder: ByteOrder = "little", base: Btf | None = None) -> None:
        self.writer = BtfWriter(byteorder=byteorder, base=base)
        self.base = base
        self.int = self.writer.add(Int("int", 4, 32, signed=True))
        self.u32 = self.writer.add(Int("unsigned int", 4, 32))
        self.u64 = self.writer.add(Int("unsigned long", 8, 64))
        self.char = self.writer.add(Int("char", 1, 8))
        self.pointer = self.writer.add(Pointer(self.int))

    def array(self, element: TypeId, count: int) -> TypeId:
        return self.writer.add(Array(element, self.u32, count))

    def struct(self, name: str, size: int, *members: tuple[str, TypeId, int]) -> TypeId:
        """Members as (name, type, byte offset)."""
        return self.writer.add(Struct(name, size, tuple(Member(n, t, BitOffset(8 * at)) for n, t, at in members)))

    def bits(self, name: str, size: int, *members: tuple[str, TypeId, int, int]) -> TypeId:
        """Members as (name, type, first bit, bits)."""
        built = tuple(Member(n, t, BitOffset(bit), width) for n, t, bit, width in members)
        return self.writer.add(Struct(name, size, built, True))

    def enum(self, name: str, size: int = 4, *, signed: bool = False, **values: int) -> TypeId:
        enumerators = tuple(Enumerator(each, value) for each, value in values.items())
        return self.writer.add(Enum(name, size, enumerators, signed, size == 8))

    def build_with(self, last: BtfType) -> Btf:
        """The BTF with one more type, of id 6 where nothing else was added."""
        self.writer.add(last)
        return self.build()

    def build(self, name: str = "") -> Btf:
        return Btf.parse(self.writer.build(), name=name, base=self.base)


def target_of(types: Types | None) -> Target:
    built = types.build("vmlinux") if types is not None else None
    return Target("the test's kernel", "6.12", 0x060C00, "little", read_btf=lambda: built)


def record(type_id: TypeId, access: str = "0", kind: CoreKind = CoreKind.FIELD_BYTE_OFFSET) -> CoreRelocation:
    return CoreRelocation(ByteOffset(0), type_id, access, kind)


def decide(local: Types, target: Types | None, *records: CoreRelocation, byteorder: ByteOrder = "little") -> Decision:
    """What the last of the records comes to."""
    return decisions(local, target, records, byteorder)[-1]


def decisions(
    local: Types, target: Types | None, records: Sequence[CoreRelocation], byteorder: ByteOrder = "little"
) -> list[Decision]:
    resolver = Resolver(local.build("object"), target_of(target), byteorder)
    return [resolver.decide(each) for each in records]
