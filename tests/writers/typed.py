"""An object with types: what `ObjectWriter` writes, and the .BTF and .BTF.ext that clang -g adds.

Rules: every function gets a FUNC and a func_info record, every variable of a data section a VAR, every data section
a DATASEC with the size 0 that clang leaves there for the loader to fill in. `types` and `records` are the writers of
the two sections, for what else a test wants in them.

    file = TypedObjectWriter()
    file.map("counts", type=1, max_entries=16, key=file.integer(4), value=file.integer(8))
    file.function("count", code, section="xdp").address("count", 0, "counts")
"""

from typing import Self

from purebpf.btf import (
    Array,
    BtfExtWriter,
    BtfWriter,
    DataSection,
    Function,
    FunctionProto,
    Int,
    Linkage,
    Member,
    Pointer,
    SectionVariable,
    Struct,
    Variable,
)
from purebpf.elf import SymbolBinding, SymbolVisibility
from purebpf.units import BitOffset, ByteOrder, TypeId
from tests.writers.object import Code, ObjectWriter

_C_NAMES = {1: "char", 2: "short", 4: "int", 8: "long"}


class TypedObjectWriter(ObjectWriter):
    """An `ObjectWriter` that describes what it writes."""

    def __init__(
        self,
        byteorder: ByteOrder = "little",
        *,
        license: str | None = "GPL",  # noqa: A002
        version: int | None = None,
    ) -> None:
        self.types = BtfWriter(byteorder=byteorder)
        self.records = BtfExtWriter(self.types)
        self._integers: dict[tuple[int, bool], TypeId] = {}
        self._variables: dict[str, list[SectionVariable]] = {}
        self._described_functions = 0
        super().__init__(byteorder, license=license, version=version)

    def integer(self, size: int, *, signed: bool = True) -> TypeId:
        """The id of C's integer of that size."""
        known = self._integers.get((size, signed))
        if known is None:
            name = _C_NAMES[size] if signed else f"unsigned {_C_NAMES[size]}"
            known = self._integers[size, signed] = self.types.add(Int(name, size, 8 * size, signed=signed))
        return known

    def array(self, element: TypeId, count: int) -> TypeId:
        """The id of a new array type."""
        return self.types.add(Array(element, self.integer(4), count))

    def function(
        self,
        name: str,
        code: Code,
        *,
        section: str = ".text",
        binding: int = SymbolBinding.GLOBAL,
        visibility: int = SymbolVisibility.DEFAULT,
        prototype: TypeId | None = None,
    ) -> Self:
        """Append a function; its type is `int (void)` unless a FUNC_PROTO is given."""
        super().function(name, code, section=section, binding=binding, visibility=visibility)
        if prototype is None:
            prototype = self.types.add(FunctionProto(self.integer(4), ()))
        linkage = Linkage.STATIC if binding == SymbolBinding.LOCAL else Linkage.GLOBAL
        function = self.types.add(Function(name, prototype, linkage))
        self.records.func(section, self._symbols[name].value, function)
        self._described_functions += 1
        return self

    def variable(
        self,
        name: str,
        contents: bytes,
        *,
        section: str = ".data",
        alignment: int = 1,
        binding: int = SymbolBinding.GLOBAL,
        visibility: int = SymbolVisibility.DEFAULT,
        type: TypeId | None = None,  # noqa: A002
    ) -> Self:
        """Append a variable; without a type it is an array of char, in section `maps` it is not described."""
        super().variable(name, contents, section=section, alignment=alignment, binding=binding, visibility=visibility)
        if section == "maps":
            return self
        described = type if type is not None else self.array(self.integer(1), len(contents))
        return self._describe(name, section, described, len(contents), binding)

    def map(
        self,
        name: str,
        *,
        key: TypeId | None = None,
        value: TypeId | None = None,
        **attributes: int,
    ) -> Self:
        """A map in section .maps; `attributes` are its `__uint` keys (type, max_entries, map_flags, key_size, ...)."""
        members = [(attribute, self._number(number)) for attribute, number in attributes.items()]
        members += [(field, self.types.add(Pointer(to))) for field, to in (("key", key), ("value", value)) if to]
        fields = tuple(
            Member(field, type_id, BitOffset(64 * number)) for number, (field, type_id) in enumerate(members)
        )
        size = 8 * len(fields)
        definition = self.types.add(Struct("", size, fields))
        super().variable(name, bytes(size), section=".maps", alignment=8)
        return self._describe(name, ".maps", definition, size, SymbolBinding.GLOBAL)

    def build(self, *, machine: int = 247) -> bytes:
        """The file; nothing can be added after it. Without functions there is no .BTF.ext."""
        for section, variables in self._variables.items():
            self.types.add(DataSection(section, 0, tuple(variables)))
        records = self.records.build() if self._described_functions else b""
        self.section(".BTF", self.types.build(), alignment=4)
        if records:
            self.section(".BTF.ext", records, alignment=4)
        return super().build(machine=machine)

    def _number(self, number: int) -> TypeId:
        """A number as `__uint` hides it in a type: a pointer to an array of as many ints."""
        return self.types.add(Pointer(self.array(self.integer(4), number)))

    def _describe(self, name: str, section: str, type_id: TypeId, size: int, binding: int) -> Self:
        linkage = Linkage.STATIC if binding == SymbolBinding.LOCAL else Linkage.GLOBAL
        variable = self.types.add(Variable(name, type_id, linkage))
        self._variables.setdefault(section, []).append(SectionVariable(variable, 0, size))
        return self
