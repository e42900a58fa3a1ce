"""Sections of one name become one, the files' parts behind one another.

Rules: a part begins where the strictest alignment so far allows (as bpftool has it, so that maps of data have the
same size), code at whole instructions. `license` and `version` say something of
the whole object: they stand in it once, and files that disagree are not linked. Debug sections, tables of symbols
and strings and LLVM's own notes are left out; types and what they say of code are merged elsewhere.
"""

from __future__ import annotations

from purebpf.elf import SHF_EXECINSTR, Section, SectionType
from purebpf.errors import SpecError
from purebpf.frozen import Mutable, field
from purebpf.linker.inputs import Input, clash

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

ONLY_ONCE = ("license", "version")
_LEFT_OUT = (".strtab", ".shstrtab", ".symtab", ".llvm_addrsig", ".BTF", ".BTF.ext")
_LEFT_OUT_PREFIXES = (".debug_", ".rel.", ".rela.", ".note")
_TAKEN_TYPES = (SectionType.PROGBITS, SectionType.NOBITS)
_INSN_SIZE = 8
_SIZE_LIMIT = 1 << 31


class OutputSection(Mutable):
    """A section in the making; `size` counts for NOBITS too, which have no `data`."""

    # By identity: two that are alike are two.
    __eq__ = object.__eq__
    __hash__ = object.__hash__

    name: str
    type: int
    flags: int
    entry_size: int
    alignment: int
    first: Input
    size: int = 0
    data: bytearray = field(default_factory=bytearray)

    @property
    def executable(self) -> bool:
        return bool(self.flags & SHF_EXECINSTR)

    def append(self, part: Section) -> int:
        """Put a part behind the others; give the offset at which it begins."""
        self.alignment = max(self.alignment, part.alignment, _INSN_SIZE if self.executable else 1)
        begin = -(-self.size // self.alignment) * self.alignment
        if self.type == SectionType.PROGBITS:
            self.data += bytes(begin - self.size) + part.data
        self.size = begin + part.size
        return begin


class Layout(Mutable):
    """The output's sections in their order, and where each part of each file went.

    A section that is in no `places` was left out, and so is what stands in it.
    """

    sections: dict[str, OutputSection] = field(default_factory=dict)
    places: dict[tuple[int, int], tuple[OutputSection, int]] = field(default_factory=dict)

    def place(self, file: Input, section: int) -> tuple[OutputSection, int] | None:
        """The output section of a file's section, and the offset in it."""
        return self.places.get((file.number, section))


def lay_out(files: Iterable[Input]) -> Layout:
    """Merge the sections of all files."""
    layout = Layout()
    for file in files:
        for section in file.elf.sections:
            if _taken(section):
                _add(layout, file, section)
    return layout


def _taken(section: Section) -> bool:
    if section.type not in _TAKEN_TYPES or section.name in _LEFT_OUT or section.name.startswith(_LEFT_OUT_PREFIXES):
        return False
    # Compilers write an empty .text into every object.
    return not (section.name == ".text" and not section.size)


def _add(layout: Layout, file: Input, section: Section) -> None:
    if section.alignment & (section.alignment - 1):
        raise SpecError(f"alignment {section.alignment} is no power of two", file=file.name, section=section.name)
    found = layout.sections.get(section.name)
    if found is None:
        found = layout.sections[section.name] = OutputSection(
            section.name, section.type, section.flags, section.entry_size, 1, file
        )
    elif (found.type, found.flags, found.entry_size) != (section.type, section.flags, section.entry_size):
        raise clash(
            "sections of one name differ in kind "
            f"(type {found.type}, flags {found.flags:#x}; type {section.type}, flags {section.flags:#x})",
            found.first,
            file,
            section=section.name,
        )
    elif section.name in ONLY_ONCE:
        if found.data != section.data:
            raise clash(
                f"the {section.name} differs ({_shown(found.data)} and {_shown(section.data)})",
                found.first,
                file,
                remedy="all of one object has the same",
                section=section.name,
            )
        return
    if found.size + section.size + section.alignment > _SIZE_LIMIT:
        raise SpecError("the linked section would exceed 2 GiB", file=file.name, section=section.name)
    layout.places[file.number, section.index] = found, found.append(section)


def _shown(data: bytes | bytearray) -> str:
    return repr(bytes(data).split(b"\0", 1)[0].decode("utf-8", "replace")) if data else "''"
