"""`ElfWriter`: what it writes is read back, and wrong arguments are refused at once."""

import io
from collections.abc import Callable

import pytest
from elftools.elf.elffile import ELFFile

from purebpf.elf import SHN_ABS, ElfWriter, SectionType, SymbolBinding, SymbolType, read_elf
from purebpf.elf.writer import MAX_ALIGNMENT
from purebpf.units import ByteOrder


def test_section_indices_are_those_of_the_file() -> None:
    writer = ElfWriter()
    indices = [writer.add_section(name, name.encode()) for name in ("one", "two", "three")]
    elf = read_elf(writer.build())
    assert [elf.sections[index].data for index in indices] == [b"one", b"two", b"three"]


def test_sections_stand_at_multiples_of_their_alignment() -> None:
    writer = ElfWriter()
    writer.add_section("odd", b"x")
    for exponent in range(13):
        writer.add_section("aligned", b"x", alignment=1 << exponent)
    sections = read_elf(writer.build()).sections
    assert all(section.offset % section.alignment == 0 for section in sections[1:])
    ends = [section.offset + section.size for section in sections[1:]]
    assert all(end <= after.offset for end, after in zip(ends, sections[2:], strict=False))


def test_section_headers_are_aligned_whatever_stands_before_them() -> None:
    for length in range(1, 9):
        writer = ElfWriter()
        writer.add_section("x" * length)
        assert int.from_bytes(writer.build()[40:48], "little") % 8 == 0


def test_a_count_that_reaches_the_reserved_numbers_stands_in_the_null_section() -> None:
    writer = ElfWriter()
    for _ in range(0xFF00 - 3):
        writer.add_section("s")
    data = writer.build()
    assert data[60:64] == b"\0\0\xff\xff"
    assert len(read_elf(data).sections) == 0xFF00


def test_local_symbols_come_first_and_relocations_follow_them() -> None:
    writer = ElfWriter()
    text = writer.add_section(".text", bytes(16))
    handles = {
        name: writer.add_symbol(name, section=text, binding=binding)
        for name, binding in [("g1", SymbolBinding.GLOBAL), ("l1", 0), ("w", SymbolBinding.WEAK), ("l2", 0)]
    }
    for name in ("l2", "g1", "w", "l1"):
        writer.add_relocation(text, 8, handles[name], 1)
    elf = read_elf(writer.build())
    assert [symbol.name for symbol in elf.symbols] == ["", "l1", "l2", "g1", "w"]
    assert [elf.symbols[entry.symbol].name for entry in elf.relocations[text]] == ["l2", "g1", "w", "l1"]
    table = elf.section(".symtab")
    assert table is not None
    assert table.info == 3


def test_equal_names_stand_once_in_the_string_table() -> None:
    writer = ElfWriter()
    text = writer.add_section("shared")
    for _ in range(3):
        writer.add_symbol("shared", section=text)
    strings = read_elf(writer.build()).section(".strtab")
    assert strings is not None
    assert strings.data.count(b"shared") == 1


def test_building_again_includes_what_was_added_since() -> None:
    writer = ElfWriter()
    writer.add_section("first")
    first = writer.build()
    assert writer.build() == first
    second = writer.add_section("second")
    writer.add_relocation(writer.add_section("third", bytes(4)), 0, writer.add_symbol("s", section=second), 1)
    elf = read_elf(writer.build())
    assert elf.sections[second].name == "second"
    assert elf.section(".relthird") is not None


