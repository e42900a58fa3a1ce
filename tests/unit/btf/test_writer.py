"""Whole sections from types, and a BTF with some types replaced."""

import struct

import pytest

from purebpf.btf import (
    Btf,
    BtfExtWriter,
    BtfType,
    BtfWriter,
    Const,
    CoreKind,
    Enum,
    Float,
    Int,
    Kind,
    Member,
    Pointer,
    Struct,
    Typedef,
    TypeTag,
    rewrite,
    without_layout,
)
from purebpf.btf.kinds import RECORD_SIZES
from purebpf.btf.writer import KIND_LAYOUT
from purebpf.units import BitOffset, ByteOrder, TypeId

INT = Int("int", 4, 32, signed=True)
BOTH_ORDERS = pytest.mark.parametrize("byteorder", ["little", "big"])


def built(*kinds: BtfType, byteorder: ByteOrder = "little", kind_layout: bytes | None = None) -> Btf:
    writer = BtfWriter(byteorder=byteorder)
    for kind in kinds:
        writer.add(kind)
    return Btf.parse(writer.build(kind_layout=kind_layout))


def test_ids_are_given_in_order_and_known_before() -> None:
    writer = BtfWriter()
    assert writer.next_id == 1
    assert writer.add(Pointer(TypeId(2))) == 1
    assert writer.add(Struct("later", 0, ())) == writer.next_id - 1 == 2


def test_a_string_is_stored_once() -> None:
    writer = BtfWriter()
    assert writer.string("") == 0
    assert writer.string("name") == writer.string("name")
    writer.add(Struct("name", 0, ()))
    assert writer.build().count(b"name") == 1


def test_a_split_btf_uses_the_strings_of_its_base() -> None:
    base = built(INT)
    writer = BtfWriter(base=base)
    writer.add(Typedef("int", TypeId(1)))
    assert b"int" not in writer.build()
    assert Btf.parse(writer.build(), base=base).name_of(2) == "int"


@BOTH_ORDERS
def test_a_kind_layout_section_describes_every_known_kind(byteorder: ByteOrder) -> None:
    btf = built(INT, byteorder=byteorder, kind_layout=KIND_LAYOUT)
    assert btf.kind_layout == KIND_LAYOUT
    assert btf[1] == INT
    assert struct.unpack_from("<I" if byteorder == "little" else ">I", btf.raw, 4) == (32,)
    for kind, (info, element) in list(RECORD_SIZES.items())[1:]:
        assert KIND_LAYOUT[4 * kind : 4 * kind + 4] == bytes((info, element, 0, 0))


@BOTH_ORDERS
def test_rewrite_replaces_types_and_keeps_ids(byteorder: ByteOrder) -> None:
    members = (Member("d", TypeId(2), BitOffset(0)),)
    btf = built(INT, Float("double", 8), Struct("s", 8, members), Typedef("t", TypeId(3)), byteorder=byteorder)

    def without_floats(type_id: TypeId, kind: BtfType) -> BtfType:
        return Struct("replaced", kind.size, ()) if isinstance(kind, Float) else kind

    done = Btf.parse(rewrite(btf, without_floats))
    assert [done[type_id] for type_id in done.ids()] == [btf[1], Struct("replaced", 8, ()), btf[3], btf[4]]
    assert done.byteorder == byteorder


def test_rewrite_offers_only_the_kinds_that_are_asked_for() -> None:
    btf = built(INT, TypeTag("user", TypeId(1)), Pointer(TypeId(2)))
    offered = []

    def replace(type_id: TypeId, kind: BtfType) -> BtfType:
        offered.append(type_id)
        return Const(TypeId(1))

    done = Btf.parse(rewrite(btf, replace, kinds=[Kind.TYPE_TAG]))
    assert offered == [2]
    assert [done[type_id] for type_id in done.ids()] == [INT, Const(TypeId(1)), Pointer(TypeId(2))]


def test_rewrite_of_nothing_is_the_very_same_bytes() -> None:
    btf = built(INT, Enum("e", 4, ()))
    assert rewrite(btf, lambda _, kind: kind) is btf.raw
    assert without_layout(btf) is btf.raw


