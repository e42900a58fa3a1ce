"""What an ELF64 relocatable file holds, as frozen values; nothing here knows of BPF.

Rules: a section's index in `ElfFile.sections` is its ELF index (0 is the null section), likewise for symbols.
Every reference that stands in the file (section of a symbol, symbol of a relocation) was checked when the file
was read: following one never fails.
"""

from __future__ import annotations

from purebpf.enums import IntEnum
from purebpf.frozen import Frozen, field

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from purebpf.units import ByteOrder


class SectionType(IntEnum):
    """sh_type values that matter here; a file may hold others, which stay plain integers."""

    NULL = 0
    PROGBITS = 1
    SYMTAB = 2
    STRTAB = 3
    RELA = 4
    NOBITS = 8
    REL = 9
    DYNSYM = 11
    SYMTAB_SHNDX = 18


SHF_WRITE = 1
SHF_ALLOC = 2
SHF_EXECINSTR = 4

EM_BPF = 247


class SymbolType(IntEnum):
    """st_info type; others stay plain integers."""

    NOTYPE = 0
    OBJECT = 1
    FUNC = 2
    SECTION = 3
    FILE = 4


class SymbolBinding(IntEnum):
    """st_info binding; others stay plain integers."""

    LOCAL = 0
    GLOBAL = 1
    WEAK = 2


class SymbolVisibility(IntEnum):
    """st_other visibility."""

    DEFAULT = 0
    INTERNAL = 1
    HIDDEN = 2
    PROTECTED = 3


SHN_UNDEF = 0
SHN_ABS = 0xFFF1
SHN_COMMON = 0xFFF2


class Section(Frozen):
    """One section with its bytes (`data` is empty for NOBITS, whose `size` still counts)."""

    index: int
    name: str
    type: int
    flags: int
    offset: int
    size: int
    link: int
    info: int
    entry_size: int
    alignment: int
    address: int = 0
    data: bytes = field(default=b"", repr=False)

    @property
    def executable(self) -> bool:
        """Whether the section holds code."""
        return bool(self.flags & SHF_EXECINSTR)


class Symbol(Frozen):
    """One symbol; `section` is a section's index, or SHN_UNDEF, SHN_ABS, SHN_COMMON."""

    index: int
    name: str
    value: int
    size: int
    type: int
    binding: int
    visibility: int
    section: int


class Relocation(Frozen):
    """One relocation; `addend` is None for REL, where it stands in the section's bytes."""

    offset: int
    type: int
    symbol: int
    addend: int | None = None


class ElfFile(Frozen):
    """A whole file. `relocations` is keyed by the index of the section they apply to."""

    name: str
    byteorder: ByteOrder
    machine: int
    type: int
    flags: int
    sections: tuple[Section, ...]
    symbols: tuple[Symbol, ...]
    relocations: Mapping[int, tuple[Relocation, ...]]
    _by_name: dict[str, Section] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        # Reversed, so that of two sections of one name the first stays.
        object.__setattr__(self, "_by_name", {section.name: section for section in reversed(self.sections)})

    def section(self, name: str) -> Section | None:
        """The first section of that name, or None."""
        return self._by_name.get(name)
