"""A whole BPF object file from Python calls, laid out as clang does it.

Rules: everything is referred to by name, and a symbol may be referred to before it is defined. Code is bytes or an
`Assembler`; instructions that a relocation fills are given as clang leaves them (an ldimm64 with source 0, a call
with source 1 and immediate -1). Nothing is checked that `ElfWriter` does not check: broken objects are wanted.

    file = ObjectWriter()
    file.legacy_map("counts", type=1, key_size=4, value_size=8, max_entries=16)
    file.function("count", code, section="xdp").address("count", 0, "counts")
    elf = read_elf(file.build())
"""

from dataclasses import dataclass, field
from struct import pack
from typing import Self

from purebpf.elf import (
    SHF_ALLOC,
    SHF_EXECINSTR,
    SHF_WRITE,
    ElfWriter,
    SectionType,
    SymbolBinding,
    SymbolType,
    SymbolVisibility,
)
from purebpf.insn import Assembler
from purebpf.units import ByteOrder

R_BPF_64_64 = 1
"""An ldimm64: address of a map, of a variable or of a function."""

R_BPF_64_32 = 10
"""A call of another function."""

Code = bytes | Assembler


@dataclass(slots=True)
class _Section:
    flags: int
    alignment: int
    data: bytearray = field(default_factory=bytearray)
    zero: bool = False

    def place(self, contents: bytes, alignment: int) -> int:
        """Append and return the offset."""
        self.data += bytes(-len(self.data) % alignment)
        self.alignment = max(self.alignment, alignment)
        offset = len(self.data)
        self.data += contents
        return offset


@dataclass(frozen=True, slots=True)
class _Symbol:
    name: str
    section: str | None
    value: int
    size: int
    type: int
    binding: int
    visibility: int


@dataclass(frozen=True, slots=True)
class _Relocation:
    section: str
    offset: int
    type: int
    symbol: str
    addend: int | None


