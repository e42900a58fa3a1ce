"""A BTF and its bases as one table."""

from __future__ import annotations

import pytest

from purebpf.btf import Array, Btf, BtfError, BtfType, BtfWriter, Enum, Enumerator, Int, Pointer, Struct
from purebpf.gen.table import Table
from purebpf.units import TypeId

T = TypeId


def built(*kinds: BtfType, base: Btf | None = None, byteorder: str = "little") -> Btf:
    writer = BtfWriter(base=base, byteorder="big" if byteorder == "big" else "little")
    for kind in kinds:
        writer.add(kind)
    return Btf.parse(writer.build(), base=base, name="x")


@pytest.mark.parametrize("byteorder", ["little", "big"])
def test_types_of_the_base_and_own_ones_stand_under_their_ids(byteorder: str) -> None:
    base = built(Int("int", 4, 32), Pointer(T(1)), byteorder=byteorder)
    table = Table(built(Array(T(2), T(1), 5), Struct("s", 8, ()), base=base, byteorder=byteorder))
    assert list(table.kinds) == [0, 1, 2, 3, 4]
    assert [table.name(each) for each in range(5)] == ["", "int", "", "", "s"]
    assert table.target(2) == 1
    assert table.element(3) == (2, 5)
    assert (table.third(4), table.count(4), table.flag(4)) == (8, 0, False)


def test_columns_are_what_follows_the_head() -> None:
    table = Table(built(Enum("e", 4, (Enumerator("A", 7), Enumerator("B", 9)))))
    names, values = table.columns(1, 2)
    assert [table.texts[name] for name in names] == ["A", "B"]
    assert list(values) == [7, 9]


def test_strings_may_be_the_tails_of_others() -> None:
    table = Table(built(Struct("list_head", 8, ())))
    assert table.texts[1 + len("list_")] == "head"
    assert table.identifiers[1 + len("list_")] == "head"


@pytest.mark.parametrize("kind", [Pointer(T(9)), Array(T(9), T(0), 1)])
def test_an_id_that_does_not_exist_is_a_btf_error(kind: BtfType) -> None:
    table = Table(built(kind))
    with pytest.raises(BtfError, match="type 1 refers to type 9, the last one is 1"):
        table.element(1) if isinstance(kind, Array) else table.target(1)


def test_a_string_that_does_not_exist_is_a_btf_error() -> None:
    with pytest.raises(BtfError, match="outside the string section"):
        Table(built(Int("int", 4, 32))).texts[1000]
