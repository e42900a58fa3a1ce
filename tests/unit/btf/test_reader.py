"""Parsing, laziness, names, split BTF, edits, and what is refused."""

import struct
import time

import pytest

from purebpf._fastpath import find
from purebpf.btf import (
    Array,
    Btf,
    BtfError,
    BtfWriter,
    Const,
    Enum,
    Int,
    Kind,
    Member,
    Pointer,
    Struct,
    Typedef,
    Unknown,
    Void,
)
from purebpf.btf.kinds import KNOWN_SIZES, scan_types
from purebpf.btf.writer import KIND_LAYOUT
from purebpf.units import BitOffset, ByteOrder, TypeId

INT = Int("int", 4, 32, signed=True)
BOTH_ORDERS = pytest.mark.parametrize("byteorder", ["little", "big"])


def built(*kinds: object, byteorder: ByteOrder = "little", **options: bytes) -> bytes:
    writer = BtfWriter(byteorder=byteorder)
    for kind in kinds:
        writer.add(kind)
    return writer.build(**options)


def header(types: bytes, strings: bytes, /, **fields: int) -> bytes:
    """A BTF with any header at all."""
    values = {"magic": 0xEB9F, "version": 1, "flags": 0, "size": 24, "types": 0, "types_len": len(types)}
    values |= {"strings": len(types), "strings_len": len(strings)} | fields
    return struct.pack("<HBBIIIII", *values.values()) + types + strings


@BOTH_ORDERS
def test_types_are_read_in_either_byte_order(byteorder: ByteOrder) -> None:
    btf = Btf.parse(built(INT, Pointer(TypeId(1)), byteorder=byteorder))
    assert btf.byteorder == byteorder
    assert (btf[0], btf[1], btf[2]) == (Void(), INT, Pointer(TypeId(1)))
    assert (len(btf), btf.first_id, list(btf.ids())) == (3, 1, [1, 2])


@BOTH_ORDERS
def test_kind_name_and_reference_are_known_without_building(byteorder: ByteOrder) -> None:
    btf = Btf.parse(built(INT, Typedef("s32", TypeId(1)), byteorder=byteorder))
    assert (btf.kind(2), btf.name_of(2), btf.size_or_type(2)) == (Kind.TYPEDEF, "s32", 1)
    assert (btf.kind(0), btf.name_of(0), btf.size_or_type(0)) == (Kind.VOID, "", 0)
    assert btf.ids_of(Kind.TYPEDEF) == [2]


def test_a_type_is_built_once() -> None:
    btf = Btf.parse(built(INT))
    assert btf[1] is btf[1]


@pytest.mark.parametrize("type_id", [2, -1, 1 << 40])
def test_an_id_that_does_not_exist_is_a_btf_error(type_id: int) -> None:
    btf = Btf.parse(built(INT), name="x.o")
    for ask in (btf.__getitem__, btf.kind, btf.name_of, btf.size_or_type, btf.offset_of):
        with pytest.raises(BtfError, match=rf"'x.o', section '.BTF': there is no type {type_id}"):
            ask(type_id)


def test_find_gives_every_type_of_a_name_in_order() -> None:
    btf = Btf.parse(built(INT, Struct("same", 0, ()), Typedef("same", TypeId(2)), Typedef("not_same", TypeId(2))))
    assert btf.find("same") == (2, 3)
    assert btf.find("same", Kind.TYPEDEF) == (3,)
    assert btf.find_one("same", Kind.STRUCT) == 2
    assert btf.find("sam") == btf.find("ame") == btf.find("missing") == btf.find("int\0") == ()
    assert btf.find_one("missing") is None


def test_find_gives_the_anonymous_types_for_the_empty_name() -> None:
    btf = Btf.parse(built(INT, Pointer(TypeId(1)), Struct("s", 0, ()), Const(TypeId(1))))
    assert btf.find("") == (2, 4)


