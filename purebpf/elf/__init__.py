"""ELF64 relocatable files as frozen values; nothing here knows of BPF but the machine number.

`read_elf` makes an `ElfFile` of any source; `ElfWriter` builds the bytes of one and loads with its first use.
"""

from __future__ import annotations

from purebpf.elf.model import (
    EM_BPF,
    SHF_ALLOC,
    SHF_EXECINSTR,
    SHF_WRITE,
    SHN_ABS,
    SHN_COMMON,
    SHN_UNDEF,
    ElfFile,
    Relocation,
    Section,
    SectionType,
    Symbol,
    SymbolBinding,
    SymbolType,
    SymbolVisibility,
)
from purebpf.elf.reader import contents, read_bounded, read_elf

TYPE_CHECKING = False
if TYPE_CHECKING:
    from purebpf.elf.writer import ElfWriter

__all__ = [
    "EM_BPF",
    "SHF_ALLOC",
    "SHF_EXECINSTR",
    "SHF_WRITE",
    "SHN_ABS",
    "SHN_COMMON",
    "SHN_UNDEF",
    "ElfFile",
    "ElfWriter",
    "Relocation",
    "Section",
    "SectionType",
    "Symbol",
    "SymbolBinding",
    "SymbolType",
    "SymbolVisibility",
    "contents",
    "read_bounded",
    "read_elf",
]


def __getattr__(name: str) -> object:
    if name == "ElfWriter":
        from purebpf.elf.writer import ElfWriter

        return ElfWriter
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
