"""In which order types are declared and defined."""

from __future__ import annotations

import pytest

from purebpf.btf import (
    Btf,
    BtfError,
    BtfType,
    BtfWriter,
    Const,
    FunctionProto,
    Int,
    Member,
    Parameter,
    Pointer,
    Struct,
    Typedef,
)
from purebpf.gen.order import Order
from purebpf.gen.table import Table
from purebpf.units import BitOffset, TypeId

T = TypeId


def holding(name: str, *types: int) -> Struct:
    members = tuple(Member(f"m{at}", T(each), BitOffset(64 * at)) for at, each in enumerate(types))
    return Struct(name, 8 * len(types), members)


def ordered(*kinds: BtfType) -> str:
    """What is declared (x?) and defined (x), by type id, when every type is asked for."""
    writer = BtfWriter()
    for kind in kinds:
        writer.add(kind)
    done: list[str] = []
    table = Table(Btf.parse(writer.build()))
    order = Order(table, lambda each: done.append(f"{each}?"), lambda each: done.append(str(each)))
    for type_id in range(1, table.end_id):
        order.complete(type_id)
    return " ".join(done)


@pytest.mark.parametrize(
    ("kinds", "order"),
    [
        ([holding("a", 2), holding("b", 3), Int("int", 4, 32)], "3 2 1"),
        ([holding("a", 2), Pointer(T(3)), holding("b")], "3? 1 3"),
        ([holding("a", 2), Pointer(T(1))], "1? 1"),
        ([holding("a", 2), Const(T(3)), holding("b")], "3 1"),
        ([holding("a", 2), Pointer(T(3)), Typedef("t", T(4)), holding("b")], "4? 3 1 4"),
        ([holding("a", 2), Typedef("t", T(3)), holding("b")], "3 2 1"),
        ([holding("a", 2, 4), Pointer(T(3)), Typedef("t", T(5)), Typedef("u", T(3)), holding("b")], "5? 3 5 4 1"),
        ([holding("a", 2), Pointer(T(3)), holding("", 4), holding("b")], "4 1"),
    ],
)
def test_what_is_needed_comes_first_and_once(kinds: list[BtfType], order: str) -> None:
    assert ordered(*kinds) == order


@pytest.mark.parametrize(
    "kinds", [[holding("a", 1)], [holding("a", 2), holding("b", 1)], [Typedef("t", T(1))], [Const(T(1))]]
)
def test_a_type_that_holds_itself_is_refused(kinds: list[BtfType]) -> None:
    with pytest.raises(BtfError, match="contains itself"):
        ordered(*kinds)


def test_a_name_is_enough_for_a_prototype() -> None:
    writer = BtfWriter()
    for kind in (
        holding("a"),
        Typedef("t", T(1)),
        FunctionProto(T(2), (Parameter("p", T(4)),)),
        Pointer(T(5)),
        holding("b"),
    ):
        writer.add(kind)
    done: list[str] = []
    order = Order(
        Table(Btf.parse(writer.build())), lambda each: done.append(f"{each}?"), lambda each: done.append(str(each))
    )
    order.name(3)
    order.name(3)
    assert done == ["1?", "2", "5?"]
