"""The names of a BTF's types, for a search among them."""

from struct import pack

from purebpf.btf import Btf, BtfWriter, Int, Kind, Pointer, Struct
from purebpf.btf.names import MAX_NAME, names_of


def built(*kinds: Struct | Int | Pointer, base: Btf | None = None) -> Btf:
    writer = BtfWriter(base=base)
    for kind in kinds:
        writer.add(kind)
    return Btf.parse(writer.build(), base=base)


def test_each_name_comes_once_in_the_order_of_the_types() -> None:
    btf = built(Struct("b", 0, ()), Struct("a", 0, ()), Struct("b", 4, ()), Struct("", 0, ()), Int("int", 4, 32))
    assert list(names_of(btf, Kind.STRUCT)) == ["b", "a"]
    assert list(names_of(btf, Kind.STRUCT, Kind.INT)) == ["b", "a", "int"]


def test_a_name_that_the_base_has_is_a_name_of_the_split_part() -> None:
    base = built(Struct("a", 0, ()))
    assert list(names_of(built(Struct("a", 4, ()), Struct("c", 0, ()), base=base), Kind.STRUCT)) == ["a", "c"]


def test_names_too_long_to_be_meant_are_left_out_without_being_read() -> None:
    fits, long = "x" * (MAX_NAME - 1), "y" * 1_000_000
    btf = built(Struct(fits, 0, ()), Struct(long, 0, ()))
    assert list(names_of(btf, Kind.STRUCT)) == [fits]
    assert list(names_of(of_one_string(100_000), Kind.STRUCT)) == ["z" * each for each in range(MAX_NAME - 1, 0, -1)]


def of_one_string(count: int) -> Btf:
    """Structs whose names are the tails of one string."""
    strings = b"\0" + b"z" * count + b"\0"
    types = b"".join(pack("<III", at, 4 << 24, 0) for at in range(1, count + 1))
    return Btf.parse(pack("<HBBIIIII", 0xEB9F, 1, 0, 24, 0, len(types), len(types), len(strings)) + types + strings)