def test_find_sees_names_that_are_tails_of_other_strings() -> None:
    types = struct.pack("<IIII", 5, Kind.INT << 24, 4, 32) + struct.pack("<III", 1, Kind.FWD << 24, 0)
    btf = Btf.parse(header(types, b"\0longint\0"))
    assert btf.name_of(1) == "int"
    assert btf.find("int") == (1,)
    assert btf.find("longint") == (2,)


def test_find_sees_a_name_that_stands_twice_among_the_strings() -> None:
    types = b"".join(struct.pack("<III", offset, Kind.FWD << 24, 0) for offset in (1, 6, 3))
    assert Btf.parse(header(types, b"\0same\0same\0")).find("same") == (1, 2)


def test_strings_with_a_part_are_each_given_once_wherever_it_stands() -> None:
    btf = Btf.parse(header(b"", b"\0___a\0b\0b___x___y\0end___\0"))
    assert list(btf.strings_with(b"___")) == ["___a", "b___x___y", "end___"]
    assert list(btf.strings_with(b"absent")) == []


def test_a_name_with_many_places_is_found_where_a_type_has_it_as_a_tail_too() -> None:
    many = [Typedef(f"{letter}{digit}pid", TypeId(1)) for letter in "abcdef" for digit in range(9)]
    data = built(INT, *many, Typedef("pid", TypeId(1)))
    btf = Btf.parse(data)
    assert (btf.find("pid"), btf.find("a0pid"), btf.find("id")) == ((56,), (2,), ())
    # The last type's name becomes the tail of the first's.
    at = btf.offset_of(56)
    (tail,) = btf.string_offsets("a0pid")
    changed = Btf.parse(data[:at] + struct.pack("<I", tail + 2) + data[at + 4 :])
    assert (changed.find("pid"), changed.find("a0pid")) == ((56,), (2,))
    assert Btf.parse(data, whole_names=True).find("pid") == (56,)


def test_find_is_right_where_name_offsets_look_alike_across_words() -> None:
    """The search is for four bytes; a match that straddles two name offsets is none."""
    types = b"".join(struct.pack("<III", offset, Kind.FWD << 24, 0) for offset in (0x100, 0x01, 0x10000))
    strings = b"\0" + b"a\0" + bytes(0x10000)
    btf = Btf.parse(header(types, strings))
    assert btf.find("a") == (2,)


def test_a_name_that_is_no_utf8_survives() -> None:
    types = struct.pack("<III", 1, Kind.FWD << 24, 0)
    btf = Btf.parse(header(types, b"\0\xff\xfe\0"))
    assert btf.find(btf.name_of(1)) == (1,)


@BOTH_ORDERS
def test_a_split_btf_continues_ids_and_strings_of_its_base(byteorder: ByteOrder) -> None:
    base = Btf.parse(built(INT, Struct("shared", 0, ()), byteorder=byteorder))
    writer = BtfWriter(byteorder=byteorder, base=base)
    assert writer.add(Typedef("shared", TypeId(1))) == 3
    assert writer.add(Struct("own", 4, (Member("int", TypeId(3), BitOffset(0)),))) == 4
    split = Btf.parse(writer.build(), base=base)
    assert (split.first_id, len(split), list(split.ids())) == (3, 5, [3, 4])
    assert split[1] is base[1]
    assert split.find("shared") == (2, 3)
    assert split.find("own") == (4,)
    assert (split.kind(2), split.name_of(2)) == (Kind.STRUCT, "shared")
    assert split[4] == Struct("own", 4, (Member("int", TypeId(3), BitOffset(0)),))


def test_a_split_btf_needs_no_types_and_no_strings() -> None:
    base = Btf.parse(built(INT))
    assert list(Btf.parse(BtfWriter(base=base).build(), base=base).ids()) == []


def test_an_unknown_kind_is_skipped_with_the_kind_layout_section() -> None:
    writer = BtfWriter()
    writer.add(INT)
    writer.add_record(struct.pack("<IIIIIII", writer.string("novel"), 21 << 24 | 2, 77, 1, 2, 3, 4))
    writer.add(Pointer(TypeId(1)))
    layout = KIND_LAYOUT + bytes(4) + bytes((0, 8, 0, 0))
    btf = Btf.parse(writer.build(kind_layout=layout))
    assert btf[2] == Unknown("novel", 21, 77)
    assert (btf.kind(2), btf[3]) == (21, Pointer(TypeId(1)))


