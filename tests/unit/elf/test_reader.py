"""What `read_elf` makes of sound files, of damaged ones and of hostile ones."""

import io
import os
import struct
import threading
import time
from pathlib import Path

import pytest
from elftools.elf.elffile import ELFFile
from elftools.elf.relocation import RelocationSection
from elftools.elf.sections import SymbolTableSection

from purebpf.elf import (
    SHF_ALLOC,
    SHF_EXECINSTR,
    SHF_WRITE,
    ElfFile,
    ElfWriter,
    Section,
    SectionType,
    Symbol,
    SymbolBinding,
    SymbolType,
    read_elf,
)
from purebpf.errors import ElfError, ObjectFileError
from purebpf.units import ByteOrder

BUILT = sorted((Path(__file__).parents[3] / "bpf" / "built").rglob("*.o"))

HEADER = {"e_type": (16, "H"), "e_machine": (18, "H"), "e_version": (20, "I"), "e_shoff": (40, "Q")}
HEADER |= {"e_shentsize": (58, "H"), "e_shnum": (60, "H"), "e_shstrndx": (62, "H")}
SECTION = {"sh_name": (0, "I"), "sh_type": (4, "I"), "sh_flags": (8, "Q"), "sh_offset": (24, "Q"), "sh_size": (32, "Q")}
SECTION |= {"sh_link": (40, "I"), "sh_info": (44, "I"), "sh_entsize": (56, "Q")}


def example(byteorder: ByteOrder = "little") -> bytes:
    """An object with one of everything: .text, .bss, .data, a REL and a RELA section, symbols of each binding."""
    writer = ElfWriter(byteorder)
    text = writer.add_section(".text", bytes(range(32)), flags=SHF_ALLOC | SHF_EXECINSTR, alignment=8)
    bss = writer.add_section(".bss", type=SectionType.NOBITS, size=1 << 40, flags=SHF_ALLOC | SHF_WRITE, alignment=8)
    data = writer.add_section(".data", b"x" * 16, flags=SHF_ALLOC | SHF_WRITE, alignment=4)
    function = writer.add_symbol("run", section=text, size=32, type=SymbolType.FUNC)
    counter = writer.add_symbol("counter", section=bss, value=8, size=4, type=SymbolType.OBJECT)
    local = writer.add_symbol("", section=data, type=SymbolType.SECTION, binding=SymbolBinding.LOCAL)
    writer.add_symbol("later", binding=SymbolBinding.WEAK, visibility=2)
    writer.add_relocation(text, 8, counter, 1)
    writer.add_relocation(text, 16, local, 10)
    writer.add_relocation(data, 0, function, 2, addend=-8)
    return writer.build()


def patched(data: bytes, field: str, value: int, section: str | None = None) -> bytes:
    """A little-endian file with one field of its header, or of a section's header, replaced."""
    offset, code = HEADER[field] if section is None else SECTION[field]
    if section is not None:
        found = read_elf(data).section(section)
        assert found is not None
        offset += struct.unpack_from("<Q", data, 40)[0] + 64 * found.index
    damaged = bytearray(data)
    struct.pack_into(f"<{code}", damaged, offset, value)
    return bytes(damaged)


def overwritten(data: bytes, section: str, offset: int, new: bytes) -> bytes:
    """The file with some bytes of a section replaced."""
    found = read_elf(data).section(section)
    assert found is not None
    start = found.offset + offset
    return data[:start] + new + data[start + len(new) :]


def refusal(data: bytes) -> ElfError:
    """The error that reading gives."""
    with pytest.raises(ElfError) as caught:
        read_elf(data, name="x.o")
    assert caught.value.file == "x.o"
    return caught.value


def without_name(elf: ElfFile) -> tuple[object, ...]:
    return elf.sections, elf.symbols, elf.relocations, elf.machine, elf.byteorder


