"""ELF: what is written is read back; damage gives an ElfError or a value, soon."""

import io
from pathlib import Path

from elftools.elf.elffile import ELFFile
from hypothesis import given
from hypothesis import strategies as st

from purebpf.elf import ElfFile, SectionType, read_elf
from purebpf.errors import ElfError
from purebpf.testing import ElfContents, damaged, elf_contents, elf_files
from tests.property.bounded import bounded

BUILT = [path.read_bytes() for path in sorted((Path(__file__).parents[2] / "bpf" / "built").rglob("*.o"))]


def look_at_everything(elf: ElfFile) -> int:
    """Follow every reference of a file; the result is how many there were."""
    count = 0
    for target, relocations in elf.relocations.items():
        section = elf.sections[target]
        for relocation in relocations:
            assert relocation.offset < section.size
            assert elf.symbols[relocation.symbol].index == relocation.symbol
            count += 1
    for symbol in elf.symbols:
        assert symbol.section in (0xFFF1, 0xFFF2) or elf.sections[symbol.section].index == symbol.section
        count += 1
    return count


@given(elf_contents())
def test_what_is_written_is_read_back(contents: ElfContents) -> None:
    elf = read_elf(contents.build())
    assert (elf.byteorder, elf.machine, elf.flags, elf.type) == (
        contents.byteorder,
        contents.machine,
        contents.flags,
        1,
    )
    for written in contents.sections:
        found = elf.sections[written.index]
        placed = {name: getattr(written, name) for name in written.__slots__ if name != "offset"}
        assert {name: getattr(found, name) for name in placed} == placed
    assert elf.symbols[1:] == contents.symbols
    assert elf.relocations == contents.relocations


@given(elf_files())
def test_pyelftools_finds_the_same_sections_and_symbols(data: bytes) -> None:
    elf, other = read_elf(data), ELFFile(io.BytesIO(data))
    assert [section.name for section in elf.sections] == [section.name for section in other.iter_sections()]
    (table,) = [section for section in other.iter_sections() if section["sh_type"] == "SHT_SYMTAB"]
    assert [symbol.name for symbol in elf.symbols] == [symbol.name for symbol in table.iter_symbols()]


@given(damaged(elf_files()))
def test_damaged_files_are_refused_or_read(data: bytes) -> None:
    with bounded(5):
        try:
            elf = read_elf(data)
        except ElfError:
            return
        look_at_everything(elf)
        total = sum(len(section.data) for section in elf.sections)
        assert total <= 4 * len(data)


@given(damaged(st.sampled_from(BUILT)))
def test_damaged_files_of_clang_are_refused_or_read(data: bytes) -> None:
    with bounded(5):
        try:
            elf = read_elf(data)
        except ElfError:
            return
        look_at_everything(elf)


@given(st.binary(max_size=256))
def test_any_bytes_behind_the_magic_are_refused_or_read(data: bytes) -> None:
    for identification in (b"\x7fELF\2\1\1", b"\x7fELF\2\2\1"):
        with bounded(5):
            try:
                elf = read_elf(identification + data)
            except ElfError:
                continue
            look_at_everything(elf)


@given(elf_files(), st.data())
def test_any_part_cut_out_of_a_file_is_refused_or_read(data: bytes, draw: st.DataObject) -> None:
    start = draw.draw(st.integers(0, len(data)))
    end = draw.draw(st.integers(start, len(data)))
    try:
        elf = read_elf(data[:start] + data[end:])
    except ElfError:
        return
    look_at_everything(elf)


def test_undamaged_objects_of_clang_have_references_to_follow() -> None:
    assert sum(look_at_everything(read_elf(data)) for data in BUILT) > 500
    assert any(section.type == SectionType.REL for data in BUILT for section in read_elf(data).sections)
