"""The JSON of a type: stable keys, and where each part lies."""

from __future__ import annotations

import json

import pytest

from purebpf.btf import (
    Array,
    Btf,
    BtfError,
    BtfType,
    BtfWriter,
    DataSection,
    DeclTag,
    Enum,
    Enumerator,
    Float,
    Forward,
    Function,
    FunctionProto,
    Int,
    Member,
    Parameter,
    Pointer,
    SectionVariable,
    Struct,
    Typedef,
    Union,
    Variable,
)
from purebpf.gen.type_json import TypesJson, type_json
from purebpf.units import BitOffset, TypeId

INT = Int("int", 4, 32, signed=True)
T = TypeId


def shown(*kinds: BtfType, type_id: int = 2) -> dict[str, object]:
    """What is shown of a type, the second unless told, `int` being the first."""
    writer = BtfWriter()
    for kind in (INT, *kinds):
        writer.add(kind)
    result = type_json(Btf.parse(writer.build(), name="x.btf"), type_id)
    assert json.loads(json.dumps(result)) == result
    return result


INT_NAMED = {"id": 1, "c": "int"}


@pytest.mark.parametrize(
    ("kinds", "more"),
    [
        ([Pointer(T(1))], {"name": "", "kind": "ptr", "c": "int *", "size": 8, "align": 8, "target": INT_NAMED}),
        (
            [Array(T(1), T(1), 3)],
            {"name": "", "kind": "array", "c": "int [3]", "size": 12, "align": 4, "element": INT_NAMED, "count": 3},
        ),
        (
            [Enum("e", 4, (Enumerator("A", -1),), signed=True)],
            {"name": "e", "kind": "enum", "c": "enum e", "size": 4, "align": 4, "signed": True,
             "values": [{"name": "A", "value": -1}]},
        ),
        ([Float("double", 8)], {"name": "double", "kind": "float", "c": "double", "size": 8, "align": 8}),
        ([Forward("f")], {"name": "f", "kind": "fwd", "c": "struct f", "declares": "struct"}),
        (
            [Function("fn", T(3), 1), FunctionProto(T(1), (Parameter("a", T(1)), Parameter("", T(0))))],
            {"name": "fn", "kind": "func", "c": "int fn(int a, ...)", "linkage": "global", "returns": INT_NAMED,
             "parameters": [{"name": "a", "type": INT_NAMED}], "variadic": True},
        ),
        (
            [Variable("v", T(1), 1)],
            {"name": "v", "kind": "var", "c": "int v", "type": INT_NAMED, "linkage": "global", "size": 4},
        ),
        (
            [DataSection(".data", 8, (SectionVariable(T(3), 4, 4),)), Variable("v", T(1))],
            {"name": ".data", "kind": "datasec", "c": "section .data", "size": 8,
             "variables": [{"name": "v", "id": 3, "offset": 4, "size": 4}]},
        ),
        (
            [DeclTag("t", T(1))],
            {"name": "t", "kind": "decl_tag", "c": 'int __attribute__((btf_decl_tag("t")))', "type": INT_NAMED,
             "component": -1},
        ),
    ],
    ids=lambda value: type(value[0]).__name__ if isinstance(value, list) else "",
)  # fmt: skip
def test_each_kind_has_its_keys(kinds: list[BtfType], more: dict[str, object]) -> None:
    assert shown(*kinds) == {"id": 2, **more}


def test_an_integer_tells_its_encoding() -> None:
    assert shown(type_id=1) == {
        "id": 1, "name": "int", "kind": "int", "c": "int", "size": 4, "align": 4,
        "bits": 32, "signed": True, "char": False, "bool": False,
    }  # fmt: skip


def test_a_typedef_shows_what_it_is_in_the_end() -> None:
    result = shown(Typedef("t", T(3)), Typedef("u", T(1)))
    assert result["type"] == {"id": 3, "c": "u"}
    assert result["resolved"] == shown(type_id=1)


def test_members_have_offsets_from_the_beginning_of_the_whole_and_bitfields_their_width() -> None:
    result = shown(
        Struct("s", 12, (Member("a", T(1), BitOffset(0), 3), Member("", T(3), BitOffset(32))), kind_flag=True),
        Union("", 8, (Member("b", T(1), BitOffset(0)), Member("c", T(4), BitOffset(0)))),
        Struct("", 8, (Member("d", T(1), BitOffset(32)),)),
    )
    members = result.pop("members")
    assert result == {
        "id": 2, "name": "s", "kind": "struct", "c": "struct s", "size": 12, "align": 4, "packed": False,
    }  # fmt: skip
    assert isinstance(members, list)
    first, second = members
    assert first == {"name": "a", "type": INT_NAMED, "offset": 0, "bit_offset": 0, "bits": 3, "size": 4}
    assert (second["name"], second["kind"], second["offset"]) == ("", "union", 4)
    inner = second["members"][1]["members"]
    assert inner == [{"name": "d", "type": INT_NAMED, "offset": 8, "bit_offset": 64, "bits": None, "size": 4}]


@pytest.mark.parametrize(
    "kinds",
    [
        [Struct("", 4, (Member("a", T(2), BitOffset(0)),))],
        [Typedef("a", T(3)), Typedef("b", T(2))],
        [Function("f", T(1))],
        [Pointer(T(99))],
    ],
)
def test_a_type_that_makes_no_sense_is_a_btf_error(kinds: list[BtfType]) -> None:
    with pytest.raises(BtfError):
        shown(*kinds)


def written(*kinds: BtfType) -> Btf:
    writer = BtfWriter()
    for kind in kinds:
        writer.add(kind)
    return Btf.parse(writer.build())


def test_what_has_too_many_parts_is_refused_and_so_is_a_second_type_that_makes_them_too_many() -> None:
    values = tuple(Enumerator(f"E{each}", each) for each in range(30_000))
    btf = written(Enum("e", 4, values), Enum("f", 4, values))
    assert len(type_json(btf, 1)["values"]) == 30_000
    shown = TypesJson(btf)
    shown.shown(1)
    with pytest.raises(BtfError, match="type 2 and what was asked for before it have too many parts: more than 50,000"):
        shown.shown(2)


def test_names_of_types_that_fill_megabytes_are_refused() -> None:
    pointers = [Pointer(T(each)) for each in range(1, 6_000)]
    members = tuple(Member("m", T(2 + each), BitOffset(64 * each)) for each in range(5_999))
    with pytest.raises(BtfError, match="have names of more than 8 MB"):
        type_json(written(INT, *pointers, Struct("s", 8 * len(members), members)), 6_001)
