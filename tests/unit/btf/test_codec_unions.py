from typing import Any

import pytest

from purebpf.btf.codec import Codec, UnionValue, plain
from tests.unit.btf.codec_types import Types


def address(types: Types, name: str = "address") -> Any:
    return types.union(
        name, 8, ("v4", types.u32), ("words", types.array(types.u16, 4)), ("raw", types.array(types.u8, 8))
    )


@pytest.fixture
def codec() -> Codec[Any]:
    types = Types()
    return types.codec(address(types))


def test_each_member_is_decoded_from_the_same_bytes(codec: Codec[Any]) -> None:
    value = codec.decode(b"\xff\1\0\0\0\2\0\3\0", 1)
    assert isinstance(value, UnionValue)
    assert (value.v4, value.words, value.raw) == (1, [1, 0, 2, 3], b"\1\0\0\0\2\0\3\0")
    assert bytes(value) == value.raw
    with pytest.raises(AttributeError):
        value.v6  # noqa: B018


def test_a_union_is_encoded_from_one_member_the_rest_being_zero(codec: Codec[Any]) -> None:
    assert codec.encode({"v4": 1}) == b"\1\0\0\0\0\0\0\0"
    assert codec.encode({"words": [1, 2, 3, 4]}) == b"\1\0\2\0\3\0\4\0"
    assert codec.encode(b"abcdefgh") == b"abcdefgh"
    assert codec.encode(codec.decode(b"abcdefgh")) == b"abcdefgh"


@pytest.mark.parametrize(
    ("value", "error", "text"),
    [
        ({}, TypeError, "exactly one of v4, words, raw, not 0 of them"),
        ({"v4": 1, "raw": bytes(8)}, TypeError, "not 2 of them"),
        ({"v6": 1}, TypeError, "union address has no member 'v6'"),
        ({"v4": -1}, ValueError, r"^v4: -1 does not fit unsigned int"),
        (b"abc", ValueError, r"3 bytes do not fit union address \(8 bytes exactly\)"),
        (5, TypeError, "expected union address"),
        ((1, 2), TypeError, "expected union address"),
    ],
)
def test_what_a_union_cannot_be_made_of_is_refused(
    codec: Codec[Any], value: object, error: type[Exception], text: str
) -> None:
    with pytest.raises(error, match=text):
        codec.encode(value)


def test_unions_compare_and_hash_by_their_bytes_and_do_not_change(codec: Codec[Any]) -> None:
    one, same, other = codec.decode(bytes(8)), codec.decode(bytes(8)), codec.decode(b"abcdefgh")
    assert one == same
    assert one != other
    assert one == bytes(8)
    assert {one, same, other} == {one, other}
    with pytest.raises(AttributeError, match="cannot be changed"):
        one.v4 = 5
    assert repr(codec.decode(b"\1\0\0\0\0\0\0\0")).startswith("address(v4=1, words=[1, 0, 0, 0], raw=b'")


def holder(types: Types) -> Any:
    halves = types.struct("", 8, ("low", types.u32, 0), ("high", types.u32, 4))
    anonymous = types.union("", 8, ("whole", types.u64), ("", halves))
    return types.struct("holder", 24, ("kind", types.u32, 0), ("", anonymous, 8), ("port", types.u16, 16))


def test_members_of_an_anonymous_union_are_attributes_of_the_struct() -> None:
    types = Types()
    codec = types.codec(holder(types))
    raw = bytes.fromhex("010000000000000002000000030000005000000000000000")
    value = codec.decode(raw)
    assert (value.kind, value.whole, value.low, value.high, value.port) == (1, 0x300000002, 2, 3, 80)
    assert value._fields == ("kind", "_1", "port")
    assert value._1.low == 2
    assert plain(value) == {"kind": 1, "whole": 0x300000002, "low": 2, "high": 3, "port": 80}
    assert repr(value) == "holder(kind=1, union(whole=12884901890, struct(low=2, high=3)), port=80)"
    for given in (value, tuple(value), value._asdict()):
        assert codec.encode(given) == raw


def test_an_anonymous_union_is_given_by_one_alternative() -> None:
    types = Types()
    codec = types.codec(holder(types))
    by_parts = codec.encode({"kind": 1, "low": 2, "high": 3, "port": 80})
    assert by_parts == codec.encode({"kind": 1, "whole": 0x300000002, "port": 80})
    assert by_parts == codec.encode({"kind": 1, "_1": {"whole": 0x300000002}, "port": 80})
    with pytest.raises(TypeError, match="exactly one of whole, low, high, not 2 of them"):
        codec.encode({"kind": 1, "whole": 1, "low": 2, "high": 3, "port": 80})
    with pytest.raises(TypeError, match="needs its member high"):
        codec.encode({"kind": 1, "low": 2, "port": 80})
    with pytest.raises(TypeError, match="struct holder needs its member whole or low or high"):
        codec.encode({"kind": 1, "port": 80})
    with pytest.raises(TypeError, match="given an anonymous union twice"):
        codec.encode({"kind": 1, "_1": bytes(8), "whole": 2, "port": 80})


def test_a_union_in_a_union_without_a_name_is_one_with_it() -> None:
    types = Types()
    inner = types.union("", 4, ("b", types.u32), ("c", types.u8))
    codec = types.codec(types.union("outer", 4, ("a", types.u16), ("", inner)))
    assert codec.decode(b"\1\2\3\4")._fields == ("a", "b", "c")
    assert codec.encode({"c": 9}) == b"\x09\0\0\0"


def test_bitfields_in_a_union() -> None:
    types = Types("big")
    flags = types.bitfields("", 1, ("f", types.u8, 0, 3), ("g", types.u8, 3, 5))
    codec = types.codec(types.union("outer", 4, ("all", types.u32), ("flags", flags)))
    assert codec.decode(b"\xa1\0\0\0").flags == (5, 1)
    assert codec.encode({"flags": (5, 1)}) == b"\xa1\0\0\0"