@pytest.mark.parametrize("byteorder", ["little", "big"])
def test_every_field_is_read_in_both_byte_orders(byteorder: ByteOrder) -> None:
    elf = read_elf(example(byteorder))
    assert (elf.byteorder, elf.machine, elf.type, elf.name) == (byteorder, 247, 1, "<bytes>")
    assert [section.name for section in elf.sections] == [
        *["", ".text", ".bss", ".data", ".rel.text", ".rela.data", ".symtab", ".strtab"]
    ]
    text, bss, data = elf.sections[1:4]
    assert (text.data, text.alignment, text.executable) == (bytes(range(32)), 8, True)
    assert (bss.data, bss.size, bss.type, bss.executable) == (b"", 1 << 40, SectionType.NOBITS, False)
    assert (data.data, data.flags) == (b"x" * 16, SHF_ALLOC | SHF_WRITE)
    assert elf.symbols == (
        Symbol(0, "", 0, 0, 0, 0, 0, 0),
        Symbol(1, "", 0, 0, SymbolType.SECTION, SymbolBinding.LOCAL, 0, 3),
        Symbol(2, "run", 0, 32, SymbolType.FUNC, SymbolBinding.GLOBAL, 0, 1),
        Symbol(3, "counter", 8, 4, SymbolType.OBJECT, SymbolBinding.GLOBAL, 0, 2),
        Symbol(4, "later", 0, 0, SymbolType.NOTYPE, SymbolBinding.WEAK, 2, 0),
    )
    found = {
        target: [(r.offset, r.type, r.symbol, r.addend) for r in relocations]
        for target, relocations in elf.relocations.items()
    }
    assert found == {1: [(8, 1, 3, None), (16, 10, 1, None)], 3: [(0, 2, 2, -8)]}
    assert elf.section(".bss") is bss
    assert elf.section(".none") is None


def test_values_read_from_a_file_are_frozen_values_of_the_model() -> None:
    elf = read_elf(example())
    section = Section(3, ".data", 1, 3, elf.sections[3].offset, 16, 0, 0, 0, 4, 0, b"x" * 16)
    assert type(elf.sections[3]) is Section
    assert elf.sections[3] == section
    assert hash(elf.sections[3]) == hash(section)
    assert hash(elf.symbols[2]) == hash(Symbol(2, "run", 0, 32, 2, 1, 0, 1))
    with pytest.raises(AttributeError):
        elf.sections[3].name = "other"  # type: ignore[misc]
    with pytest.raises(AttributeError):
        elf.symbols[2].name = "other"  # type: ignore[misc]


def test_every_kind_of_source_gives_the_same_file(tmp_path: Path) -> None:
    data = example()
    path = tmp_path / "example.o"
    path.write_bytes(data)
    expected = without_name(read_elf(data))
    for source in (str(path), path, bytearray(data), memoryview(data), io.BytesIO(data)):
        assert without_name(read_elf(source)) == expected
    with path.open("rb") as file:
        elf = read_elf(file)
    assert without_name(elf) == expected
    assert elf.name == str(path)
    assert read_elf(path).name == str(path)
    assert read_elf(path, name="label").name == "label"
    assert read_elf(io.BytesIO(data)).name == "<file>"


def test_a_file_is_read_from_where_it_stands() -> None:
    file = io.BytesIO(b"prefix" + example())
    file.seek(6)
    assert read_elf(file).machine == 247


def test_a_stream_without_an_end_and_an_absurdly_large_file_are_refused_before_memory_is_full(tmp_path: Path) -> None:
    with pytest.raises(ObjectFileError, match="'/dev/zero': no file, but a stream of more than 64 MB"):
        read_elf("/dev/zero")
    sparse = tmp_path / "sparse.o"
    with sparse.open("wb") as file:
        file.truncate(1 << 33)
    with pytest.raises(ObjectFileError, match=r"sparse\.o': a file of 8589934592 bytes, where 1024 MB are the most"):
        read_elf(sparse)


def test_a_pipe_is_read_to_its_end(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe.o"
    os.mkfifo(pipe)
    data = ElfWriter().build()
    writer = threading.Thread(target=pipe.write_bytes, args=(data,))
    writer.start()
    try:
        assert read_elf(pipe).sections == read_elf(data).sections
    finally:
        writer.join(10)


def test_sources_of_the_wrong_kind_are_the_callers_mistake(tmp_path: Path) -> None:
    with pytest.raises(TypeError, match="not int"):
        read_elf(5)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="binary mode"):
        read_elf(io.StringIO("text"))  # type: ignore[arg-type]
    with pytest.raises(FileNotFoundError):
        read_elf(tmp_path / "missing.o")


