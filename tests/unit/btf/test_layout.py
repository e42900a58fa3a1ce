"""Sizes and alignments, and the types that have none."""

import struct
import time

import pytest

from purebpf.btf import (
    Array,
    Btf,
    BtfError,
    BtfType,
    BtfWriter,
    Const,
    DataSection,
    DeclTag,
    Enum,
    Float,
    Forward,
    Function,
    FunctionProto,
    Int,
    Member,
    Pointer,
    Struct,
    Typedef,
    Union,
    Variable,
    Void,
    align_of,
    size_of,
)
from purebpf.btf.layout import bit_place, is_packed
from purebpf.units import BitOffset, TypeId

INT = Int("int", 4, 32, signed=True)
LONG = Int("long long", 8, 64, signed=True)


def parsed(*kinds: BtfType) -> Btf:
    writer = BtfWriter()
    for kind in kinds:
        writer.add(kind)
    return Btf.parse(writer.build())


def at(type_id: int, bit_offset: int, bitfield_size: int = 0) -> Member:
    return Member("m", TypeId(type_id), BitOffset(bit_offset), bitfield_size)


@pytest.mark.parametrize(
    ("kind", "size", "alignment"),
    [
        (LONG, 8, 8),
        (Int("__int128", 16, 128), 16, 16),
        (Pointer(TypeId(0)), 8, 8),
        (Enum("e", 1, ()), 1, 1),
        (Enum("e", 8, (), wide=True), 8, 8),
        (Float("long double", 12), 12, 4),
        (Float("double", 8), 8, 8),
        (Array(TypeId(1), TypeId(1), 3), 12, 4),
        (Array(TypeId(1), TypeId(1), 0), 0, 4),
        (Typedef("t", TypeId(1)), 4, 4),
        (Const(TypeId(1)), 4, 4),
        (Variable("v", TypeId(1)), 4, 4),
        (DeclTag("d", TypeId(1)), 4, 4),
        (Struct("s", 8, (at(1, 0), at(1, 32))), 8, 4),
        (Struct("packed", 5, (at(1, 8),)), 5, 1),
        (Struct("packed_at_its_end", 5, (at(1, 0),)), 5, 1),
        (Struct("crossing", 8, (at(1, 0, 30), at(1, 30, 8)), True), 8, 1),
        (Struct("bits", 4, (at(1, 0, 30), at(1, 30, 2)), True), 4, 4),
        (Union("u", 4, (at(1, 0),)), 4, 4),
        (Struct("empty", 0, ()), 0, 1),
    ],
    ids=repr,
)
def test_size_and_alignment(kind: BtfType, size: int, alignment: int) -> None:
    btf = parsed(INT, kind)
    assert size_of(btf, 2) == size
    assert align_of(btf, 2) == alignment


def test_pointers_are_as_wide_as_long() -> None:
    btf = parsed(Int("long unsigned int", 4, 32), Pointer(TypeId(0)), LONG)
    assert (size_of(btf, 2), align_of(btf, 2)) == (4, 4)
    assert align_of(btf, 3) == 4


@pytest.mark.parametrize(
    "kind",
    [Forward("f"), FunctionProto(TypeId(0), ()), Function("f", TypeId(1)), Typedef("t", TypeId(0)), Void()],
    ids=repr,
)
def test_a_type_without_a_size_is_a_btf_error(kind: BtfType) -> None:
    btf = parsed(INT) if kind == Void() else parsed(INT, kind)
    type_id = 0 if kind == Void() else 2
    with pytest.raises(BtfError, match="has no size: it leads to"):
        size_of(btf, type_id)
    with pytest.raises(BtfError, match="has no alignment"):
        align_of(btf, type_id)


def test_a_data_section_has_a_size() -> None:
    assert size_of(parsed(DataSection(".data", 12, ())), 1) == 12


def test_arrays_of_arrays_beyond_32_bits_are_a_btf_error() -> None:
    btf = parsed(INT, *(Array(TypeId(level), TypeId(1), 1 << 31) for level in range(1, 40)))
    with pytest.raises(BtfError, match="more than 4294967295 bytes"):
        size_of(btf, 2)
    with pytest.raises(BtfError, match="more than 4294967295 bytes"):
        size_of(btf, 40)


@pytest.mark.parametrize("kind", [Typedef("t", TypeId(1)), Array(TypeId(1), TypeId(1), 1), Const(TypeId(1))], ids=repr)
def test_a_type_made_of_itself_is_a_btf_error(kind: BtfType) -> None:
    btf = parsed(kind)
    for ask in (size_of, align_of):
        with pytest.raises(BtfError, match="defined in terms of itself"):
            ask(btf, 1)


def test_a_struct_that_embeds_itself_has_a_size_and_no_alignment() -> None:
    btf = parsed(Struct("s", 8, (at(2, 0),)), Struct("t", 8, (at(1, 0),)))
    assert size_of(btf, 1) == 8
    with pytest.raises(BtfError, match="contains itself"):
        align_of(btf, 1)


def test_structs_nested_twenty_thousand_deep_are_measured_without_recursion() -> None:
    writer = BtfWriter()
    writer.add(INT)
    for inner in range(1, 20_000):
        writer.add_record(struct.pack("<IIIIII", 0, 4 << 24 | 1, 4, 0, inner, 0))
    btf = Btf.parse(writer.build())
    begin = time.thread_time()
    assert align_of(btf, 20_000) == 4
    assert time.thread_time() - begin < 5


def test_members_that_share_types_do_not_multiply_the_work() -> None:
    kinds = [INT, *(Struct("", 4, (at(level, 0), at(level, 0))) for level in range(1, 200))]
    assert align_of(parsed(*kinds), 200) == 4


def test_packed_is_what_misplaces_a_member() -> None:
    btf = parsed(INT, Struct("p", 5, (at(1, 8),)), Struct("n", 4, (at(1, 0),)), Typedef("t", TypeId(2)))
    assert [is_packed(btf, type_id) for type_id in (1, 2, 3, 4)] == [False, True, False, True]


def test_a_bitfield_is_placed_by_kind_flag_or_by_its_integer() -> None:
    btf = parsed(INT, Int("old", 4, 5, bit_offset=3), Typedef("t", TypeId(2)))
    assert bit_place(btf, at(1, 35, 7)) == (35, 7)
    assert bit_place(btf, at(1, 32)) == (32, 0)
    assert bit_place(btf, at(3, 32)) == (35, 5)
