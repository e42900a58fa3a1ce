"""Types of an object as clang writes them: the DATASEC of `.maps`, of data sections and of externs."""

from collections.abc import Sequence

from purebpf.btf import (
    Array,
    BtfWriter,
    DataSection,
    Enum,
    Enumerator,
    FunctionProto,
    Int,
    Linkage,
    Member,
    Pointer,
    SectionVariable,
    Struct,
    Variable,
)
from purebpf.plan.stages import open_object
from purebpf.spec import ObjectSpec
from purebpf.units import BitOffset, ByteOrder, TypeId
from tests.writers import ObjectWriter

Property = tuple[str, TypeId]


class Types:
    """A BTF with `u32`, `u64` and whatever a test adds."""

    def __init__(self, byteorder: ByteOrder = "little") -> None:
        self.writer = BtfWriter(byteorder=byteorder)
        self.u32 = self.writer.add(Int("u32", 4, 32))
        self.u64 = self.writer.add(Int("u64", 8, 64))
        self.function = self.writer.add(FunctionProto(self.u32, ()))

    def uint(self, name: str, value: int) -> Property:
        """`__uint(name, value)`: a pointer to an array of that many."""
        return name, self.pointer(self.writer.add(Array(self.u32, self.u32, value)))

    def ulong(self, name: str, value: int) -> Property:
        """`__ulong(name, value)`: an enum of that value."""
        return name, self.writer.add(Enum("", 8, (Enumerator("v", value),), wide=True))

    def type(self, name: str, type_id: TypeId) -> Property:
        """`__type(name, T)`."""
        return name, self.pointer(type_id)

    def values(self, element: TypeId, *, count: int = 0) -> Property:
        """`__array(values, T)`: an array without a length of pointers."""
        return "values", self.writer.add(Array(self.pointer(element), self.u32, count))

    def pointer(self, target: TypeId) -> TypeId:
        """A pointer."""
        return self.writer.add(Pointer(target))

    def struct(self, *members: Property) -> TypeId:
        """A struct of properties, 8 bytes each, of which `values` takes no room."""
        fields = tuple(Member(name, type_id, BitOffset(64 * at)) for at, (name, type_id) in enumerate(members))
        size = 8 * sum(name != "values" for name, _ in members)
        return self.writer.add(Struct("", size, fields))

    def section(self, name: str, variables: Sequence[tuple[str, TypeId, int, int]], *, size: int = 0) -> TypeId:
        """A DATASEC of (name, type, offset, size), of global variables."""
        entries = [
            SectionVariable(self.writer.add(Variable(variable, type_id, Linkage.GLOBAL)), offset, length)
            for variable, type_id, offset, length in variables
        ]
        return self.writer.add(DataSection(name, size, tuple(entries)))


class MapsFile:
    """An object whose `.maps` declares what a test adds."""

    def __init__(self, byteorder: ByteOrder = "little") -> None:
        self.types = Types(byteorder)
        self.object = ObjectWriter(byteorder)
        self._declared: list[tuple[str, TypeId, int, int]] = []
        self._end = 0

    def add(self, name: str, *members: Property, slots: int = 0) -> "MapsFile":
        """A map of these properties, with room for `slots` static values."""
        size = 8 * sum(member != "values" for member, _ in members) + 8 * slots
        self.object.variable(name, bytes(size), section=".maps", alignment=8)
        self._declared.append((name, self.types.struct(*members), self._end, size))
        self._end += size
        return self

    def build(self) -> bytes:
        """The file."""
        self.types.section(".maps", self._declared)
        self.object.section(".BTF", self.types.writer.build())
        return self.object.build()

    def open(self) -> ObjectSpec:
        """What it says."""
        return open_object(self.build(), name="test")