def test_rewrite_keeps_or_drops_the_kind_layout_section() -> None:
    btf = built(INT, Pointer(TypeId(1)), kind_layout=KIND_LAYOUT)
    kept = Btf.parse(rewrite(btf, lambda _, kind: Const(TypeId(1)) if isinstance(kind, Pointer) else kind))
    assert (kept.kind_layout, kept[2]) == (KIND_LAYOUT, Const(TypeId(1)))
    dropped = Btf.parse(without_layout(btf))
    assert (dropped.kind_layout, dropped[1], dropped[2]) == (None, btf[1], btf[2])
    assert struct.unpack_from("<I", dropped.raw, 4) == (24,)


def test_rewrite_of_a_split_btf_stays_split() -> None:
    base = built(INT)
    writer = BtfWriter(base=base)
    writer.add(Typedef("own", TypeId(1)))
    split = Btf.parse(writer.build(), base=base)
    done = Btf.parse(rewrite(split, lambda _, kind: Typedef("other", TypeId(1))), base=base)
    assert (done.name_of(2), done.find("other"), done[1]) == ("other", (2,), INT)


def test_what_does_not_fit_a_record_of_btf_ext_is_a_value_error() -> None:
    ext = BtfExtWriter(BtfWriter(), with_core=False)
    with pytest.raises(ValueError, match="column 1024"):
        ext.line("s", 0, "f", "t", 1, 1024)
    with pytest.raises(ValueError, match="32 bits"):
        ext.func("s", 1 << 32, 1)
    ext.core("s", 0, 1, "0", CoreKind.TYPE_SIZE)
    with pytest.raises(ValueError, match="need a header"):
        ext.build()


@BOTH_ORDERS
def test_a_btf_added_to_another_refers_to_its_own_types_under_new_ids(byteorder: ByteOrder) -> None:
    writer = BtfWriter(byteorder=byteorder)
    writer.add(Pointer(TypeId(0)))
    ids = writer.add_btf(built(INT, Typedef("t", TypeId(1)), byteorder="big"))
    assert list(ids) == [0, 2, 3]
    writer.add(Const(TypeId(3)))
    result = Btf.parse(writer.build())
    assert [result[each] for each in result.ids()] == [
        Pointer(TypeId(0)),
        INT,
        Typedef("t", TypeId(2)),
        Const(TypeId(3)),
    ]


def test_a_split_btf_is_added_only_beside_its_base() -> None:
    base = built(INT)
    split = BtfWriter(base=base)
    split.add(Pointer(TypeId(1)))
    parsed = Btf.parse(split.build(), base=base)
    assert list(split.add_btf(parsed)) == [0, 1, 3]
    with pytest.raises(ValueError, match="split from the same base"):
        BtfWriter().add_btf(parsed)


@BOTH_ORDERS
def test_a_writer_that_continues_a_btf_leaves_what_it_has_where_it_is(byteorder: ByteOrder) -> None:
    btf = built(INT, Struct("s", 4, (Member("a", TypeId(1), BitOffset(0)),)), byteorder=byteorder)
    assert BtfWriter.continuing(btf).build() == btf.raw
    writer = BtfWriter.continuing(btf)
    assert writer.string("a") == btf.string_offsets("a")[0]
    assert writer.add(Typedef("new", TypeId(2))) == 3
    longer = Btf.parse(writer.build())
    assert [longer[each] for each in longer.ids()] == [btf[1], btf[2], Typedef("new", TypeId(2))]
    assert longer.strings.startswith(btf.strings)


def test_a_writer_that_continues_a_split_btf_knows_the_strings_of_both() -> None:
    base = built(INT)
    first = BtfWriter(base=base)
    first.add(Typedef("own", TypeId(1)))
    split = Btf.parse(first.build(), base=base)
    assert BtfWriter.continuing(split).build() == split.raw
    writer = BtfWriter.continuing(split)
    assert writer.add(Typedef("int", TypeId(2))) == 3
    assert writer.add(Typedef("own", TypeId(3))) == 4
    longer = Btf.parse(writer.build(), base=base)
    assert longer.strings == split.strings
    assert [longer[each].name for each in longer.ids()] == ["own", "int", "own"]
    assert BtfWriter.continuing(Btf.parse(BtfWriter(base=base).build(), base=base)).next_id == 2