class ObjectWriter:
    """Collects functions, variables, maps and references; every method returns the writer."""

    def __init__(
        self,
        byteorder: ByteOrder = "little",
        *,
        license: str | None = "GPL",  # noqa: A002
        version: int | None = None,
    ) -> None:
        self.byteorder: ByteOrder = byteorder
        self._order = "<" if byteorder == "little" else ">"
        self._sections: dict[str, _Section] = {}
        self._symbols: dict[str, _Symbol] = {}
        self._relocations: list[_Relocation] = []
        if license is not None:
            self.variable("_license", license.encode() + b"\0", section="license")
        if version is not None:
            self.variable("_version", pack(f"{self._order}I", version), section="version")

    def function(
        self,
        name: str,
        code: Code,
        *,
        section: str = ".text",
        binding: int = SymbolBinding.GLOBAL,
        visibility: int = SymbolVisibility.DEFAULT,
    ) -> Self:
        """Append a function to a code section."""
        data = code if isinstance(code, bytes) else code.assemble(self.byteorder)
        offset = self._section(section, SHF_ALLOC | SHF_EXECINSTR).place(data, 8)
        return self._symbol(name, section, offset, len(data), SymbolType.FUNC, binding, visibility)

    def variable(
        self,
        name: str,
        contents: bytes,
        *,
        section: str = ".data",
        alignment: int = 1,
        binding: int = SymbolBinding.GLOBAL,
        visibility: int = SymbolVisibility.DEFAULT,
    ) -> Self:
        """Append a variable to a data section; of one in .bss only the size counts."""
        flags = SHF_ALLOC if section.startswith(".rodata") else SHF_ALLOC | SHF_WRITE
        home = self._section(section, flags)
        home.zero = section == ".bss" or section.startswith(".bss.")
        offset = home.place(contents, alignment)
        return self._symbol(name, section, offset, len(contents), SymbolType.OBJECT, binding, visibility)

    def legacy_map(
        self,
        name: str,
        *,
        type: int,  # noqa: A002
        key_size: int = 4,
        value_size: int = 4,
        max_entries: int = 1,
        flags: int = 0,
        extra: bytes = b"",
    ) -> Self:
        """A `struct bpf_map_def` in section maps; `extra` are bytes behind its five fields."""
        definition = pack(f"{self._order}5I", type, key_size, value_size, max_entries, flags) + extra
        return self.variable(name, definition, section="maps", alignment=4)

    def extern(self, name: str, *, weak: bool = False) -> Self:
        """An undefined symbol."""
        binding = SymbolBinding.WEAK if weak else SymbolBinding.GLOBAL
        return self._symbol(name, None, 0, 0, SymbolType.NOTYPE, binding, SymbolVisibility.DEFAULT)

    def section(
        self,
        name: str,
        data: bytes,
        *,
        flags: int = 0,
        alignment: int = 1,
    ) -> Self:
        """Bytes for a section as they are, such as .BTF, after what it has already."""
        self._section(name, flags).place(data, alignment)
        return self

    def address(self, function: str, slot: int, symbol: str) -> Self:
        """The ldimm64 at instruction slot `slot` of a function takes the address of `symbol` (map, variable,
        function or extern; a section's name stands for its section symbol).
        """
        return self._refer(function, slot, R_BPF_64_64, symbol)

    def call(self, function: str, slot: int, symbol: str) -> Self:
        """The call at instruction slot `slot` of a function goes to `symbol`."""
        return self._refer(function, slot, R_BPF_64_32, symbol)

    def relocation(
        self,
        section: str,
        offset: int,
        type: int,  # noqa: A002
        symbol: str,
        addend: int | None = None,
    ) -> Self:
        """Any relocation, by section and byte offset."""
        self._relocations.append(_Relocation(section, offset, type, symbol, addend))
        return self

    def build(self, *, machine: int = 247) -> bytes:
        """The file."""
        writer = ElfWriter(self.byteorder, machine=machine)
        indices = {name: self._write_section(writer, name, section) for name, section in self._sections.items()}
        handles = {}
        for symbol in self._symbols.values():
            handles[symbol.name] = writer.add_symbol(
                symbol.name,
                section=0 if symbol.section is None else indices[symbol.section],
                value=symbol.value,
                size=symbol.size,
                type=symbol.type,
                binding=symbol.binding,
                visibility=symbol.visibility,
            )
        for relocation in self._relocations:
            name = relocation.symbol
            if name not in handles:
                handles[name] = writer.add_symbol(
                    "", section=indices[name], type=SymbolType.SECTION, binding=SymbolBinding.LOCAL
                )
            target = indices[relocation.section]
            writer.add_relocation(target, relocation.offset, handles[name], relocation.type, relocation.addend)
        return writer.build()

    def _section(self, name: str, flags: int) -> _Section:
        return self._sections.setdefault(name, _Section(flags, 1))

    def _symbol(
        self,
        name: str,
        section: str | None,
        value: int,
        size: int,
        type: int,  # noqa: A002
        binding: int,
        visibility: int,
    ) -> Self:
        if name in self._symbols:
            raise ValueError(f"'{name}' is defined twice")
        self._symbols[name] = _Symbol(name, section, value, size, type, binding, visibility)
        return self

    def _refer(self, function: str, slot: int, type: int, symbol: str) -> Self:  # noqa: A002
        home = self._symbols[function]
        if home.section is None:
            raise ValueError(f"'{function}' is not defined here")
        return self.relocation(home.section, home.value + 8 * slot, type, symbol)

    @staticmethod
    def _write_section(writer: ElfWriter, name: str, section: _Section) -> int:
        if section.zero:
            return writer.add_section(
                name,
                type=SectionType.NOBITS,
                size=len(section.data),
                flags=section.flags,
                alignment=section.alignment,
            )
        return writer.add_section(name, bytes(section.data), flags=section.flags, alignment=section.alignment)
