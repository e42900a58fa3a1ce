"""Sections of one name become one."""

import pytest

from purebpf.elf import SHF_ALLOC, SectionType
from purebpf.errors import SpecError
from purebpf.linker.inputs import read_input
from purebpf.linker.sections import Layout, lay_out
from tests.unit.linker.objects import linked, returning
from tests.writers import TypedObjectWriter


def _laid_out(*files: TypedObjectWriter) -> Layout:
    return lay_out([read_input(file.build(), number) for number, file in enumerate(files)])


def test_parts_stand_behind_one_another_at_the_strictest_alignment_so_far() -> None:
    one = TypedObjectWriter().variable("a", b"\1" * 12, alignment=8)
    two = TypedObjectWriter().variable("b", b"\2" * 4, alignment=4)
    section = _laid_out(one, two).sections[".data"]
    assert bytes(section.data) == b"\1" * 12 + bytes(4) + b"\2" * 4
    assert (section.size, section.alignment) == (20, 8)


def test_sections_without_bytes_grow_as_others_do() -> None:
    one = TypedObjectWriter().variable("a", bytes(3), section=".bss")
    two = TypedObjectWriter().variable("b", bytes(8), section=".bss", alignment=8)
    section = linked(one, two).section(".bss")
    assert section is not None
    assert (section.type, section.size, section.alignment, section.data) == (SectionType.NOBITS, 16, 8, b"")


def test_a_part_of_code_begins_at_a_whole_instruction() -> None:
    one = TypedObjectWriter().function("f", returning(1), section="xdp")
    two = TypedObjectWriter().function("g", returning(2), section="xdp")
    layout = _laid_out(one, two)
    assert bytes(layout.sections["xdp"].data) == returning(1) + returning(2)


def test_the_license_stands_in_the_output_once() -> None:
    one, two = TypedObjectWriter(license="GPL"), TypedObjectWriter(license="GPL")
    section = linked(one, two).section("license")
    assert section is not None
    assert section.data == b"GPL\0"


def test_files_of_different_licenses_are_not_linked() -> None:
    with pytest.raises(SpecError, match="section 'license': the license differs \\('GPL' and 'MIT'\\), in '<bytes>'"):
        linked(TypedObjectWriter(license="GPL"), TypedObjectWriter(license="MIT"))


def test_files_of_different_kernel_versions_are_not_linked() -> None:
    with pytest.raises(SpecError, match="the version differs"):
        linked(TypedObjectWriter(version=0x50F00), TypedObjectWriter(version=0x60100))


def test_a_section_that_is_data_here_and_zeros_there_is_refused() -> None:
    one = TypedObjectWriter().section(".data.x", b"1234", flags=SHF_ALLOC)
    two = TypedObjectWriter().section(".data.x", b"1234", flags=0)
    with pytest.raises(SpecError, match=r"section '\.data\.x': sections of one name differ in kind"):
        linked(one, two)


def test_what_is_for_debuggers_and_linkers_is_left_out() -> None:
    file = TypedObjectWriter().section(".debug_info", b"x" * 100).section(".llvm_addrsig", b"\0")
    file.function("f", returning(0), section="xdp")
    names = {section.name for section in linked(file).sections}
    assert names == {"", "xdp", "license", ".BTF", ".BTF.ext", ".symtab", ".strtab"}