@pytest.mark.parametrize("byteorder", ["little", "big"])
def test_pyelftools_reads_what_was_written(byteorder: ByteOrder) -> None:
    writer = ElfWriter(byteorder, flags=3)
    text = writer.add_section("xdp", bytes(24), flags=6, alignment=8)
    function = writer.add_symbol("pass", section=text, size=24, type=SymbolType.FUNC)
    constant = writer.add_symbol("constant", section=SHN_ABS, value=2**64 - 1)
    writer.add_relocation(text, 8, function, 10)
    data = writer.add_section(".data", bytes(8))
    writer.add_relocation(data, 0, constant, 2, addend=-(2**63))
    elf = ELFFile(io.BytesIO(writer.build()))
    assert (elf.little_endian, elf["e_machine"], elf["e_type"], elf["e_flags"]) == (
        *(byteorder == "little", "EM_BPF", "ET_REL", 3),
    )
    symbols = elf.get_section_by_name(".symtab")
    assert [(symbol.name, symbol["st_shndx"], symbol["st_value"]) for symbol in symbols.iter_symbols()] == [
        *[("", "SHN_UNDEF", 0), ("pass", 1, 0), ("constant", "SHN_ABS", 2**64 - 1)]
    ]
    (plain,) = elf.get_section_by_name(".relxdp").iter_relocations()
    assert (plain["r_offset"], plain["r_info_type"], plain["r_info_sym"]) == (8, 10, 1)
    (with_addend,) = elf.get_section_by_name(".rela.data").iter_relocations()
    assert (with_addend["r_info_sym"], with_addend["r_addend"]) == (2, -(2**63))


def relocate(writer: ElfWriter, offset: int = 0, symbol: int = 0, addend: int | None = None) -> None:
    writer.add_relocation(1, offset, symbol, 1, addend)


@pytest.mark.parametrize(
    ("mistake", "reason"),
    [
        (lambda w: w.add_section("a\0b"), "NUL"),
        (lambda w: w.add_section("\ud800"), "surrogates"),
        (lambda w: w.add_section("s", alignment=3), "no power of two"),
        (lambda w: w.add_section("s", alignment=2 * MAX_ALIGNMENT), "no power of two up to"),
        (lambda w: w.add_section("s", flags=1 << 64), "flags"),
        (lambda w: w.add_section("s", type=SectionType.NOBITS), "NOBITS"),
        (lambda w: w.add_section("s", b"x", type=SectionType.NOBITS, size=1), "NOBITS"),
        (lambda w: w.add_section("s", b"x", size=1), "NOBITS"),
        (lambda w: w.add_section("s", type=SectionType.SYMTAB), "itself"),
        (lambda w: w.add_section("s", type=SectionType.RELA), "itself"),
        (lambda w: w.add_symbol("s", section=2), "no section 2"),
        (lambda w: w.add_symbol("s", value=-1), "value -1"),
        (lambda w: w.add_symbol("s", visibility=4), "visibility 4"),
        (lambda w: w.add_symbol("s\0"), "NUL"),
        (lambda w: w.add_relocation(2, 0, 0, 1), "no section 2"),
        (lambda w: w.add_relocation(0, 0, 0, 1), "no section 0"),
        (lambda w: relocate(w, offset=8), "outside section 'code'"),
        (lambda w: relocate(w, symbol=1), "no symbol of handle 1"),
        (lambda w: relocate(w, addend=1 << 63), "addend"),
        (lambda w: (relocate(w), relocate(w, addend=0)), "both REL and RELA"),
        (lambda w: (w.add_section("s", link=9), w.build()), "links to section 9"),
        (lambda w: ElfWriter(machine=1 << 16), "machine 65536"),
    ],
)
def test_wrong_arguments_are_value_errors(mistake: Callable[[ElfWriter], object], reason: str) -> None:
    writer = ElfWriter()
    writer.add_section("code", bytes(8))
    with pytest.raises(ValueError, match=reason):
        mistake(writer)


def test_a_relocation_that_was_refused_leaves_nothing_behind() -> None:
    writer = ElfWriter()
    writer.add_section("code", bytes(8))
    with pytest.raises(ValueError, match="type"):
        writer.add_relocation(1, 0, 0, 1 << 32)
    assert read_elf(writer.build()).section(".relcode") is None
