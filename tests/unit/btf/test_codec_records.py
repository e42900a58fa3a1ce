import json
import keyword

import pytest

from purebpf.btf.codec import Record, plain
from tests.unit.btf.codec_types import Types


def record_of(*names: str) -> Record:
    types = Types()
    codec = types.codec(types.struct("odd", len(names), *[(name, types.u8, n) for n, name in enumerate(names)]))
    value: Record = codec.decode(bytes(range(len(names))))
    return value


@pytest.mark.parametrize(
    "names", [keyword.kwlist, ["count", "index", "_private", "__m", "x__", "self"], ["no identifier", "ä", "1st", ""]]
)
def test_members_of_any_name_are_attributes(names: list[str]) -> None:
    names = [name for name in names if name]
    value = record_of(*names)
    assert [getattr(value, name) for name in names] == list(range(len(names)))
    assert value._asdict() == {name: n for n, name in enumerate(names)}


def test_names_that_python_or_records_need_are_left_alone() -> None:
    names = [
        "__class__",
        "__len__",
        "__hash__",
        "__eq__",
        "__getattribute__",
        "__slots__",
        "_fields",
        "_asdict",
        "_layout",
    ]
    value = record_of(*names)
    assert value._fields == tuple(names)
    assert value._asdict()["__class__"] == 0
    assert (len(value), value[1], hash(value)) == (9, 1, hash(tuple(range(9))))
    assert plain(value)["_layout"] == 8


def test_records_are_tuples() -> None:
    value = record_of("a", "b", "c")
    assert value == (0, 1, 2)
    assert {value: "x"}[0, 1, 2] == "x"  # type: ignore[index]
    first, *rest = value
    assert (first, rest) == (0, [1, 2])
    match value:
        case Record(b=1):
            matched = True
        case _:
            matched = False
    assert matched
    assert repr(value) == "odd(a=0, b=1, c=2)"
    with pytest.raises(AttributeError):
        value.a = 5
    with pytest.raises(AttributeError):
        value.d  # noqa: B018


def test_a_record_with_lists_hashes_by_content() -> None:
    types = Types()
    words = types.array(types.u32, 2)
    inner = types.struct("inner", 8, ("words", words, 0))
    codec = types.codec(types.struct("key", 16, ("words", words, 0), ("many", types.array(inner, 1), 8)))
    raw = bytes(range(16))
    assert hash(codec.decode(raw)) == hash(codec.decode(raw))
    assert codec.decode(raw) in {codec.decode(raw)}
    assert codec.decode(raw) not in {codec.decode(bytes(16))}


def test_members_beyond_the_prepared_getters_are_attributes_too() -> None:
    value = record_of(*[f"m{n}" for n in range(200)])
    assert [getattr(value, f"m{n}") for n in (0, 31, 32, 199)] == [0, 31, 32, 199]


def test_a_struct_whose_name_is_no_identifier_still_has_a_class() -> None:
    types = Types()
    value = types.codec(types.struct("a b\udcff", 1, ("x", types.u8, 0))).decode(b"\1")
    assert value == (1,)
    assert repr(value) == "struct(x=1)"


def test_plain_values_are_what_json_writes() -> None:
    types = Types()
    inner = types.struct("inner", 8, ("mac", types.array(types.u8, 4), 0), ("level", types.enum("level", LOW=1), 4))
    choice = types.union("choice", 8, ("real", types.double), ("word", types.u64))
    codec = types.codec(
        types.struct(
            "all",
            40,
            ("comm", types.array(types.char, 4), 0),
            ("ok", types.bool, 4),
            ("in", types.array(inner, 2), 8),
            ("choice", choice, 24),
            ("pointer", types.pointer(0), 32),
        )
    )
    value = codec.decode(
        codec.encode(("a\udcff", True, [(b"\1\2\3\4", "LOW"), (bytes(4), 9)], {"real": float("inf")}, 1 << 63))
    )
    assert json.loads(json.dumps(plain(value))) == {
        "comm": "a\udcff", "ok": True, "in": [{"mac": "01020304", "level": "LOW"}, {"mac": "00000000", "level": 9}],
        "choice": {"real": "inf", "word": 0x7FF0 << 48}, "pointer": 1 << 63,
    }  # fmt: skip
