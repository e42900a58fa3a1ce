"""What the writer of whole objects makes."""

import pytest

from purebpf.elf import SectionType, SymbolType, read_elf
from purebpf.insn import Assembler
from tests.writers import R_BPF_64_32, R_BPF_64_64, ObjectWriter

LDIMM64 = b"\x18\x01" + bytes(14)
CALL = b"\x85\x10\0\0\xff\xff\xff\xff"
EXIT = b"\x95" + bytes(7)


def test_functions_of_one_section_stand_one_after_the_other() -> None:
    file = ObjectWriter().function("a", EXIT, section="xdp").function("b", LDIMM64 + EXIT, section="xdp")
    elf = read_elf(file.build())
    code = elf.section("xdp")
    assert code is not None
    assert (code.data, code.executable) == (EXIT + LDIMM64 + EXIT, True)
    functions = [(s.name, s.value, s.size) for s in elf.symbols if s.type == SymbolType.FUNC]
    assert functions == [("a", 0, 8), ("b", 8, 24)]


def test_references_are_relocations_at_the_functions_place() -> None:
    file = (
        ObjectWriter().function("first", EXIT, section="xdp").function("second", LDIMM64 + CALL + EXIT, section="xdp")
    )
    file.function("helper", EXIT).legacy_map("counts", type=1)
    file.address("second", 0, "counts").call("second", 2, "helper").call("second", 2, ".text")
    elf = read_elf(file.build())
    code = elf.section("xdp")
    assert code is not None
    found = [(r.offset, r.type, elf.symbols[r.symbol].name) for r in elf.relocations[code.index]]
    assert found == [(8, R_BPF_64_64, "counts"), (24, R_BPF_64_32, "helper"), (24, R_BPF_64_32, "")]
    assert elf.symbols[elf.relocations[code.index][2].symbol].type == SymbolType.SECTION


def test_variables_are_aligned_and_bss_takes_no_room() -> None:
    file = ObjectWriter(license=None, version=None)
    file.variable("byte", b"x").variable("word", b"1234", alignment=4).variable("zero", bytes(64), section=".bss")
    elf = read_elf(file.build())
    assert [section.name for section in elf.sections[1:3]] == [".data", ".bss"]
    assert elf.sections[1].data == b"x\0\0\x001234"
    assert (elf.sections[2].type, elf.sections[2].size) == (SectionType.NOBITS, 64)


def test_license_version_and_maps_are_in_the_files_byte_order() -> None:
    file = ObjectWriter("big", version=0x060100).legacy_map("m", type=2, value_size=8, extra=b"\0" * 4)
    elf = read_elf(file.build())
    contents = {section.name: section.data for section in elf.sections}
    assert contents["license"] == b"GPL\0"
    assert contents["version"] == b"\0\6\1\0"
    assert contents["maps"] == bytes.fromhex("00000002 00000004 00000008 00000001 00000000 00000000")


def test_code_may_come_from_the_assembler() -> None:
    file = ObjectWriter("big").function("pass", Assembler().exit(), section="xdp")
    code = read_elf(file.build()).section("xdp")
    assert code is not None
    assert code.data == EXIT


def test_externs_are_undefined_symbols() -> None:
    elf = read_elf(ObjectWriter().extern("strong").extern("weak", weak=True).build())
    assert [(s.name, s.section, s.binding) for s in elf.symbols[2:]] == [("strong", 0, 1), ("weak", 0, 2)]


def test_a_name_defined_twice_is_refused() -> None:
    with pytest.raises(ValueError, match="'a' is defined twice"):
        ObjectWriter().extern("a").function("a", EXIT)
