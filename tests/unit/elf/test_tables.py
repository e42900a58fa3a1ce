"""The tables inside a file, read without the file around them."""

import struct
import time

import pytest

from purebpf.elf.model import Relocation, Section, SectionType
from purebpf.elf.tables import RelocationTable, StringTable, check_entries
from purebpf.errors import ElfError


def section(kind: int, data: bytes = b"", *, index: int = 1, name: str = "s", entry_size: int = 0) -> Section:
    return Section(index, name, kind, 0, 0, len(data), 0, 0, entry_size, 1, 0, data)


def strings(data: bytes, file_size: int = 1000) -> StringTable:
    return StringTable(data, file="x.o", section=".strtab", file_size=file_size)


def test_names_may_share_their_tails() -> None:
    table = strings(b"\0prefix_name\0")
    assert table.names([0, 1, 8, 12]) == ["", "prefix_name", "name", ""]


def test_a_name_asked_for_again_costs_none_of_the_budget() -> None:
    table = strings(b"\0" + b"x" * 40 + b"\0", file_size=10)
    assert table.names([1] * 50) + table.names([1] * 50) == ["x" * 40] * 100
    with pytest.raises(ElfError, match="overlapping names"):
        table.names([2])


def test_an_empty_string_table_has_no_name_at_all() -> None:
    with pytest.raises(ElfError, match="past the table's 0 bytes"):
        strings(b"").names([0])


def test_entries_of_another_size_and_half_entries_are_refused() -> None:
    check_entries(section(SectionType.REL, bytes(32), entry_size=16), 16, file="x.o")
    with pytest.raises(ElfError, match="entries of 24 bytes, not 16"):
        check_entries(section(SectionType.REL, bytes(32), entry_size=24), 16, file="x.o")
    with pytest.raises(ElfError, match="the last entry has fewer than 16 bytes") as caught:
        check_entries(section(SectionType.REL, bytes(40), entry_size=16), 16, file="x.o")
    assert caught.value.offset == 32


def relocation_section(*entries: tuple[int, ...], order: str = "<") -> Section:
    with_addend = len(entries[0]) == 4
    data = b"".join(
        struct.pack(f"{order}QQ", offset, symbol << 32 | kind) + b"".join(struct.pack(f"{order}q", a) for a in addend)
        for offset, kind, symbol, *addend in entries
    )
    kind = SectionType.RELA if with_addend else SectionType.REL
    return section(kind, data, name=".rel", entry_size=24 if with_addend else 16)


def test_both_forms_for_one_section_are_read_in_the_order_of_the_file() -> None:
    target = section(SectionType.PROGBITS, bytes(64), index=5)
    table = RelocationTable(">")
    table.add(relocation_section((8, 1, 2), (0, 10, 1), order=">"), target, 3, file="x.o")
    table.add(relocation_section((16, 2, 2, -1), order=">"), target, 3, file="x.o")
    assert table == {5: (Relocation(8, 1, 2), Relocation(0, 10, 1), Relocation(16, 2, 2, -1))}
    assert repr(table) == repr(dict(table))
    assert table[5] is table[5]
    assert list(table) == [5]
    assert 4 not in table


def test_a_section_with_no_entries_relocates_nothing() -> None:
    table = RelocationTable("<")
    table.add(section(SectionType.REL, b"", entry_size=16), section(1, bytes(8)), 1, file="x.o")
    assert len(table) == 0


def test_relocations_are_checked_at_once_and_decoded_only_when_asked_for() -> None:
    count = 50_000
    data = struct.pack("<QQ", 0, 1) * count
    table = RelocationTable("<")
    began = time.process_time()
    table.add(section(SectionType.REL, data, entry_size=16), section(1, bytes(8), index=2), 1, file="x.o")
    checked = time.process_time()
    assert len(table[2]) == count
    assert checked - began < time.process_time() - checked
