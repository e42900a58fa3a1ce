from collections import namedtuple
from dataclasses import dataclass
from types import MappingProxyType, SimpleNamespace
from typing import Any

import pytest

from purebpf.btf.codec import Codec, Record
from tests.unit.btf.codec_types import Types


def event(types: Types) -> Any:
    return types.struct(
        "event", 24, ("pid", types.u32, 0), ("ok", types.bool, 4), ("comm", types.array(types.char, 16), 8)
    )


@pytest.fixture
def codec() -> Codec[Any]:
    types = Types()
    return types.codec(event(types))


RAW = b"\7\0\0\0\1\0\0\0" + b"init".ljust(16, b"\0")


@pytest.mark.parametrize("buffer", [RAW, bytearray(RAW), memoryview(RAW), memoryview(RAW).cast("I")])
def test_a_struct_is_decoded_from_any_buffer(codec: Codec[Any], buffer: Any) -> None:
    value = codec.decode(buffer)
    assert value == (7, True, "init")
    assert (value.pid, value.ok, value.comm) == (7, True, "init")


def test_a_struct_is_decoded_at_an_offset_and_in_rows(codec: Codec[Any]) -> None:
    assert codec.decode(b"abc" + RAW + b"d", 3).pid == 7
    assert [value.comm for value in codec.decode_many(RAW + RAW)] == ["init", "init"]
    with pytest.raises(ValueError, match="struct event: it takes 24 bytes at offset 1 of a buffer of 24"):
        codec.decode(RAW, 1)


@dataclass
class Event:
    comm: str
    pid: int
    ok: bool


Swapped = namedtuple("Swapped", "comm ok pid")


@pytest.mark.parametrize(
    "value",
    [
        (7, True, "init"),
        [7, 1, b"init"],
        {"comm": "init", "ok": True, "pid": 7},
        MappingProxyType({"comm": "init", "ok": True, "pid": 7}),
        Event("init", 7, True),
        Swapped("init", True, 7),
        SimpleNamespace(pid=7, ok=True, comm="init", further="ignored"),
    ],
)
def test_a_struct_is_encoded_from_whatever_has_its_members(codec: Codec[Any], value: Any) -> None:
    assert codec.encode(value) == RAW


def test_a_record_of_another_struct_is_taken_by_names(codec: Codec[Any]) -> None:
    types = Types()
    comm = types.array(types.char, 16)
    other = types.codec(types.struct("other", 24, ("comm", comm, 0), ("pid", types.u32, 16), ("ok", types.u8, 20)))
    value = other.decode(other.encode(("init", 7, 1)))
    assert codec.encode(value) == RAW
    pair = types.struct("pair", 12, ("a", types.u32, 0), ("b", types.u32, 4), ("c", types.u32, 8))
    with pytest.raises(TypeError, match="struct event needs its members pid, ok, comm"):
        codec.encode(types.codec(pair).decode(bytes(12)))


def test_missing_and_unknown_members_are_named(codec: Codec[Any]) -> None:
    with pytest.raises(TypeError, match=r"struct event needs its member comm$"):
        codec.encode({"pid": 1, "ok": True})
    with pytest.raises(TypeError, match=r"struct event has no member 'pidd' \(near: pid\)"):
        codec.encode({"pid": 1, "ok": True, "comm": "", "pidd": 1})
    with pytest.raises(TypeError, match=r"has no member 'zzz', 5 \(it has pid, ok, comm\)|has no member 'zzz', '5'"):
        codec.encode({"pid": 1, "ok": True, "comm": "", "zzz": 1, 5: 1})
    with pytest.raises(TypeError, match="struct event needs its members ok, comm"):
        codec.encode(SimpleNamespace(pid=7))


@pytest.mark.parametrize("value", [5, 1.5, "abc", b"abc", None, True, (1, 2), [1, 2, 3, 4], {1, 2, 3}, object()])
def test_a_value_of_another_shape_is_a_type_error(codec: Codec[Any], value: object) -> None:
    with pytest.raises(TypeError, match="expected struct event"):
        codec.encode(value)


def test_padding_is_zero_whatever_was_decoded(codec: Codec[Any]) -> None:
    dirty = bytearray(RAW)
    dirty[5:8] = b"\xff\xff\xff"
    assert codec.encode(codec.decode(dirty)) == RAW


