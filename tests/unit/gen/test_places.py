"""Sizes, alignments and members on raw words are those that `purebpf.btf.layout` finds on built types."""

from __future__ import annotations

from pathlib import Path

import pytest

from purebpf.btf import Btf, BtfError, Kind, align_of, size_of
from purebpf.btf.layout import bit_place, is_packed
from purebpf.btf.types import Struct, Union
from purebpf.elf import read_elf
from purebpf.gen.places import Places
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