def test_a_kind_layout_of_odd_sizes_describes_nothing() -> None:
    writer = BtfWriter()
    writer.add_record(struct.pack("<III", 0, 20 << 24, 0))
    with pytest.raises(BtfError, match="kind 20"):
        Btf.parse(writer.build(kind_layout=KIND_LAYOUT + bytes((2, 0, 0, 0))))


def test_an_unknown_kind_without_description_is_named_with_its_place() -> None:
    writer = BtfWriter()
    writer.add(INT)
    writer.add_record(struct.pack("<III", 0, 30 << 24, 0))
    with pytest.raises(BtfError, match="offset 0x28: a type of kind 30, which this library does not know"):
        Btf.parse(writer.build())


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"magic": 0x1234}, "magic number is 0x1234"),
        ({"version": 2}, "version 2"),
        ({"flags": 1}, "unknown flags 0x1"),
        ({"size": 23}, "23 bytes long"),
        ({"size": 1000}, "1000 bytes long"),
        ({"types": 2}, "not made of whole words"),
        ({"types_len": 15}, "not made of whole words"),
        ({"types_len": 20}, "reaches into the strings"),
        ({"types": 0xFFFFFFFC}, "reaches into the strings"),
        ({"strings_len": 6}, "ends after the data"),
        ({"strings": 0xFFFFFFFF}, "ends after the data"),
        ({"strings_len": 0}, "string section is empty"),
        ({"strings_len": 4}, "does not end with a NUL"),
        ({"strings": 17, "strings_len": 4}, "does not begin with the empty string"),
    ],
)
def test_a_header_that_lies_is_refused(fields: dict[str, int], reason: str) -> None:
    types = struct.pack("<IIII", 1, Kind.INT << 24, 4, 32)
    assert Btf.parse(header(types, b"\0int\0")).name_of(1) == "int"
    with pytest.raises(BtfError, match=reason):
        Btf.parse(header(types, b"\0int\0", **fields))


@pytest.mark.parametrize("size", range(24))
def test_data_shorter_than_a_header_is_refused(size: int) -> None:
    with pytest.raises(BtfError, match="too few"):
        Btf.parse(built(INT)[:size])


@pytest.mark.parametrize(
    ("offset", "length", "reason"),
    [
        (2, 4, "whole words"),
        (20, 6, "whole words"),
        (0, 4, "into the types"),
        (16, 4, "into the strings"),
        (24, 400, ""),
    ],
)
def test_a_kind_layout_in_the_wrong_place_is_refused(offset: int, length: int, reason: str) -> None:
    types, strings = struct.pack("<IIII", 1, Kind.INT << 24, 4, 32), b"\0int\0"
    head = struct.pack("<HBBIIIIIII", 0xEB9F, 1, 0, 32, 0, 16, 16, len(strings), offset, length)
    with pytest.raises(BtfError, match=rf"kind-layout section .*{reason}"):
        Btf.parse(head + types + strings)


def test_a_longer_header_and_trailing_bytes_are_let_pass() -> None:
    types, strings = struct.pack("<IIII", 1, Kind.INT << 24, 4, 32), b"\0int\0"
    head = struct.pack("<HBBIIIII", 0xEB9F, 1, 0, 40, 0, 16, 16, len(strings))
    assert Btf.parse(head + bytes(16) + types + strings + b"more").name_of(1) == "int"


@pytest.mark.parametrize("cut", [4, 8, 12])
def test_a_type_that_is_cut_off_is_refused(cut: int) -> None:
    types = struct.pack("<IIII", 1, Kind.INT << 24, 4, 32)
    with pytest.raises(BtfError, match=r"cut off|ends after the type section"):
        Btf.parse(header(types[:cut], b"\0int\0"))


def test_elements_that_do_not_fit_the_section_are_refused() -> None:
    types = struct.pack("<III", 0, Kind.STRUCT << 24 | 0xFFFFFF, 8)
    with pytest.raises(BtfError, match="STRUCT ends after the type section"):
        Btf.parse(header(types, b"\0"))