def test_members_that_do_not_fit_are_named_in_fast_and_slow_encoders() -> None:
    types = Types()
    plain = types.codec(types.struct("plain", 8, ("a", types.u32, 0), ("b", types.u32, 4)))
    bits = types.codec(types.bitfields("bits", 8, ("a", types.u32, 0, 32), ("b", types.u32, 32, 7)))
    for codec in (plain, bits):
        with pytest.raises(ValueError, match=r"^b: -1 does not fit"):
            codec.encode((1, -1))
        with pytest.raises(TypeError, match=r"^a: expected unsigned int \(int\), got float 2.0$"):
            codec.encode({"a": 2.0, "b": 1})
    real = types.codec(types.struct("real", 4, ("x", types.float, 0)))
    with pytest.raises(ValueError, match=r"^x: 1e\+300 does not fit float"):
        real.encode((1e300,))


def test_nested_structs_are_records_in_records() -> None:
    types = Types("big")
    inner = types.struct("inner", 8, ("x", types.u8, 0), ("y", types.u32, 4))
    outer = types.codec(types.struct("outer", 20, ("head", types.u16, 0), ("one", inner, 4), ("two", inner, 12)))
    raw = bytes.fromhex("0102000003000000000000040500000000000006")
    value = outer.decode(raw)
    assert value == (0x0102, (3, 4), (5, 6))
    assert isinstance(value.one, Record)
    assert value.two.y == 6
    assert outer.encode(value) == raw
    assert outer.encode({"head": 0x0102, "one": {"x": 3, "y": 4}, "two": (5, 6)}) == raw


def test_members_of_an_anonymous_struct_are_members_of_the_outer_one() -> None:
    types = Types()
    deep = types.struct("", 4, ("c", types.u32, 0))
    anonymous = types.struct("", 8, ("b", types.u32, 0), ("", deep, 4))
    codec = types.codec(types.struct("outer", 16, ("a", types.u32, 0), ("", anonymous, 4), ("d", types.u32, 12)))
    value = codec.decode(bytes.fromhex("01000000020000000300000004000000"))
    assert value._fields == ("a", "b", "c", "d")
    assert codec.encode({"a": 1, "b": 2, "c": 3, "d": 4}) == codec.encode(value)


def test_two_names_alike_are_told_apart_by_position() -> None:
    types = Types()
    codec = types.codec(types.struct("twice", 8, ("x", types.u32, 0), ("x", types.u32, 4)))
    value = codec.decode(bytes.fromhex("0100000002000000"))
    assert value._fields == ("x", "_1")
    assert (value.x, value._1) == (1, 2)
    assert codec.encode(value._asdict()) == bytes.fromhex("0100000002000000")


def test_overlapping_and_unordered_members_are_read_one_by_one() -> None:
    types = Types()
    overlapping = types.codec(types.struct("o", 4, ("whole", types.u32, 0), ("low", types.u16, 0)))
    assert overlapping.decode(b"\1\2\3\4") == (0x04030201, 0x0201)
    assert overlapping.encode((0x04030201, 0x0B0A)) == b"\x0a\x0b\3\4"
    unordered = types.codec(types.struct("u", 4, ("high", types.u16, 2), ("low", types.u16, 0)))
    assert unordered.decode(b"\1\0\2\0") == (2, 1)
    assert unordered.encode((2, 1)) == b"\1\0\2\0"
    with pytest.raises(ValueError, match="a buffer of 3"):
        unordered.decode(bytes(3))


def test_a_struct_of_a_thousand_members_works_like_a_small_one() -> None:
    types = Types()
    codec = types.codec(types.struct("big", 2000, *[(f"m{n}", types.u16, 2 * n) for n in range(1000)]))
    value = codec.decode(b"".join(n.to_bytes(2, "little") for n in range(1000)))
    assert value == tuple(range(1000))
    assert (value.m0, value.m999) == (0, 999)
    assert codec.decode(codec.encode(value)) == value


def test_an_empty_struct_takes_no_bytes() -> None:
    types = Types()
    empty = types.struct("empty", 0)
    codec = types.codec(
        types.struct("holder", 4, ("e", empty, 0), ("n", types.u32, 0), ("es", types.array(empty, 3), 4))
    )
    assert codec.decode(b"\5\0\0\0") == ((), 5, [(), (), ()])
    assert codec.encode(((), 5, [(), (), ()])) == b"\5\0\0\0"


def test_structs_of_one_shape_share_the_generated_code() -> None:
    types = Types()
    one = types.codec(types.struct("one", 8, ("a", types.u32, 0), ("b", types.bool, 4)))
    two = types.codec(types.bitfields("two", 8, ("c", types.u32, 0, 5), ("d", types.u32, 32, 5)))
    three = types.codec(types.bitfields("three", 8, ("e", types.u32, 0, 5), ("f", types.u32, 32, 5)))
    assert two.decode.__code__ is three.decode.__code__
    assert one.decode(b"\1\0\0\0\1\0\0\0")._fields == ("a", "b")