def test_machines_other_than_bpf_are_refused_by_name() -> None:
    error = refusal(patched(example(), "e_machine", 62))
    assert "EM_X86_64" in str(error)
    assert error.offset == 18
    assert read_elf(patched(example(), "e_machine", 0)).machine == 0
    assert read_elf(patched(example(), "e_machine", 62), machines=None).machine == 62


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda data: b"", "it is empty"),
        (lambda data: b"#!/bin/sh\n" + bytes(100), "no ELF file"),
        (lambda data: data[:63], "cut off: 63 bytes"),
        (lambda data: data[:4] + b"\1" + data[5:], "32-bit"),
        (lambda data: data[:4] + b"\7" + data[5:], "unknown ELF class 7"),
        (lambda data: data[:5] + b"\3" + data[6:], "unknown byte order 3"),
        (lambda data: data[:6] + b"\0" + data[7:], "ELF version 0"),
        (lambda data: patched(data, "e_version", 2), "ELF version 2"),
        (lambda data: patched(data, "e_shentsize", 40), "section headers of 40 bytes"),
        (lambda data: patched(data, "e_shoff", len(data) - 63), "section headers"),
        (lambda data: patched(data, "e_shoff", 2**64 - 64), "section headers"),
        (lambda data: patched(data, "e_shoff", 0), "no section headers"),
        (lambda data: patched(data, "e_shnum", 9), "9 section headers"),
        (lambda data: patched(patched(data, "e_shoff", len(data) - 63), "e_shnum", 0), "are missing"),
        (lambda data: patched(patched(data, "e_shoff", len(data) - 63), "e_shstrndx", 0xFFFF), "are missing"),
        (lambda data: patched(data, "e_shstrndx", 8), "section names in section 8, of 8"),
        (lambda data: patched(data, "e_shstrndx", 0xFFFE), "section names in section 65534"),
        (lambda data: patched(data, "e_shstrndx", 1), "is no string table"),
    ],
)
def test_damage_of_the_header_is_refused_with_its_reason(change, reason: str) -> None:  # type: ignore[no-untyped-def]
    error = refusal(change(example()))
    assert reason in str(error)
    assert error.offset is not None


@pytest.mark.parametrize(
    ("section", "field", "value", "reason"),
    [
        (".data", "sh_size", 2**64 - 1, "reach past the file's end"),
        (".data", "sh_offset", 2**64 - 1, "reach past the file's end"),
        (".data", "sh_name", 2**32 - 1, "past the table's"),
        (".strtab", "sh_size", 2**63, "reach past the file's end"),
        (".data", "sh_link", 8, "sh_link names section 8, of 8"),
        (".symtab", "sh_link", 3, "is no string table"),
        (".symtab", "sh_entsize", 0, "entries of 0 bytes, not 24"),
        (".symtab", "sh_size", 100, "fewer than 24 bytes"),
        (".rel.text", "sh_link", 7, "is not the symbol table"),
        (".rel.text", "sh_info", 0, "applies to section 0, of 8"),
        (".rel.text", "sh_info", 8, "applies to section 8, of 8"),
        (".rel.text", "sh_entsize", 24, "entries of 24 bytes, not 16"),
        (".rela.data", "sh_size", 20, "fewer than 24 bytes"),
        (".text", "sh_size", 16, "a relocation at 0x10"),
        (".data", "sh_flags", 0x803, "compressed"),
        (".data", "sh_type", 2, "a second symbol table"),
    ],
)
def test_damage_of_a_section_header_is_refused_with_the_sections_name(
    section: str, field: str, value: int, reason: str
) -> None:
    error = refusal(patched(example(), field, value, section))
    assert reason in str(error)
    assert error.section is not None


@pytest.mark.parametrize(("offset", "symbol"), [(64, 1), (8, 99)])
def test_relocations_that_do_not_fit_a_section_that_is_not_loaded_are_left_out(offset: int, symbol: int) -> None:
    def file(flags: int) -> bytes:
        writer = ElfWriter()
        section = writer.add_section(".debug_str_offsets", bytes(16), flags=flags)
        writer.add_relocation(section, 8, writer.add_symbol("text", section=section), 1)
        data = bytearray(writer.build())
        assert read_elf(bytes(data)).relocations
        (table,) = (found for found in read_elf(bytes(data)).sections if found.name == ".rel.debug_str_offsets")
        data[table.offset : table.offset + 16] = struct.pack("<QQ", offset, symbol << 32 | 1)
        return bytes(data)

    assert not read_elf(file(0)).relocations
    assert refusal(file(SHF_ALLOC)).section == ".rel.debug_str_offsets"


def test_a_section_that_is_cut_off_tells_the_first_byte_missing() -> None:
    data = example()
    text = read_elf(data).sections[1]
    error = refusal(patched(data, "sh_size", len(data), ".text"))
    assert (error.section, error.offset) == (".text", len(data) - text.offset)


def test_section_names_that_are_cut_off_are_told_by_the_number_of_their_section() -> None:
    error = refusal(patched(example(), "sh_offset", 2**40, ".strtab"))
    assert (error.section, error.offset) == ("#7", 0)
    assert "reach past the file's end" in str(error)


