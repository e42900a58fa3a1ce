"""Types in another order."""

from __future__ import annotations

import pytest

from purebpf.btf import Btf, BtfWriter, Int, Pointer, Typedef
from purebpf.btf.permute import permute
from purebpf.units import TypeId

INT = Int("int", 4, 32)


def sample(base: Btf | None = None) -> Btf:
    writer = BtfWriter(base=base)
    first = writer.next_id
    writer.add(INT)
    writer.add(Pointer(first))
    writer.add(Typedef("t", TypeId(first + 1)))
    return Btf.parse(writer.build(), base=base)


def test_types_change_places_and_references_follow() -> None:
    result = permute(sample(), [3, 1, 2])
    btf = Btf.parse(result.data)
    assert [btf[each] for each in btf.ids()] == [Typedef("t", TypeId(3)), INT, Pointer(TypeId(2))]
    assert list(result.ids) == [0, 2, 3, 1]


def test_back_again_is_where_it_began() -> None:
    btf = sample()
    there = Btf.parse(permute(btf, [3, 1, 2]).data)
    again = Btf.parse(permute(there, [2, 3, 1]).data)
    assert [again[each] for each in again.ids()] == [btf[each] for each in btf.ids()]


def test_the_ids_of_a_base_stay() -> None:
    base = sample()
    result = permute(sample(base), [6, 5, 4])
    assert list(result.ids) == [0, 1, 2, 3, 6, 5, 4]
    assert Btf.parse(result.data, base=base)[4] == Typedef("t", TypeId(5))


@pytest.mark.parametrize("order", [[], [1, 2], [1, 2, 2], [0, 1, 2], [1, 2, 3, 4]])
def test_an_order_names_each_id_once(order: list[int]) -> None:
    with pytest.raises(ValueError, match="each id from 1 to 3 once"):
        permute(sample(), order)
