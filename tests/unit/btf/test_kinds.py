"""The walk over the type section."""

import struct

import pytest

from purebpf.btf.kinds import HEAD_SIZE, KNOWN_SIZES, RECORD_SIZES, UNKNOWN_SIZE, scan_types, with_layout
from purebpf.btf.types import Kind

KNOWN = [kind for kind in Kind if kind is not Kind.VOID]


def words(*values: int) -> memoryview:
    return memoryview(struct.pack(f"={len(values)}I", *values))


@pytest.mark.parametrize("kind", KNOWN, ids=lambda kind: kind.name)
@pytest.mark.parametrize("kind_flag", [0, 1 << 31])
def test_each_record_is_as_long_as_its_kind_says(kind: Kind, kind_flag: int) -> None:
    info, element = RECORD_SIZES[kind]
    record = [0, kind_flag | kind << 24 | 3, 0] + [9] * ((info + 3 * element) // 4)
    offsets, _, end = scan_types(words(*record, 0, Kind.PTR << 24, 0), False, KNOWN_SIZES)
    assert list(memoryview(offsets).cast("I")) == [0, len(record)]
    assert end == len(record) + HEAD_SIZE // 4


def test_words_of_the_other_byte_order_are_swapped() -> None:
    record = memoryview(struct.pack("=III", 0, Kind.FWD << 24, 0)[::-1])
    offsets, _, end = scan_types(record, True, KNOWN_SIZES)
    assert (list(memoryview(offsets).cast("I")), end) == ([0], 3)


@pytest.mark.parametrize(
    "rest", [[0], [0, Kind.PTR << 24], [0, Kind.INT << 24, 4], [0, Kind.STRUCT << 24 | 1, 4, 0], [0, 0, 0]]
)
def test_the_walk_ends_at_the_record_that_is_not_whole_or_not_known(rest: list[int]) -> None:
    offsets, _, end = scan_types(words(0, Kind.PTR << 24, 0, *rest), False, KNOWN_SIZES)
    assert (list(memoryview(offsets).cast("I")), end) == ([0], 3)


def test_no_types_are_no_error() -> None:
    offsets, _, end = scan_types(words(), False, KNOWN_SIZES)
    assert (list(memoryview(offsets).cast("I")), end) == ([], 0)


def test_a_layout_adds_kinds_and_does_not_touch_known_ones() -> None:
    layout = bytes((200, 200, 0, 0)) * len(RECORD_SIZES) + bytes((4, 12, 0, 0)) + bytes((3, 0, 0, 0))
    sizes = with_layout(layout)
    assert sizes[: 2 * len(RECORD_SIZES)] == KNOWN_SIZES[: 2 * len(RECORD_SIZES)]
    assert tuple(sizes[40:42]) == (4, 12)
    assert tuple(sizes[42:44]) == (UNKNOWN_SIZE, UNKNOWN_SIZE)


def test_a_layout_of_more_kinds_than_there_can_be_is_cut() -> None:
    assert len(with_layout(bytes(4 * 1000))) == len(KNOWN_SIZES)
