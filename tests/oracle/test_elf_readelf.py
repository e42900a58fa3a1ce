"""What `read_elf` finds against binutils' readelf -SsrW, on every checked-in or shipped object of the corpus."""

import re
import subprocess
from collections.abc import Iterator

import pytest

from purebpf.elf import ElfFile, SectionType, SymbolBinding, SymbolType, SymbolVisibility, read_elf
from tests.oracle.corpus import Origin, built, shipped

ORIGINS = (*built(), *shipped())
SECTION = re.compile(
    r"\[ *(\d+)\] (.*?) +([A-Z]\S*) +([0-9a-f]{16}) ([0-9a-f]{6,}) ([0-9a-f]{6,}) ([0-9a-f]{2,}) +([A-Za-z]*) +"
    r"(\d+) +(\d+) +(\d+)$"
)
SYMBOL = re.compile(r" *(\d+): ([0-9a-f]{16}) +(\d+|0x[0-9a-f]+) (\S+) +(\S+) +(\S+) +(\S+) ?(.*)$")
RELOCATION = re.compile(r"([0-9a-f]{16}) +([0-9a-f]{16}) ")
KINDS = {"NOTYPE": 0, "OBJECT": 1, "FUNC": 2, "SECTION": 3, "FILE": 4}
SECTION_KINDS = {"NULL": 0, "PROGBITS": 1, "SYMTAB": 2, "STRTAB": 3, "RELA": 4, "NOBITS": 8, "REL": 9}
PLACES = {"UND": 0, "ABS": 0xFFF1, "COM": 0xFFF2}


def readelf(path: object, *options: str) -> list[str]:
    command = ["readelf", "-W", *options, str(path)]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()


def sections(lines: list[str]) -> Iterator[tuple[object, ...]]:
    for line in lines:
        if match := SECTION.match(line.strip()):
            index, name, kind, address, offset, size, entry_size, flags, link, info, alignment = match.groups()
            numbers = (int(address, 16), int(offset, 16), int(size, 16), int(entry_size, 16))
            yield (
                int(index),
                name,
                SECTION_KINDS.get(kind),
                *numbers,
                "X" in flags,
                int(link),
                int(info),
                int(alignment),
            )


def my_sections(elf: ElfFile) -> Iterator[tuple[object, ...]]:
    for s in elf.sections[1:]:
        kind = int(s.type) if s.type in SECTION_KINDS.values() else None
        numbers = (s.address, s.offset, s.size, s.entry_size)
        yield s.index, s.name, kind, *numbers, s.executable, s.link, s.info, s.alignment


def symbols(lines: list[str]) -> Iterator[tuple[object, ...]]:
    for line in lines:
        if match := SYMBOL.match(line):
            index, value, size, kind, binding, visibility, place, name = match.groups()
            where = PLACES[place] if place in PLACES else int(place)
            yield int(index), int(value, 16), int(size, 0), KINDS[kind], binding, visibility, where, name


def my_symbols(elf: ElfFile) -> Iterator[tuple[object, ...]]:
    for s in elf.symbols:
        # readelf shows the section's name for a section symbol, which has none of its own.
        name = elf.sections[s.section].name if s.type == SymbolType.SECTION and not s.name else s.name
        words = SymbolBinding(s.binding).name, SymbolVisibility(s.visibility).name
        yield s.index, s.value, s.size, int(s.type), *words, s.section, name


def relocations(lines: list[str]) -> list[tuple[int, int]]:
    return [(int(m[1], 16), int(m[2], 16)) for line in lines if (m := RELOCATION.match(line))]


def my_relocations(elf: ElfFile) -> list[tuple[int, int]]:
    tables = [s for s in elf.sections if s.type in (SectionType.REL, SectionType.RELA)]
    return [(r.offset, r.symbol << 32 | r.type) for table in tables for r in elf.relocations.get(table.info, ())]


@pytest.mark.parametrize("origin", ORIGINS, ids=lambda origin: origin.name)
def test_sections_symbols_and_relocations_are_those_readelf_shows(origin: Origin) -> None:
    for path in origin.objects():
        elf = read_elf(path)
        assert list(my_sections(elf)) == list(sections(readelf(path, "-S")))[1:]
        assert list(my_symbols(elf)) == list(symbols(readelf(path, "-s")))
        assert my_relocations(elf) == relocations(readelf(path, "-r"))


def test_the_objects_compared_have_something_to_compare() -> None:
    files = [read_elf(path) for origin in ORIGINS for path in origin.objects()]
    assert len(files) > 100
    assert sum(len(my_relocations(elf)) for elf in files) > 10_000