def test_names_that_are_damaged_are_refused_at_their_place() -> None:
    data = example()
    strings = read_elf(data).section(".strtab")
    assert strings is not None
    unended = refusal(overwritten(data, ".strtab", strings.size - 1, b"x"))
    assert "that no NUL byte ends" in str(unended)
    at = strings.data.index(b"counter")
    foreign = refusal(overwritten(data, ".strtab", at + 2, b"\xff"))
    assert "not UTF-8" in str(foreign)
    assert (foreign.section, foreign.offset) == (".strtab", at + 2)


def test_symbols_and_relocations_that_refer_to_nothing_are_refused_at_their_place() -> None:
    data = example()
    symbol = refusal(overwritten(data, ".symtab", 24 * 2 + 6, struct.pack("<H", 8)))
    assert (symbol.section, symbol.offset) == (".symtab", 48)
    assert "a symbol in section 0x8, of 8" in str(symbol)
    reserved = refusal(overwritten(data, ".symtab", 24 * 2 + 6, struct.pack("<H", 0xFF20)))
    assert "a symbol in section 0xff20" in str(reserved)
    extended = refusal(overwritten(data, ".symtab", 24 * 2 + 6, struct.pack("<H", 0xFFFF)))
    assert "extended section index" in str(extended)
    by_symbol = refusal(overwritten(data, ".rel.text", 16 + 12, struct.pack("<I", 5)))
    assert (by_symbol.section, by_symbol.offset) == (".rel.text", 16)
    assert "by symbol 5, of 5" in str(by_symbol)
    with_addend = refusal(overwritten(data, ".rela.data", 0, struct.pack("<Q", 16)))
    assert (with_addend.section, with_addend.offset) == (".rela.data", 0)


def test_absolute_and_common_symbols_keep_their_section() -> None:
    writer = ElfWriter()
    writer.add_symbol("absolute", section=0xFFF1, value=7)
    writer.add_symbol("common", section=0xFFF2, value=8, size=16)
    assert [symbol.section for symbol in read_elf(writer.build()).symbols] == [0, 0xFFF1, 0xFFF2]


def test_a_file_without_sections_or_without_names_is_a_value() -> None:
    bare = patched(example(), "e_shstrndx", 0)
    assert {section.name for section in read_elf(bare).sections} == {""}
    header = bytearray(example()[:64])
    header[40:48] = bytes(8)
    header[60:64] = bytes(4)
    elf = read_elf(bytes(header))
    assert (elf.sections, elf.symbols, dict(elf.relocations)) == ((), (), {})


def test_compressed_debug_information_stays_as_it_stands_in_the_file() -> None:
    writer = ElfWriter()
    writer.add_section(".debug_info", b"packed", flags=0x800)
    assert read_elf(writer.build()).sections[1].data == b"packed"


def test_relocations_of_linked_files_are_left_alone() -> None:
    shared = patched(example(), "e_type", 3)
    elf = read_elf(patched(shared, "sh_link", 7, ".rel.text"))
    assert dict(elf.relocations) == {}
    assert elf.type == 3


def test_more_sections_than_16_bits_count_are_read() -> None:
    writer = ElfWriter()
    for _ in range(0x10001):
        last = writer.add_section("s")
    writer.add_symbol("far", section=last)
    data = writer.build()
    assert struct.unpack_from("<H", data, 60)[0] == 0
    elf = read_elf(data)
    assert len(elf.sections) == 0x10001 + 4
    assert elf.symbols[1].section == last == 0x10001
    assert elf.sections[last].name == "s"
    table = elf.section(".symtab_shndx")
    assert table is not None
    header = struct.unpack_from("<Q", data, 40)[0] + 64 * table.index
    for place, wrong, reason in (
        (table.offset + 4, len(elf.sections), "of 65541"),
        (table.offset + 4, 0xFFF1, "an index that is reserved"),
        (header + SECTION["sh_link"][0], 1, "does not give"),
        (header + SECTION["sh_size"][0], 4, "does not give"),
    ):
        damaged = bytearray(data)
        struct.pack_into("<I", damaged, place, wrong)
        error = refusal(bytes(damaged))
        assert reason in str(error)
        assert (error.section, error.offset) == (".symtab", 24)


def test_every_cut_of_a_file_is_refused() -> None:
    data = example()
    for length in range(len(data)):
        refusal(data[:length])


def test_every_byte_may_be_changed_without_another_kind_of_error() -> None:
    data = example()
    refused = 0
    for position in range(len(data)):
        for flip in (0x01, 0x80, 0xFF):
            damaged = bytearray(data)
            damaged[position] ^= flip
            try:
                elf = read_elf(damaged)
            except ElfError:
                refused += 1
            else:
                assert sum(len(relocations) for relocations in elf.relocations.values()) <= 4
    assert refused > 500


