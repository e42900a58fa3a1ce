"""The number that each kind of record stands for."""

import pytest

from purebpf.btf import CoreKind
from purebpf.errors import BtfError, RelocationError
from purebpf.relocate.access import parse_access
from purebpf.relocate.values import Value, may_resize, value_of, words
from purebpf.units import ByteOrder, TypeId
from tests.unit.relocate.shapes import Types, record

OFFSET, SIZE, EXISTS = CoreKind.FIELD_BYTE_OFFSET, CoreKind.FIELD_BYTE_SIZE, CoreKind.FIELD_EXISTS
SIGNED, LEFT, RIGHT = CoreKind.FIELD_SIGNED, CoreKind.FIELD_LSHIFT_U64, CoreKind.FIELD_RSHIFT_U64


def value(types: Types, type_id: TypeId, path: str, kind: CoreKind, byteorder: ByteOrder = "little") -> Value:
    btf = types.build()
    return value_of(kind, btf, parse_access(btf, record(type_id, path, kind)), byteorder)


def plain() -> tuple[Types, TypeId]:
    types = Types()
    grid = types.array(types.array(types.u32, 3), 2)
    return types, types.struct("s", 40, ("word", types.u32, 0), ("number", types.int, 4), ("grid", grid, 8))


@pytest.mark.parametrize(
    ("path", "kind", "number"),
    [
        ("0:1", OFFSET, 4),
        ("2:1", OFFSET, 84),
        ("0:1", SIZE, 4),
        ("0:2", SIZE, 24),
        ("0:2:1", SIZE, 12),
        ("0:2:1:2", OFFSET, 28),
        ("0:1", EXISTS, 1),
        ("0:0", SIGNED, 0),
        ("0:1", SIGNED, 1),
        ("0:1", LEFT, 32),
        ("0:1", RIGHT, 32),
    ],
)
def test_fields(path: str, kind: CoreKind, number: int) -> None:
    found = value(*plain(), path, kind)
    assert (found.number, found.checked) == (number, True)


def test_a_load_moves_an_element_of_an_array() -> None:
    types, struct = plain()
    assert value(types, struct, "0:2", OFFSET).size == 4
    assert value(types, struct, "0:2:1:2", OFFSET).size == 4
    assert value(types, struct, "0:0", SIZE).size == 0


@pytest.mark.parametrize("kind", [SIGNED, LEFT, RIGHT])
def test_of_an_element_only_place_and_size_can_be_asked(kind: CoreKind) -> None:
    with pytest.raises(RelocationError, match="of an array's element"):
        value(*plain(), "0:2:1", kind)


@pytest.mark.parametrize(
    ("first", "width", "byteorder", "expected"),
    [
        (3, 5, "little", (0, 4, 56, 59)),
        (3, 5, "big", (0, 4, 35, 59)),
        (37, 11, "little", (4, 4, 48, 53)),
        (30, 4, "little", (0, 8, 30, 60)),
        (30, 4, "big", (0, 8, 30, 60)),
    ],
)
def test_a_bitfield_is_loaded_with_the_smallest_load_that_holds_it(
    first: int, width: int, byteorder: ByteOrder, expected: tuple[int, int, int, int]
) -> None:
    types = Types(byteorder)
    struct = types.bits("s", 16, ("bits", types.u32, first, width))
    found = [value(types, struct, "0:0", kind, byteorder) for kind in (OFFSET, SIZE, LEFT, RIGHT)]
    assert tuple(each.number for each in found) == expected
    assert [each.checked for each in found] == [False, False, False, True]
    assert found[0].size == 0, "its load is the program's own"


def test_a_bitfield_that_no_load_holds_is_refused() -> None:
    types = Types()
    struct = types.bits("s", 24, ("bits", types.u64, 60, 8))
    with pytest.raises(RelocationError, match="cannot be read with one load"):
        value(types, struct, "0:0", OFFSET)


def test_types() -> None:
    types, struct = plain()
    assert value(types, struct, "0", CoreKind.TYPE_SIZE) == Value(40)
    assert value(types, struct, "0", CoreKind.TYPE_EXISTS) == Value(1)
    assert value(types, struct, "0", CoreKind.TYPE_MATCHES) == Value(1)
    for kind in (CoreKind.TYPE_ID_LOCAL, CoreKind.TYPE_ID_TARGET):
        assert value(types, struct, "0", kind) == Value(struct, checked=False)
    with pytest.raises(BtfError, match="has no size"):
        value(types, TypeId(0), "0", CoreKind.TYPE_SIZE)


@pytest.mark.parametrize(
    ("size", "signed", "number", "expected"),
    [
        (4, False, 7, Value(7)),
        (4, True, -5, Value(2**64 - 5)),
        (4, False, 0xFFFFFFFF, Value(2**64 - 1, unsigned=0xFFFFFFFF)),
        (8, False, 2**63 + 1, Value(2**63 + 1)),
        (8, True, -(2**40), Value(2**64 - 2**40)),
    ],
)
def test_enumerators_are_64_bits_wide(size: int, signed: bool, number: int, expected: Value) -> None:
    types = Types()
    enum = types.enum("e", size, signed=signed, ONE=number)
    assert value(types, enum, "0", CoreKind.ENUMVAL_VALUE) == expected
    assert value(types, enum, "0", CoreKind.ENUMVAL_EXISTS) == Value(1)


def test_only_pointers_and_unsigned_integers_may_change_their_size() -> None:
    types = Types()
    short = types.array(types.u32, 1)
    btf = types.build()

    def of(type_id: TypeId, size: int) -> Value:
        return Value(0, True, size, type_id)

    assert may_resize(btf, of(types.int, 4), btf, of(types.pointer, 4)), "the size is the same"
    assert may_resize(btf, of(types.u32, 4), btf, of(types.u64, 8))
    assert may_resize(btf, of(types.pointer, 8), btf, of(types.pointer, 4))
    assert not may_resize(btf, of(types.int, 4), btf, of(types.u64, 8))
    assert not may_resize(btf, of(types.u64, 8), btf, of(types.int, 4))
    assert not may_resize(btf, of(types.u64, 8), btf, of(types.pointer, 4))
    assert not may_resize(btf, of(short, 4), btf, of(types.u64, 8))


def test_every_kind_has_words() -> None:
    assert all(words(kind).startswith("the ") for kind in CoreKind)
