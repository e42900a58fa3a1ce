"""ELF64 relocatable files as frozen values; nothing here knows of BPF but the machine number.

`read_elf` makes an `ElfFile` of any source.
"""

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
from purebpf.elf.reader import read_elf

__all__ = [
    "EM_BPF",
    "SHF_ALLOC",
    "SHF_EXECINSTR",
    "SHF_WRITE",
    "SHN_ABS",
    "SHN_COMMON",
    "SHN_UNDEF",
    "ElfFile",
    "Relocation",
    "Section",
    "SectionType",
    "Symbol",
    "SymbolBinding",
    "SymbolType",
    "SymbolVisibility",
    "read_elf",
]