def test_a_name_outside_the_strings_is_refused_when_asked_for() -> None:
    btf = Btf.parse(header(struct.pack("<III", 99, Kind.FWD << 24, 0), b"\0"))
    with pytest.raises(BtfError, match="string offset 0x63"):
        btf.name_of(1)
    with pytest.raises(BtfError, match="string offset 0x63"):
        btf[1]
    assert btf.find("x") == ()


def test_an_injected_scan_is_used_and_may_bring_the_names() -> None:
    def scan(types: memoryview, swapped: bool, sizes: bytes) -> tuple[bytes, bytes, int]:
        offsets, _, end = scan_types(types, swapped, sizes)
        assert (swapped, sizes) == (False, KNOWN_SIZES)
        return offsets, struct.pack("=2I", 1, 0), end

    btf = Btf.parse(built(INT, Pointer(TypeId(1))), scan=scan)
    assert btf[2] == Pointer(TypeId(1))
    assert btf.find("int") == (1,)


def test_edits_give_a_new_btf_that_shares_what_did_not_change() -> None:
    btf = Btf.parse(built(INT, Typedef("t", TypeId(1)), Const(TypeId(1))))
    before = btf[1], btf[3]
    edited = btf.with_edits([(btf.offset_of(3) + 8, struct.pack("<I", 2))], {3: Const(TypeId(2))})
    assert edited[3] == Const(TypeId(2))
    assert edited[1] is before[0]
    assert btf[3] is before[1]
    with pytest.raises(ValueError, match="past its end"):
        btf.with_edits([(len(btf.raw) - 1, b"abcd")], {})


@pytest.mark.parametrize(("size", "pointer_size"), [(4, 4), (8, 8)])
def test_the_pointer_size_is_that_of_long(size: int, pointer_size: int) -> None:
    assert Btf.parse(built(Int("long unsigned int", size, 8 * size))).pointer_size == pointer_size
    assert Btf.parse(built(INT)).pointer_size == 8


def test_every_cut_and_every_flipped_byte_ends_in_a_value_or_a_btf_error() -> None:
    members = (Member("a", TypeId(1), BitOffset(0)), Member("b", TypeId(3), BitOffset(32)))
    data = built(
        INT, Struct("s", 8, members), Array(TypeId(1), TypeId(1), 3), Enum("e", 4, ()), kind_layout=KIND_LAYOUT
    )
    damaged = [data[:size] for size in range(len(data))]
    for at in range(len(data)):
        damaged += [data[:at] + bytes([value]) + data[at + 1 :] for value in (0, 0x7F, 0x80, 0xFF)]
    survivors = 0
    for each in damaged:
        try:
            btf = Btf.parse(each)
            survivors += len([btf[type_id] for type_id in btf.ids()]) >= 0
            btf.find("s")
        except BtfError:
            continue
    assert 0 < survivors < len(damaged)


def test_parsing_is_linear_in_a_hundred_thousand_types() -> None:
    types = struct.pack("<III", 0, Kind.PTR << 24, 1) * 100_000
    begin = time.thread_time()
    btf = Btf.parse(header(types, b"\0"))
    assert time.thread_time() - begin < 1
    assert len(btf) == 100_001


def test_types_can_be_parsed_where_they_lie_and_are_copied_when_asked_for() -> None:
    writer = BtfWriter()
    writer.add(INT)
    memory = bytearray(writer.build())
    btf = Btf.parse(memoryview(memory), find=find, whole_names=True)
    assert len(btf) == 2
    memory[-2] = ord("o")  # Nothing was copied yet: "int" is "ino" by now.
    assert btf.find("ino") == (1,)
    assert [*btf.strings_with(b"n")] == ["ino"]
    assert type(btf.raw) is bytes
    memory[-2] = ord("t")
    assert btf.name_of(1) == "int"
    assert b"ino" in btf.raw
    with pytest.raises(AttributeError, match="no attribute 'other'"):
        _ = btf.other
