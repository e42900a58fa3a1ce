"""When two types are the same to CO-RE."""

import pytest

from purebpf.btf import BtfType, Float, Forward, Int, Pointer, Typedef, Void, Volatile
from purebpf.errors import RelocationError
from purebpf.relocate.compat import DEEPEST, essential_name, fields_compatible
from purebpf.units import TypeId
from tests.unit.relocate.shapes import Types


@pytest.mark.parametrize(
    ("name", "essential"),
    [
        ("task_struct", "task_struct"),
        ("task_struct___v2", "task_struct"),
        ("a___b___c", "a___b"),
        ("___x", "___x"),
        ("x___", "x___"),
        ("a____b", "a____b"),
        ("a___b____c", "a"),
        ("", ""),
    ],
)
def test_a_flavour_is_what_stands_behind_the_last_three_underscores(name: str, essential: str) -> None:
    assert essential_name(name) == essential


def pair(ours: BtfType, theirs: BtfType, relation: object) -> bool:
    local, target = Types(), Types()
    assert callable(relation)
    return bool(relation(local.build_with(ours), TypeId(6), target.build_with(theirs), TypeId(6)))


INT, LONG, OLD_BITS = Int("int", 4, 32, signed=True), Int("long", 8, 64), Int("int", 4, 3, bit_offset=2)


@pytest.mark.parametrize(
    ("ours", "theirs", "same"),
    [
        (INT, LONG, True),
        (INT, OLD_BITS, False),
        (INT, Pointer(TypeId(1)), False),
        (Pointer(TypeId(1)), Pointer(TypeId(3)), True),
        (Float("float", 4), Float("double", 8), True),
        (Forward("a"), Forward("a___old"), True),
        (Forward("a"), Forward("b"), False),
        (Typedef("alias", TypeId(1)), Volatile(TypeId(3)), True),
        (Void(), Void(), False),
    ],
)
def test_fields_are_compatible_by_kind(ours: BtfType, theirs: BtfType, same: bool) -> None:
    if isinstance(ours, Void):
        assert fields_compatible(Types().build(), TypeId(0), Types().build(), TypeId(0)) is same
    else:
        assert pair(ours, theirs, fields_compatible) is same


def test_structs_are_compatible_fields_whatever_they_hold_and_enums_by_name() -> None:
    local, target = Types(), Types()
    ours, mine, unnamed = local.struct("a", 4), local.enum("e", X=1), local.enum("", X=1)
    theirs, yours, other = target.struct("b", 8), target.enum("e___v2", 8, Y=1), target.enum("f", Y=1)
    here, there = local.build(), target.build()
    assert fields_compatible(here, ours, there, theirs)
    assert fields_compatible(here, mine, there, yours)
    assert not fields_compatible(here, mine, there, other)
    assert fields_compatible(here, unnamed, there, other)


def test_arrays_are_compatible_by_their_elements() -> None:
    local, target = Types(), Types()
    ours = local.array(local.array(local.int, 2), 3)
    same, other = target.array(target.array(target.u64, 5), 1), target.array(target.pointer, 3)
    here, there = local.build(), target.build()
    assert fields_compatible(here, ours, there, same)
    assert not fields_compatible(here, ours, there, other)


def test_fields_that_are_nested_too_deep_are_an_error() -> None:
    types = Types()
    at = types.int
    for _ in range(DEEPEST + 1):
        at = types.array(at, 1)
    built = types.build()
    with pytest.raises(RelocationError, match="nested more than 32 deep"):
        fields_compatible(built, at, built, at)
