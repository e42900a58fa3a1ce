"""When whole types are the same to CO-RE."""

import pytest

from purebpf.btf import BtfType, Float, Forward, FunctionProto, Int, Parameter, Pointer
from purebpf.errors import RelocationError
from purebpf.relocate.comparison import types_compatible, types_match
from purebpf.relocate.compat import DEEPEST
from purebpf.units import TypeId
from tests.unit.relocate.shapes import Types


def pair(ours: BtfType, theirs: BtfType, relation: object) -> bool:
    local, target = Types(), Types()
    assert callable(relation)
    return bool(relation(local.build_with(ours), TypeId(6), target.build_with(theirs), TypeId(6)))


INT, LONG = Int("int", 4, 32, signed=True), Int("long", 8, 64)


def proto(result: int, *parameters: int) -> FunctionProto:
    return FunctionProto(TypeId(result), tuple(Parameter("p", TypeId(each)) for each in parameters))


@pytest.mark.parametrize(
    ("ours", "theirs", "compatible", "match"),
    [
        (proto(1, 3), proto(1, 3), True, True),
        (proto(1, 3), proto(1, 1), True, False),
        (proto(1, 3), proto(1), False, False),
        (proto(1), proto(0), False, False),
        (proto(0), proto(0), True, True),
        (INT, LONG, True, False),
        (INT, Int("int", 4, 32, signed=False), True, False),
        (Float("float", 4), Float("float", 4), False, False),
        (Forward("a"), Forward("a", is_union=True), True, False),
        (Pointer(TypeId(0)), Pointer(TypeId(0)), True, True),
    ],
)
def test_whole_types_are_compared_by_kind_or_exactly(
    ours: BtfType, theirs: BtfType, compatible: bool, match: bool
) -> None:
    assert pair(ours, theirs, types_compatible) is compatible
    assert pair(ours, theirs, types_match) is match


def test_a_struct_matches_one_that_has_all_its_members_and_more() -> None:
    local, target = Types(), Types()
    ours = local.struct("s", 8, ("a", local.int, 0), ("next", local.pointer, 0))
    theirs = target.struct("s___v", 24, ("next", target.pointer, 8), ("a", target.int, 4), ("b", target.int, 0))
    fewer = target.struct("s", 4, ("a", target.int, 0))
    here, there = local.build(), target.build()
    assert types_match(here, ours, there, theirs)
    assert not types_match(here, ours, there, fewer)
    assert not types_match(there, theirs, here, ours)


def test_behind_a_pointer_only_name_and_kind_of_a_struct_count() -> None:
    local, target = Types(), Types()
    ours = local.writer.add(Pointer(local.struct("s", 4, ("a", local.int, 0))))
    declared = target.writer.add(Pointer(target.writer.add(Forward("s"))))
    union = target.writer.add(Pointer(target.writer.add(Forward("s", is_union=True))))
    here, there = local.build(), target.build()
    assert types_match(here, ours, there, declared)
    assert not types_match(here, ours, there, union)


def test_an_enum_matches_one_of_its_size_that_has_all_its_names() -> None:
    local, target = Types(), Types()
    ours = local.enum("e", A=1, B___x=2)
    more, fewer, wide = target.enum("e", C=0, B=5, A=9), target.enum("e", A=1), target.enum("e", 8, A=1, B=2)
    here, there = local.build(), target.build()
    assert types_match(here, ours, there, more)
    assert not types_match(here, ours, there, fewer)
    assert not types_match(here, ours, there, wide)


@pytest.mark.parametrize("relation", [types_compatible, types_match])
def test_types_that_are_nested_too_deep_are_an_error(relation: object) -> None:
    types = Types()
    at = types.int
    for _ in range(DEEPEST + 1):
        at = types.array(at, 1)
    built = types.build()
    assert callable(relation)
    with pytest.raises(RelocationError, match="nested more than 32 deep"):
        relation(built, at, built, at)
