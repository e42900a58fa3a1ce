from fractions import Fraction
from typing import Any

import pytest

from purebpf.btf.codec import plain
from purebpf.btf.types import Const, Float, Int, Volatile
from purebpf.enums import IntEnum
from purebpf.units import ByteOrder, TypeId
from tests.unit.btf.codec_types import Types

ORDERS: list[ByteOrder] = ["little", "big"]


@pytest.mark.parametrize("byteorder", ORDERS)
@pytest.mark.parametrize("size", [1, 2, 4, 8, 16])
@pytest.mark.parametrize("signed", [False, True])
def test_integers_of_every_size_keep_their_extremes(byteorder: ByteOrder, size: int, signed: bool) -> None:
    types = Types(byteorder)
    codec = types.codec(types.integer("number", size, signed=signed))
    low = -(1 << (8 * size - 1)) if signed else 0
    for value in (low, low + 1, 0, 1, low + (1 << 8 * size) - 1):
        raw = value.to_bytes(size, byteorder, signed=signed)
        assert codec.decode(raw) == value
        assert codec.decode(b"\xaa" * 3 + raw + b"\xaa", 3) == value
        assert codec.encode(value) == raw
    for value in (low - 1, low + (1 << 8 * size)):
        with pytest.raises(ValueError, match=f"^{value} does not fit number$"):
            codec.encode(value)
    assert codec.size == size


@pytest.mark.parametrize("value", [1.0, "1", None, b"1", [1], Fraction(1)])
@pytest.mark.parametrize("size", [4, 16])
def test_what_is_no_integer_is_not_taken_for_one(value: object, size: int) -> None:
    types = Types()
    with pytest.raises(TypeError, match=r"^expected word \(int\), got "):
        types.codec(types.integer("word", size)).encode(value)


def test_a_bool_and_whatever_has_an_index_is_an_int() -> None:
    class Port:
        def __index__(self) -> int:
            return 513

    types = Types()
    assert types.codec(types.u16).encode(True) == b"\1\0"
    assert types.codec(types.u16).encode(Port()) == b"\1\2"


def test_a_gigantic_integer_is_refused_without_being_written_out() -> None:
    types = Types()
    with pytest.raises(ValueError, match="an integer of 100001 bits does not fit unsigned int"):
        types.codec(types.u32).encode(1 << 100_000)


def test_the_outermost_typedef_names_the_type_and_modifiers_are_looked_through() -> None:
    types = Types()
    inner = types.typedef("__u16", types.writer.add(Volatile(types.u16)))
    outer = types.typedef("port_t", types.writer.add(Const(inner)))
    with pytest.raises(ValueError, match="70000 does not fit port_t"):
        types.codec(outer).encode(70000)
    assert types.codec(outer).decode(b"\x50\0") == 80


@pytest.mark.parametrize("size", [1, 4])
def test_bools_are_bools_and_take_0_and_1(size: int) -> None:
    types = Types()
    codec = types.codec(types.integer("bool", size, boolean=True))
    assert codec.decode(bytes(size)) is False
    assert codec.decode(b"\2" + bytes(size - 1)) is True
    assert [codec.encode(value)[0] for value in (True, False, 1, 0)] == [1, 0, 1, 0]
    with pytest.raises(ValueError, match="2 does not fit bool"):
        codec.encode(2)
    for value in ("yes", 1.0, None):
        with pytest.raises(TypeError, match="expected bool"):
            codec.encode(value)


@pytest.mark.parametrize("byteorder", ORDERS)
def test_floats_are_floats(byteorder: ByteOrder) -> None:
    types = Types(byteorder)
    single, double = types.codec(types.float), types.codec(types.double)
    assert single.decode(single.encode(-2.5)) == -2.5
    assert double.decode(double.encode(0.1)) == 0.1
    assert double.encode(3) == double.encode(3.0)
    assert double.encode(1.0)[0] == (0 if byteorder == "little" else 0x3F)
    with pytest.raises(ValueError, match="does not fit float"):
        single.encode(1e300)
    with pytest.raises(TypeError, match="expected double"):
        double.encode("1.0")


def test_a_long_double_stays_bytes() -> None:
    types = Types()
    codec = types.codec(types.writer.add(Float("long double", 16)))
    assert codec.decode(bytes(range(16))) == bytes(range(16))
    assert codec.encode(bytes(16)) == bytes(16)
    with pytest.raises(ValueError, match="15 bytes do not fit long double"):
        codec.encode(bytes(15))
    with pytest.raises(TypeError, match="expected long double"):
        codec.encode(1.5)