def test_overlapping_sections_cannot_multiply_the_files_size() -> None:
    writer = ElfWriter()
    writer.add_section("big", bytes(1 << 20))
    for _ in range(20_000):
        writer.add_section("copy")
    data = bytearray(writer.build())
    start = struct.unpack_from("<Q", data, 40)[0]
    for index in range(2, 20_002):
        struct.pack_into("<QQ", data, start + 64 * index + 24, index, 1 << 20)
    began = time.process_time()
    error = refusal(bytes(data))
    assert "overlapping sections" in str(error)
    assert error.section == "copy"
    assert time.process_time() - began < 1


def test_overlapping_names_cannot_multiply_the_files_size() -> None:
    writer = ElfWriter()
    writer.add_section("s")
    writer.add_symbol("x" * 100_000)
    for _ in range(20_000):
        writer.add_symbol("")
    data = bytearray(writer.build())
    table = read_elf(data).section(".symtab")
    assert table is not None
    for index in range(2, 20_002):
        struct.pack_into("<I", data, table.offset + 24 * index, index)
    began = time.process_time()
    error = refusal(bytes(data))
    assert "overlapping names" in str(error)
    assert error.section == ".strtab"
    assert time.process_time() - began < 1


def test_reading_takes_time_linear_in_the_number_of_symbols_and_relocations() -> None:
    def cost(count: int) -> float:
        writer = ElfWriter()
        text = writer.add_section(".text", bytes(8 * count))
        for index in range(count):
            writer.add_relocation(text, 8 * index, writer.add_symbol(f"symbol{index}", section=text), 1)
        data = writer.build()
        best = float("inf")
        for _ in range(3):
            began = time.process_time()
            assert len(read_elf(data).relocations[text]) == count
            best = min(best, time.process_time() - began)
        return best

    assert cost(16_000) < 12 * cost(4_000)


@pytest.mark.parametrize("path", BUILT, ids=lambda path: path.stem)
def test_sections_symbols_and_relocations_of_real_objects_are_those_pyelftools_finds(path: Path) -> None:
    elf = read_elf(path)
    with path.open("rb") as file:
        other = ELFFile(file)
        assert (elf.byteorder == "little") is other.little_endian
        assert elf.flags == other["e_flags"]
        assert len(elf.sections) == other.num_sections()
        for mine, theirs in zip(elf.sections, other.iter_sections(), strict=True):
            assert mine.name == theirs.name
            assert mine.data == (theirs.data() if mine.type != SectionType.NOBITS else b"")
            for attribute, key in SECTION_FIELDS.items():
                assert getattr(mine, attribute) == theirs[key], (mine, key)
            if isinstance(theirs, SymbolTableSection):
                assert [symbol_facts(symbol) for symbol in elf.symbols] == list(pyelftools_symbols(theirs))
            if isinstance(theirs, RelocationSection):
                assert [(r.offset, r.type, r.symbol, r.addend) for r in elf.relocations[mine.info]] == [
                    (r["r_offset"], r["r_info_type"], r["r_info_sym"], r["r_addend"] if r.is_RELA() else None)
                    for r in theirs.iter_relocations()
                ]


def test_there_are_real_objects_to_compare_with_pyelftools() -> None:
    assert len(BUILT) > 10


SECTION_FIELDS = {
    "flags": "sh_flags",
    "offset": "sh_offset",
    "size": "sh_size",
    "link": "sh_link",
    "info": "sh_info",
    "entry_size": "sh_entsize",
    "alignment": "sh_addralign",
    "address": "sh_addr",
}


def symbol_facts(symbol: Symbol) -> tuple[str, int, int, int | str, str, str, str]:
    """A symbol with pyelftools' names for its numbers."""
    section: int | str = {0: "SHN_UNDEF", 0xFFF1: "SHN_ABS", 0xFFF2: "SHN_COMMON"}.get(symbol.section, symbol.section)
    kind = f"STT_{SymbolType(symbol.type).name}"
    return (
        symbol.name,
        symbol.value,
        symbol.size,
        section,
        kind,
        f"STB_{SymbolBinding(symbol.binding).name}",
        ("STV_HIDDEN" if symbol.visibility == 2 else "STV_DEFAULT"),
    )


def pyelftools_symbols(table: SymbolTableSection):  # type: ignore[no-untyped-def]
    for symbol in table.iter_symbols():
        info = symbol["st_info"]
        yield (
            *(symbol.name, symbol["st_value"], symbol["st_size"], symbol["st_shndx"]),
            *(info["type"], info["bind"], symbol["st_other"]["visibility"]),
        )
