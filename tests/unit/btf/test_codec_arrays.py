import array
from collections import deque

import pytest

from tests.unit.btf.codec_types import Types


def test_a_char_array_is_text_up_to_the_first_nul() -> None:
    types = Types()
    codec = types.codec(types.array(types.char, 8))
    assert codec.decode(b"init\0\xff\xfe\0") == "init"
    assert codec.decode(b"fullsize") == "fullsize"
    assert codec.decode(bytes(8)) == ""
    assert codec.decode("grün".encode() + b"\0\0\0") == "grün"


def test_text_that_is_no_utf8_comes_back_as_it_was() -> None:
    types = Types()
    codec = types.codec(types.array(types.char, 4))
    text = codec.decode(b"a\xff\xfe\0")
    assert text == "a\udcff\udcfe"
    assert codec.encode(text) == b"a\xff\xfe\0"
    with pytest.raises(ValueError, match="cannot be written as UTF-8"):
        codec.encode("\ud800")


def test_text_is_encoded_from_str_and_bytes_and_may_fill_the_array() -> None:
    types = Types()
    codec = types.codec(types.array(types.char, 4))
    assert codec.encode("ab") == b"ab\0\0"
    assert codec.encode("abcd") == b"abcd"
    assert codec.encode(bytearray(b"x\0y")) == b"x\0y\0"
    with pytest.raises(ValueError, match=r"5 bytes do not fit char\[4\]"):
        codec.encode("abcde")
    with pytest.raises(ValueError, match=r"6 bytes do not fit char\[4\]"):
        codec.encode("üüü")
    with pytest.raises(TypeError, match=r"expected char\[4\] \(str or bytes\), got int 5"):
        codec.encode(5)


@pytest.mark.parametrize(
    ("name", "signed", "char", "value"),
    [
        ("char", True, False, "ab"),
        ("char", False, False, "ab"),
        ("char", True, True, "ab"),
        ("unsigned char", False, False, b"ab"),
        ("unsigned char", False, True, b"ab"),
        ("signed char", True, False, [97, 98]),
        ("signed char", True, True, [97, 98]),
        ("character", False, True, "ab"),
    ],
)
def test_clang_gcc_and_pahole_mark_bytes_differently_and_mean_the_same(
    name: str, signed: bool, char: bool, value: object
) -> None:
    types = Types()
    element = types.integer(name, 1, signed=signed, char=char)
    codec = types.codec(types.array(types.typedef("byte", element), 2))
    assert codec.decode(b"ab") == value
    assert codec.encode(value) == b"ab"


def test_an_unsigned_byte_array_takes_exactly_its_bytes() -> None:
    types = Types()
    codec = types.codec(types.array(types.u8, 3))
    assert codec.encode(memoryview(b"\1\2\3")) == b"\1\2\3"
    for short in (b"", b"\1\2", b"\1\2\3\4"):
        with pytest.raises(ValueError, match="exactly"):
            codec.encode(short)
    for wrong in ("abc", [1, 2, 3], 3):
        with pytest.raises(TypeError, match=r"expected unsigned char\[3\] \(3 bytes\)"):
            codec.encode(wrong)


def test_other_arrays_are_lists_and_taken_from_any_sequence() -> None:
    types = Types("big")
    codec = types.codec(types.array(types.u16, 3))
    raw = b"\0\1\0\2\0\3"
    assert codec.decode(b"\xff" + raw, 1) == [1, 2, 3]
    for value in ([1, 2, 3], (1, 2, 3), range(1, 4), array.array("H", [1, 2, 3]), deque([1, 2, 3])):
        assert codec.encode(value) == raw
    with pytest.raises(ValueError, match=r"2 elements do not fit unsigned short\[3\] \(3 exactly\)"):
        codec.encode([1, 2])
    for wrong in ("abc", b"abc", {1: 2}, {1, 2, 3}, 7, iter([1, 2, 3])):
        with pytest.raises(TypeError, match=r"expected unsigned short\[3\] \(a sequence of 3\)"):
            codec.encode(wrong)
    with pytest.raises(ValueError, match=r"^\[1\]: -2 does not fit unsigned short$"):
        codec.encode([1, -2, 3])
    with pytest.raises(ValueError, match="a buffer of 5"):
        codec.decode(bytes(5))


