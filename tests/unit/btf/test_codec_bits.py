import random

import pytest

from purebpf.btf import Int, Member, Struct
from purebpf.units import BitOffset, ByteOrder
from tests.unit.btf.codec_types import Types

ORDERS: list[ByteOrder] = ["little", "big"]


def reference(raw: bytes, at: int, width: int, byteorder: ByteOrder) -> int:
    """The bits of a field by the definition of BTF, one by one."""
    bits = 0
    for n in range(at, at + width):
        in_byte = n % 8 if byteorder == "little" else 7 - n % 8
        bit = raw[n // 8] >> in_byte & 1
        bits |= bit << (n - at if byteorder == "little" else at + width - 1 - n)
    return bits


@pytest.mark.parametrize("byteorder", ORDERS)
def test_fields_of_any_width_at_any_bit_are_read_and_written(byteorder: ByteOrder) -> None:
    chance = random.Random(7)
    for _ in range(60):
        types, members, at = Types(byteorder), [], 0
        while at < 120:
            at += chance.choice((0, 0, 0, 1, 5))
            width = chance.choice((1, 2, 3, 7, 8, 9, 17, 31, 33, 63, 64))
            members.append((f"f{at}", types.u64, at, width))
            at += width
        size = (at + 7) // 8
        codec = types.codec(types.bitfields("s", size, *members))
        raw = chance.randbytes(size)
        value = codec.decode(raw)
        assert list(value) == [reference(raw, at, width, byteorder) for _, _, at, width in members]
        again = codec.encode(value)
        assert codec.decode(again) == value
        covered = bytearray(size)
        for _, _, start, width in members:
            for n in range(start, start + width):
                covered[n // 8] |= 1 << (n % 8 if byteorder == "little" else 7 - n % 8)
        assert again == bytes(byte & mask for byte, mask in zip(raw, covered, strict=True))


@pytest.mark.parametrize("byteorder", ORDERS)
def test_signed_fields_bools_and_enums_in_bits(byteorder: ByteOrder) -> None:
    types = Types(byteorder)
    color = types.enum("color", RED=1, BLUE=5)
    flags = types.bitfields(
        "flags", 4, ("s", types.s32, 0, 5), ("on", types.bool, 5, 1), ("color", color, 6, 3), ("rest", types.u32, 9, 23)
    )
    codec = types.codec(flags)
    value = codec.decode(codec.encode({"s": -16, "on": True, "color": "BLUE", "rest": 3}))
    assert value == (-16, True, 5, 3)
    assert (value.on, value.color.name) == (True, "BLUE")
    with pytest.raises(ValueError, match=r"^s: 16 does not fit int:5$"):
        codec.encode((16, True, 5, 3))
    with pytest.raises(ValueError, match=r"^color: 8 does not fit enum color:3$"):
        codec.encode((1, True, 8, 3))
    with pytest.raises(TypeError, match=r"^on: expected _Bool"):
        codec.encode((1, "yes", 1, 3))


@pytest.mark.parametrize("byteorder", ORDERS)
def test_the_old_encoding_says_the_width_in_the_integer(byteorder: ByteOrder) -> None:
    types = Types(byteorder)
    low = types.writer.add(Int("unsigned int", 4, 3))
    high = types.writer.add(Int("unsigned int", 4, 9, bit_offset=2))
    old = types.writer.add(
        Struct("old", 4, (Member("a", low, BitOffset(1)), Member("b", high, BitOffset(8))), kind_flag=False)
    )
    codec = types.codec(old)
    raw = bytes.fromhex("a5c31e77")
    assert codec.decode(raw) == (reference(raw, 1, 3, byteorder), reference(raw, 10, 9, byteorder))


def test_fields_beside_plain_members_share_one_decoder() -> None:
    types = Types()
    mixed = types.bitfields("mixed", 8, ("a", types.u32, 0, 0), ("b", types.u8, 32, 4), ("c", types.u16, 48, 0))
    codec = types.codec(mixed)
    assert codec.decode(bytes.fromhex("01000000f5000200")) == (1, 5, 2)
    assert codec.encode((1, 5, 2)) == bytes.fromhex("0100000005000200")


def test_a_field_in_a_nested_struct_and_in_a_list_of_them() -> None:
    types = Types()
    inner = types.bitfields("inner", 3, ("a", types.u32, 0, 10), ("b", types.s32, 10, 14))
    outer = types.struct("outer", 10, ("first", inner, 0), ("head", types.u8, 3), ("many", types.array(inner, 2), 4))
    codec = types.codec(outer)
    value = ((1000, -8000), 7, [(1, -1), (1023, 8191)])
    assert codec.decode(codec.encode(value)) == value
    assert codec.inline is not None


def test_a_short_buffer_is_a_value_error() -> None:
    types = Types()
    codec = types.codec(types.integer("three", 4, bits=3))
    with pytest.raises(ValueError, match="at offset 2 of a buffer of 5"):
        codec.decode(bytes(5), 2)
