"""What ELF calls its numbers, for messages and listings: EM_X86_64 for 62, SHT_REL for 9.

The names come from pyelftools. It takes 40 to 60 ms to import (it brings `construct` and `pdb`), a hundred
times what loading a small object may cost, so it is imported by the first call and reading a sound file
never makes one.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping


def machine_name(machine: int) -> str:
    """Name of an e_machine value, such as 'EM_BPF', or the number where it has none."""
    from elftools.elf.enums import ENUM_E_MACHINE

    return _name(ENUM_E_MACHINE, machine)


def file_type_name(file_type: int) -> str:
    """Name of an e_type value, such as 'ET_REL', or the number where it has none."""
    from elftools.elf.enums import ENUM_E_TYPE

    return _name(ENUM_E_TYPE, file_type)


def section_type_name(section_type: int) -> str:
    """Name of an sh_type value, such as 'SHT_PROGBITS', or the number where it has none."""
    from elftools.elf.enums import ENUM_SH_TYPE_BASE

    return _name(ENUM_SH_TYPE_BASE, section_type)


def _name(names: Mapping[str, int], number: int) -> str:
    return next((name for name, value in names.items() if value == number), f"{number:#x}")
