"""Which values the C side converts, and how values of every CPU lie side by side."""

import struct
import sys

import pytest

from purebpf.btf import Btf, BtfWriter, Int
from purebpf.btf.codec.scalars import bool_codec, float_codec, int_codec
from purebpf.live.maps.codecs import BYTES, SIGNED, UNSIGNED, PerCpuCodec, RawCodec, entry_codec, integer_kind
from purebpf.units import ByteOrder

NATIVE: ByteOrder = "little" if sys.byteorder == "little" else "big"
FOREIGN: ByteOrder = "big" if sys.byteorder == "little" else "little"


@pytest.mark.parametrize("size", [1, 2, 4, 8])
def test_plain_integers_are_left_to_the_c_side(size: int) -> None:
    assert integer_kind(int_codec("u", size, False, NATIVE)) == UNSIGNED
    assert integer_kind(int_codec("s", size, True, NATIVE)) == SIGNED


@pytest.mark.parametrize(
    "codec",
    [
        int_codec("u128", 16, False, NATIVE),
        int_codec("u32", 4, False, FOREIGN),
        bool_codec("bool", 1, NATIVE),
        float_codec("double", 8, NATIVE),
        RawCodec(4),
        PerCpuCodec(int_codec("u64", 8, False, NATIVE), 2),
    ],
    ids=repr,
)
def test_everything_else_is_bytes_to_the_c_side(codec: RawCodec) -> None:
    assert integer_kind(codec) == BYTES


@pytest.mark.parametrize(("size", "stride"), [(1, 8), (4, 8), (8, 8), (9, 16), (12, 16), (16, 16)])
def test_each_cpu_has_a_multiple_of_eight_bytes(size: int, stride: int) -> None:
    codec = PerCpuCodec(RawCodec(size), 3)
    values = [bytes([cpu]) * size for cpu in (1, 2, 3)]
    assert codec.size == 3 * stride
    encoded = codec.encode(values)
    assert encoded == b"".join(value.ljust(stride, b"\0") for value in values)
    assert codec.decode(b"xx" + encoded, 2) == values


def test_per_cpu_values_are_a_list_of_the_right_length() -> None:
    codec = PerCpuCodec(int_codec("u32", 4, False, NATIVE), 2)
    with pytest.raises(ValueError, match="expected 2 values, one for each possible CPU, got 3"):
        codec.encode([1, 2, 3])
    for wrong in (5, b"12", "12", None):
        with pytest.raises(TypeError, match="one for each CPU"):
            codec.encode(wrong)  # type: ignore[arg-type]


@pytest.mark.parametrize(("value", "error"), [("abcd", TypeError), (5, TypeError), (b"abc", ValueError)])
def test_raw_values_are_bytes_of_one_length(value: bytes, error: type[Exception]) -> None:
    with pytest.raises(error, match="expected 4 bytes"):
        RawCodec(4).encode(value)


def test_raw_values_are_copies() -> None:
    buffer = bytearray(b"abcdefgh")
    value = RawCodec(4).decode(buffer, 2)
    buffer[:] = bytes(8)
    assert value == b"cdef"
    assert RawCodec(4).encode(memoryview(b"wxyz")) == b"wxyz"


def test_a_declared_type_of_another_size_than_the_map_says_is_not_used() -> None:
    writer = BtfWriter(byteorder=NATIVE)
    u32 = writer.add(Int("u32", 4, 32))
    btf = Btf.parse(writer.build())
    assert entry_codec(btf, u32, 4).decode(struct.pack("=I", 7)) == 7
    assert isinstance(entry_codec(btf, u32, 8), RawCodec)
    assert isinstance(entry_codec(btf, 0, 8), RawCodec)
    assert isinstance(entry_codec(None, u32, 4), RawCodec)
