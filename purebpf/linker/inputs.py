"""One object file to be linked, read whole; and the error that names two files.

Rules: whatever is wrong with one file alone is found here, before anything is merged: it names that file.
"""

from __future__ import annotations

from purebpf.btf import Btf, BtfExt
from purebpf.elf import SHN_ABS, SHN_COMMON, SHN_UNDEF, ElfFile, SymbolBinding, SymbolType, SymbolVisibility, read_elf
from purebpf.errors import SpecError
from purebpf.frozen import Frozen

TYPE_CHECKING = False
if TYPE_CHECKING:
    from os import PathLike
    from typing import BinaryIO

    Source = str | PathLike[str] | bytes | bytearray | memoryview | BinaryIO

_ET_REL = 1
_BINDINGS = (SymbolBinding.LOCAL, SymbolBinding.GLOBAL, SymbolBinding.WEAK)
_VISIBILITIES = (SymbolVisibility.DEFAULT, SymbolVisibility.HIDDEN)


class Input(Frozen):
    """A file to be linked; `number` is its place among the others, from 0."""

    number: int
    elf: ElfFile
    btf: Btf
    ext: BtfExt | None

    @property
    def name(self) -> str:
        """What messages call the file."""
        return self.elf.name


def read_input(source: Source, number: int) -> Input:
    """The file of a source; `ObjectFileError` if it is none that can be linked."""
    elf = read_elf(source)
    if elf.type != _ET_REL:
        raise SpecError(f"an ELF file of type {elf.type}, not a relocatable object: give the .o file", file=elf.name)
    section = elf.section(".BTF")
    if section is None or not section.data:
        raise SpecError("it has no type information, which linking needs: compile with -g", file=elf.name)
    btf = Btf.parse(section.data, name=elf.name)
    if btf.byteorder != elf.byteorder:
        raise SpecError(
            f"the file is {elf.byteorder}-endian, its type information {btf.byteorder}-endian",
            file=elf.name,
            section=".BTF",
        )
    described = elf.section(".BTF.ext")
    ext = BtfExt.parse(described.data, btf, name=elf.name) if described is not None and described.data else None
    _check_symbols(elf)
    return Input(number, elf, btf, ext)


def _check_symbols(elf: ElfFile) -> None:
    """Symbols of kinds that BPF objects do not have would be merged by rules nobody has written down."""
    for symbol in elf.symbols[1:]:
        fault = ""
        if symbol.binding not in _BINDINGS:
            fault = f"has binding {symbol.binding}"
        elif symbol.visibility not in _VISIBILITIES:
            fault = f"has visibility {symbol.visibility}; only default and hidden ones can be linked"
        elif symbol.section == SHN_COMMON:
            fault = "is a common one: compile with -fno-common"
        elif symbol.section == SHN_ABS and symbol.type != SymbolType.FILE:
            fault = "has an absolute value and no section"
        elif symbol.section == SHN_UNDEF and symbol.binding == SymbolBinding.LOCAL:
            fault = "is local and not defined"
        elif symbol.section not in (SHN_UNDEF, SHN_ABS) and symbol.value > elf.sections[symbol.section].size:
            fault = f"lies at {symbol.value:#x}, behind the end of its section"
        if fault:
            raise SpecError(f"symbol '{symbol.name}' {fault}", file=elf.name)


def clash(reason: str, one: Input, other: Input, *, remedy: str = "", section: str | None = None) -> SpecError:
    """The error of two files that do not go together."""
    if one.name == other.name != "<bytes>":
        return SpecError(f"{reason}: '{one.name}' was given twice", section=section)
    what_to_do = f": {remedy}" if remedy else ""
    return SpecError(f"{reason}, in '{one.name}' and in '{other.name}'{what_to_do}", section=section)