def test_a_known_value_of_an_enum_is_a_member_and_an_unknown_one_an_int() -> None:
    types = Types()
    codec = types.codec(types.enum("state", IDLE=0, BUSY=7))
    busy = codec.decode(b"\7\0\0\0")
    assert isinstance(busy, IntEnum)
    assert (busy.name, busy, type(busy).__name__) == ("BUSY", 7, "state")
    assert type(codec.decode(b"\7\0\0\0")) is type(codec.decode(bytes(4)))
    assert type(codec.decode(b"\x08\0\0\0")) is int


@pytest.mark.parametrize("size", [1, 2, 4, 8])
@pytest.mark.parametrize("byteorder", ORDERS)
def test_enums_of_every_size_are_encoded_from_numbers_members_and_names(size: int, byteorder: ByteOrder) -> None:
    types = Types(byteorder)
    codec = types.codec(types.enum("level", True, size, LOW=-3, HIGH=9))
    low = codec.decode((-3).to_bytes(size, byteorder, signed=True))
    assert low == -3
    assert {codec.encode(value) for value in (-3, low, "LOW")} == {(-3).to_bytes(size, byteorder, signed=True)}


def test_what_an_enum_does_not_know_or_hold_is_refused() -> None:
    types = Types()
    codec = types.codec(types.enum("state", IDLE=0, BUSY=7))
    with pytest.raises(ValueError, match="'LAZY' is no enumerator of enum state"):
        codec.encode("LAZY")
    with pytest.raises(ValueError, match="-1 does not fit enum state"):
        codec.encode(-1)
    with pytest.raises(TypeError, match=r"expected enum state \(int or enumerator\), got float 7.0"):
        codec.encode(7.0)
    assert codec.encode(12345) == (12345).to_bytes(4, "little")


def test_enumerators_with_names_that_python_reserves_are_known_by_value_and_name() -> None:
    types = Types()
    names = {"mro": 1, "_sunder_": 2, "__dunder__": 3, "name": 4, "value": 5, "class": 6, "no identifier": 7, "OK": 8}
    codec = types.codec(types.enum("odd", **names))
    for name, value in names.items():
        raw = value.to_bytes(4, "little")
        assert codec.decode(raw) == value
        assert codec.encode(name) == raw
    assert plain(codec.decode(b"\4\0\0\0")) == "name"
    assert plain(codec.decode(b"\1\0\0\0")) == 1


def test_pointers_are_unsigned_and_named_after_their_target() -> None:
    types = Types()
    node = types.writer.next_id
    pointer = types.pointer(node + 1)
    types.struct("node", 8, ("next", pointer, 0))
    codec = types.codec(pointer)
    assert codec.decode(b"\xff" * 8) == (1 << 64) - 1
    with pytest.raises(ValueError, match=r"-1 does not fit struct node \*"):
        codec.encode(-1)
    assert types.codec(types.pointer(0)).type_name == "void *"


@pytest.mark.parametrize("buffer", [b"\1\0", bytearray(2), memoryview(b"")])
def test_a_buffer_that_ends_early_is_a_value_error(buffer: Any) -> None:
    types = Types()
    for type_id in (types.u32, types.integer("wide", 16), types.enum("e", A=1)):
        with pytest.raises(ValueError, match=f"at offset 0 of a buffer of {len(buffer)}$"):
            types.codec(type_id).decode(buffer)


def test_values_one_behind_the_other_are_decoded_at_once() -> None:
    types = Types()
    codec = types.codec(types.u16)
    assert codec.decode_many(b"\1\0\2\0\3\0") == [1, 2, 3]
    with pytest.raises(ValueError, match="3 bytes are no multiple of 2"):
        codec.decode_many(b"\1\0\2")


def test_an_integer_of_few_bits_is_taken_from_its_storage() -> None:
    types = Types()
    codec = types.codec(types.writer.add(Int("three", 4, 3, TypeId(0), signed=True)))
    assert codec.size == 4
    assert codec.decode(b"\xfd\xff\xff\xff") == -3
    assert codec.encode(-3) == b"\5\0\0\0"
    with pytest.raises(ValueError, match="4 does not fit three:3"):
        codec.encode(4)