def test_arrays_of_arrays_nest_as_in_c() -> None:
    types = Types()
    grid = types.codec(types.array(types.array(types.s8, 3), 2))
    assert grid.decode(b"\1\2\3\xff\5\6") == [[1, 2, 3], [-1, 5, 6]]
    assert grid.encode([[1, 2, 3], (-1, 5, 6)]) == b"\1\2\3\xff\5\6"
    with pytest.raises(ValueError, match=r"^\[1\]\[2\]: 128 does not fit signed char$"):
        grid.encode([[1, 2, 3], [4, 5, 128]])
    lines = types.codec(types.array(types.array(types.char, 3), 2))
    assert lines.decode(b"ab\0cde") == ["ab", "cde"]


@pytest.mark.parametrize("count", [1, 31, 33, 1000])
def test_lists_of_every_length_are_decoded_alike(count: int) -> None:
    types = Types()
    pair = types.struct("pair", 8, ("a", types.u32, 0), ("b", types.bool, 4))
    level = types.enum("level", LOW=1)
    pairs, numbers, levels = (types.array(element, count) for element in (pair, types.u32, level))
    at_numbers, at_levels = 8 + 8 * count, 8 + 12 * count
    holder = types.struct(
        "holder", 16 * count + 8,
        ("head", types.u64, 0), ("pairs", pairs, 8), ("numbers", numbers, at_numbers), ("levels", levels, at_levels),
    )  # fmt: skip
    codec = types.codec(holder)
    value = (5, [(n, n % 2 == 0) for n in range(count)], list(range(count)), [1] * count)
    raw = codec.encode(value)
    assert codec.decode(raw) == value
    assert codec.decode(raw).levels[0].name == "LOW"


def test_a_flexible_array_takes_the_whole_elements_that_the_buffer_holds() -> None:
    types = Types()
    tail = types.array(types.u16, 0)
    codec = types.codec(types.struct("message", 4, ("length", types.u32, 0), ("items", tail, 4)))
    assert codec.size == 4
    assert codec.decode(b"\2\0\0\0") == (2, [])
    assert codec.decode(b"\2\0\0\0\1\0\2\0\3") == (2, [1, 2])
    assert codec.decode(b"\xff\2\0\0\0\1\0", 1).items == [1]
    assert codec.encode({"length": 2}) == b"\2\0\0\0"
    assert codec.encode((2, [1, 2])) == b"\2\0\0\0\1\0\2\0"
    with pytest.raises(ValueError, match=r"^items\[1\]: -1 does not fit"):
        codec.encode((2, [1, -1]))
    with pytest.raises(ValueError, match="no fixed length"):
        codec.decode_many(bytes(8))


def test_flexible_text_and_bytes_take_the_rest() -> None:
    types = Types()
    text = types.codec(types.struct("t", 2, ("n", types.u16, 0), ("text", types.array(types.char, 0), 2)))
    assert text.decode(b"\1\0hello\0rest") == (1, "hello")
    assert text.encode((1, "hello")) == b"\1\0hello"
    data = types.codec(types.struct("d", 2, ("n", types.u16, 0), ("data", types.array(types.u8, 0), 2)))
    assert data.decode(b"\1\0hello\0rest") == (1, b"hello\0rest")
    assert data.encode((1, b"xyz")) == b"\1\0xyz"
    with pytest.raises(TypeError, match=r"^data: "):
        data.encode((1, "xyz"))


def test_a_flexible_array_begins_in_the_padding_of_its_struct() -> None:
    types = Types()
    codec = types.codec(
        types.struct("p", 16, ("a", types.u64, 0), ("b", types.u32, 8), ("data", types.array(types.u8, 0), 12))
    )
    assert codec.decode(bytes(12) + b"abcdef").data == b"abcdef"
    assert codec.encode((1, 2, b"x")) == (1).to_bytes(8, "little") + b"\2\0\0\0x\0\0\0"


def test_a_flexible_array_inside_other_values_is_empty() -> None:
    types = Types()
    inner = types.struct("inner", 4, ("n", types.u32, 0), ("tail", types.array(types.u32, 0), 4))
    outer = types.codec(types.struct("outer", 12, ("many", types.array(inner, 2), 0), ("end", types.u32, 8)))
    assert outer.decode(bytes(range(1, 13)))[0] == [(0x04030201, []), (0x08070605, [])]
    last = types.codec(types.struct("last", 8, ("a", types.u32, 0), ("inner", inner, 4)))
    assert last.decode(b"\1\0\0\0\2\0\0\0\3\0\0\0") == (1, (2, [3]))
    assert last.encode((1, (2, [3]))) == b"\1\0\0\0\2\0\0\0\3\0\0\0"
