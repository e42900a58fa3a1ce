"""Arenas: memory that programs and a process share, and the global variables in it.

Rules, as libbpf has them:

- variables of address space 1 stand in section `.addr_space.1`; they live in the object's arena, which is a map of
  its own in `.maps`;
- an object has one arena at most, for nothing in the file says which one a variable would be in;
- the section is the image of the variables (`contents` of the arena), and offsets of variables count from its start;
  where the image lies in the arena depends on the kernel (`purebpf.plan.arena`).
"""

from __future__ import annotations

from purebpf.elf import ElfFile, Section, SectionType
from purebpf.errors import SpecError
from purebpf.frozen import replace
from purebpf.spec.sections import ARENA_SECTION
from purebpf.uapi import MapType

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from purebpf.spec.model import MapSpec


def arena_data(elf: ElfFile, maps: Sequence[MapSpec]) -> tuple[Section, MapSpec] | None:
    """The section of variables and the arena with their image; None in an object without such variables."""
    arenas = [found for found in maps if found.type == MapType.ARENA]
    if len(arenas) > 1:
        reason = f"maps '{arenas[0].name}' and '{arenas[1].name}' are both arenas: an object may have one"
        raise SpecError(reason, file=elf.name, section=arenas[1].section)
    section = elf.section(ARENA_SECTION)
    if section is None or not section.size or section.type != SectionType.PROGBITS:
        return None
    if not arenas:
        reason = "variables of an arena, but no map of type arena in .maps for them to be in"
        raise SpecError(reason, file=elf.name, section=section.name)
    return section, replace(arenas[0], contents=section.data)
