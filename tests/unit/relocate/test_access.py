"""Paths of CO-RE records: read in the object's types, found by names in the target's."""

import pytest

from purebpf.btf import Btf, BtfError, CoreKind, CoreRelocation
from purebpf.btf.members import member_at
from purebpf.errors import RelocationError
from purebpf.relocate.access import Access, Mismatch, enumerators_of, locate, parse_access, places_of
from purebpf.units import TypeId
from tests.unit.relocate.shapes import Types, record


def parsed(types: Types, what: CoreRelocation) -> Access:
    return parse_access(types.build(), what)


def nested() -> tuple[Types, TypeId]:
    """The type struct outer { int a; struct { union { int b; struct inner c; }; }; int tail[]; }."""
    types = Types()
    inner = types.struct("inner", 8, ("x", types.int, 0), ("y", types.int, 4))
    union = types.struct("", 8, ("b", types.int, 0), ("c", inner, 0))
    anonymous = types.struct("", 8, ("", union, 0))
    tail = types.array(types.int, 0)
    return types, types.struct("outer", 12, ("a", types.int, 0), ("", anonymous, 4), ("tail", tail, 12))


def test_a_path_becomes_names_without_what_has_none() -> None:
    types, outer = nested()
    access = parsed(types, record(outer, "0:1:0:1:1"))
    assert access.text("outer") == "outer.c.y"
    assert access.bit_offset == 64


def test_an_element_of_the_pointer_itself_counts_whole_structs() -> None:
    types, outer = nested()
    access = parsed(types, record(outer, "3:0"))
    assert (access.text("outer"), access.bit_offset) == ("outer[3].a", 3 * 96)


def test_a_flexible_array_has_as_many_elements_as_are_asked_for() -> None:
    types, outer = nested()
    assert parsed(types, record(outer, "0:2:1000")).bit_offset == 96 + 32 * 1000


@pytest.mark.parametrize(
    ("path", "reason"),
    [
        ("", "is not made of numbers"),
        ("0:", "is not made of numbers"),
        ("0:-1", "is not made of numbers"),
        ("0:²", "is not made of numbers"),
        ("0:3", "asks for member 3 of 3"),
        ("0:0:0", "leads into something that has no parts"),
        ("0:4294967295", "has a number that is too large"),
        (":".join("0" * 65), "has more than 64 parts"),
    ],
)
def test_a_path_that_makes_no_sense_is_refused_with_the_reason(path: str, reason: str) -> None:
    types, outer = nested()
    with pytest.raises(RelocationError, match=reason):
        parsed(types, record(outer, path))


def test_an_array_that_is_not_the_last_member_is_not_flexible() -> None:
    types = Types()
    struct = types.struct("s", 8, ("none", types.array(types.int, 0), 0), ("last", types.int, 0))
    with pytest.raises(RelocationError, match="asks for element 0 of 0"):
        parsed(types, record(struct, "0:0:0"))


@pytest.mark.parametrize("path", ["1", "0:0"])
def test_a_question_about_a_whole_type_has_no_path(path: str) -> None:
    types, outer = nested()
    with pytest.raises(RelocationError, match="has no parts"):
        parsed(types, record(outer, path, CoreKind.TYPE_EXISTS))


def test_an_enumerator_is_a_number_of_its_enum() -> None:
    types = Types()
    enum = types.enum("e", A=1, B=2)
    assert parsed(types, record(enum, "1", CoreKind.ENUMVAL_VALUE)).text("e") == "e.B"
    for path in ("2", "0:0"):
        with pytest.raises(RelocationError):
            parsed(types, record(enum, path, CoreKind.ENUMVAL_VALUE))
    with pytest.raises(RelocationError, match="names no enumerator"):
        parsed(types, record(types.int, "0", CoreKind.ENUMVAL_EXISTS))


def find(local: Types, what: CoreRelocation, target: Types, root: TypeId) -> Access | Mismatch:
    ours = local.build()
    return locate(ours, parse_access(ours, what), target.build(), root)


def test_members_are_found_by_name_whatever_stands_around_them() -> None:
    local, outer = nested()
    target = Types()
    inner = target.struct("inner", 16, ("pad", target.u64, 0), ("y", target.int, 8))
    theirs = target.struct("outer", 32, ("c", inner, 16), ("a", target.int, 4))
    found = find(local, record(outer, "0:1:0:1:1"), target, theirs)
    assert isinstance(found, Access)
    assert found.bit_offset == 8 * (16 + 8)


def test_what_stands_in_the_way_is_told_with_its_place() -> None:
    local, outer = nested()
    target = Types()
    inner = target.struct("inner", 4, ("x", target.int, 0))
    theirs = target.struct("outer", 32, ("c", inner, 16), ("a", target.pointer, 4))
    assert find(local, record(outer, "0:1:0:1:1"), target, theirs) == Mismatch(2, inner)
    assert find(local, record(outer, "0:0"), target, theirs) == Mismatch(1, theirs)
    assert find(local, record(outer, "0:2:0"), target, theirs) == Mismatch(1, theirs)


def test_an_element_must_lie_inside_the_targets_array_unless_that_is_flexible() -> None:
    local, target = Types(), Types()
    ours = local.struct("s", 16, ("a", local.array(local.int, 4), 0))
    pair = target.array(target.int, 2)
    short = target.struct("s", 8, ("a", pair, 0))
    flexible = target.struct("s", 0, ("a", target.array(target.int, 0), 0))
    assert find(local, record(ours, "0:0:3"), target, short) == Mismatch(2, pair)
    assert isinstance(find(local, record(ours, "0:0:1"), target, short), Access)
    assert isinstance(find(local, record(ours, "0:0:3"), target, flexible), Access)


def test_enumerators_are_found_without_their_flavour_and_the_first_counts() -> None:
    types = Types()
    enum = types.enum("e", A=1, B___old=2, B=3)
    assert enumerators_of(types.build(), enum) == {"A": 0, "B": 1}


def test_places_are_those_of_anonymous_members_too() -> None:
    types, outer = nested()
    btf = types.build()
    bits = {
        name: shift + member_at(btf, owner, index).bit_offset
        for name, (owner, index, shift) in places_of(btf, outer).items()
    }
    assert bits == {"a": 0, "b": 32, "c": 32, "tail": 96}


def test_of_several_members_of_one_name_the_first_counts_depth_first() -> None:
    types = Types()
    inner = types.struct("", 8, ("pad", types.int, 0), ("x", types.int, 4))
    outer = types.struct("s", 16, ("", inner, 0), ("x", types.int, 8))
    assert places_of(types.build(), outer)["x"] == (inner, 1, 0)


def test_a_struct_in_itself_ends() -> None:
    types = Types()
    itself = TypeId(6)
    assert types.struct("s", 8, ("", itself, 0), ("x", types.int, 4)) == itself
    assert list(places_of(types.build(), itself)) == ["x"]


def test_more_members_than_a_struct_may_have_are_refused() -> None:
    types = Types()
    parts = [types.struct("", 0, *((f"m{n}_{k}", types.int, 0) for k in range(40_000))) for n in range(2)]
    outer = types.struct("s", 0, *(("", part, 0) for part in parts))
    btf: Btf = types.build()
    with pytest.raises(BtfError, match="more than 65535 members"):
        places_of(btf, outer)
