"""Sizes, alignments and gaps on raw words are those that `purebpf.btf.layout` finds on built types."""

from __future__ import annotations

from pathlib import Path

import pytest

from purebpf.btf import Btf, BtfError, Kind, align_of, size_of
from purebpf.btf.layout import bit_place, is_packed
from purebpf.btf.types import Struct, Union
from purebpf.elf import read_elf
from purebpf.gen.places import Places, padding
from purebpf.gen.table import Table

BUILT = sorted((Path(__file__).parents[3] / "bpf" / "built").glob("*.o"))


@pytest.mark.parametrize("path", BUILT, ids=lambda path: path.name)
def test_measures_and_members_agree_with_the_layout_of_built_types(path: Path) -> None:
    section = read_elf(path).section(".BTF")
    if section is None:
        return
    btf = Btf.parse(section.data)
    places = Places(Table(btf))
    for each in btf.ids_of(Kind.INT, Kind.PTR, Kind.ARRAY, Kind.STRUCT, Kind.UNION, Kind.ENUM, Kind.TYPEDEF):
        try:
            expected = size_of(btf, each), align_of(btf, each)
        except BtfError:
            continue
        assert places.measure(each)[:2] == expected
        kind = btf[each]
        if isinstance(kind, Struct | Union):
            assert [place[:2] for place in places.members(each)] == [bit_place(btf, member) for member in kind.members]
            assert places.is_packed(each) == is_packed(btf, each)


@pytest.mark.parametrize(
    ("begin", "end", "lines"),
    [
        (0, 0, []),
        (0, 64, ["long long: 64;"]),
        (8, 64, ["char: 8;", "short: 16;", "int: 32;"]),
        (3, 32, ["char: 5;", "char: 8;", "short: 16;"]),
        (28, 31, ["char: 3;"]),
        (0, 64 * 17, ["long long: 64;"] * 16 + ["char __padding_128[8];"]),
    ],
)
def test_padding_fills_the_bits_between(begin: int, end: int, lines: list[str]) -> None:
    assert padding(begin, end) == lines


def test_a_gap_that_does_not_end_at_a_byte_is_filled_however_long() -> None:
    lines = padding(0, 64 * 20 + 3)
    assert lines == ["long long: 64;"] * 20 + ["char: 3;"]
