"""Damaged type information: what becomes of an object whose .BTF or .BTF.ext cannot be read.

Rule, libbpf's: without maps of section .maps, struct_ops and externs nothing in a file needs types, and the object
loads as one compiled without -g. Unlike libbpf, which loads the accesses of CO-RE as the compiler left them then,
CO-RE is a need as well: they would read whatever lies there on another kernel.
"""

from __future__ import annotations

import warnings

from purebpf.elf import SHN_UNDEF
from purebpf.errors import BtfError
from purebpf.spec.maps import BTF_SECTION
from purebpf.spec.sections import is_struct_ops_section

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Final

    from purebpf.elf import ElfFile

EXT_SECTION: Final = ".BTF.ext"
# Of the header of .BTF.ext: where its length stands, and the length of the CO-RE records, which older ones lack.
_HEADER_LENGTH_AT: Final = 4
_CORE_LENGTH_AT: Final = 28


def warn_or_raise(elf: ElfFile, error: BtfError, section: str) -> None:
    """Raise `error`, which `section` is damaged by, if it is needed; else warn that the object goes on without it."""
    if is_needed(elf, section):
        raise error
    without = "source lines" if section == EXT_SECTION else "types and source lines"
    warnings.warn(
        f"{error}; section '{section}' is ignored, for nothing in the file needs it: the kernel is told no {without}",
        RuntimeWarning,
        stacklevel=2,
    )


def is_needed(elf: ElfFile, section: str) -> bool:
    """Whether the object cannot be loaded as its author meant it without its .BTF, or without its .BTF.ext alone."""
    return (
        any(found.name == BTF_SECTION or is_struct_ops_section(found.name) for found in elf.sections)
        or (section != EXT_SECTION and any(symbol.section == SHN_UNDEF and symbol.name for symbol in elf.symbols))
        or _has_core_records(elf)
    )


def _has_core_records(elf: ElfFile) -> bool:
    """As far as a damaged header tells."""
    section = elf.section(EXT_SECTION)
    if section is None or len(section.data) < _CORE_LENGTH_AT + 4:
        return False
    header, core = (
        int.from_bytes(section.data[at : at + 4], elf.byteorder) for at in (_HEADER_LENGTH_AT, _CORE_LENGTH_AT)
    )
    return header >= _CORE_LENGTH_AT + 4 and core > 0
