"""The package's face and its frozen values."""

import subprocess
import sys

import purebpf.elf
from purebpf.elf import ElfFile, Section, SectionType


def test_every_public_name_is_there() -> None:
    for name in purebpf.elf.__all__:
        assert getattr(purebpf.elf, name).__doc__ is not None


def test_a_name_that_is_not_there_is_an_attribute_error() -> None:
    assert not hasattr(purebpf.elf, "Elf32Writer")


def test_a_section_is_found_by_its_first_name() -> None:
    sections = tuple(
        Section(index, name, SectionType.PROGBITS, 0, 0, 0, 0, 0, 0, 0) for index, name in enumerate("aba")
    )
    elf = ElfFile("x.o", "little", 247, 1, 0, sections, (), {})
    assert elf.section("a") is sections[0]
    assert elf.section("b") is sections[1]
    assert elf.section("c") is None


def test_importing_and_reading_bring_neither_pyelftools_nor_the_writer() -> None:
    script = """
import sys
from purebpf.elf import read_elf
read_elf(bytes.fromhex('7f454c460201010000000000000000000100f70001000000' + '00' * 40))
print([name for name in sys.modules if name.startswith('elftools') or name == 'purebpf.elf.writer'])
"""
    result = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert result.stdout == "[]\n"
