"""Gaps between members."""

import pytest

from purebpf.btf.padding import padding


@pytest.mark.parametrize(
    ("begin", "end", "lines"),
    [
        (0, 0, []),
        (0, 64, ["long long: 64;"]),
        (8, 64, ["char: 8;", "short: 16;", "int: 32;"]),
        (3, 32, ["char: 5;", "char: 8;", "short: 16;"]),
        (28, 31, ["char: 3;"]),
        (0, 64 * 17, ["long long: 64;"] * 16 + ["char __padding_128[8];"]),
    ],
)
def test_padding_fills_the_bits_between(begin: int, end: int, lines: list[str]) -> None:
    assert padding(begin, end) == lines


def test_a_gap_of_gigabytes_that_does_not_end_at_a_byte_is_filled_in_a_few_lines() -> None:
    assert padding(5, (1 << 35) + 3)[-2:] == [f"char __padding_104[{(1 << 32) - 104}];", "char: 3;"]
    assert len(padding(5, (1 << 35) + 3)) == 18
