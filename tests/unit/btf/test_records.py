"""Writing a record and reading it back gives the type again; numbers that do not fit are the caller's mistake."""

import pytest

from purebpf.btf import (
    Array,
    Btf,
    BtfType,
    BtfWriter,
    Const,
    DataSection,
    DeclTag,
    Enum,
    Enumerator,
    Float,
    Forward,
    Function,
    FunctionProto,
    Int,
    Linkage,
    Member,
    Parameter,
    Pointer,
    Restrict,
    SectionVariable,
    Struct,
    Typedef,
    TypeTag,
    Union,
    Unknown,
    Variable,
    Void,
    Volatile,
)
from purebpf.units import BitOffset, ByteOrder, TypeId

ONE = TypeId(1)

TYPES: list[BtfType] = [
    Int("int", 4, 32, signed=True),
    Int("char", 1, 8, char=True),
    Int("_Bool", 1, 8, boolean=True),
    Int("old_bits", 8, 5, bit_offset=59),
    Int("__int128", 16, 128, signed=True),
    Pointer(ONE),
    Array(ONE, ONE, 0xFFFFFFFF),
    Struct("s", 8, (Member("a", ONE, BitOffset(0)), Member("", ONE, BitOffset(32)))),
    Struct("flagged", 8, (Member("bits", ONE, BitOffset(0xFFFFFF), 255), Member("whole", ONE, BitOffset(32))), True),
    Struct("far", 1 << 31, (Member("a", ONE, BitOffset(0xFFFFFFF8)),)),
    Union("u", 4, (Member("a", ONE, BitOffset(0)),)),
    Union("", 4, (Member("a", ONE, BitOffset(0), 3),), True),
    Enum("unsigned", 4, (Enumerator("A", 0), Enumerator("B", 0xFFFFFFFF))),
    Enum("signed", 4, (Enumerator("C", -(1 << 31)), Enumerator("D", (1 << 31) - 1)), signed=True),
    Enum("wide", 8, (Enumerator("E", (1 << 64) - 1),), wide=True),
    Enum("signed_wide", 8, (Enumerator("F", -(1 << 63)), Enumerator("G", -1)), signed=True, wide=True),
    Forward("f"),
    Forward("fu", is_union=True),
    Typedef("t", ONE),
    Volatile(ONE),
    Const(TypeId(0)),
    Restrict(ONE),
    FunctionProto(TypeId(0), (Parameter("a", ONE), Parameter("", TypeId(0)))),
    Function("static", ONE, Linkage.STATIC),
    Function("extern", ONE, Linkage.EXTERN),
    Variable("v", ONE, Linkage.GLOBAL),
    DataSection(".data", 12, (SectionVariable(ONE, 0, 4), SectionVariable(ONE, 8, 4))),
    Float("double", 8),
    DeclTag("tag", ONE),
    DeclTag("third", ONE, 2, kind_flag=True),
    TypeTag("user", ONE),
    TypeTag("address_space(1)", ONE, kind_flag=True),
]


@pytest.mark.parametrize("byteorder", ["little", "big"])
def test_every_kind_comes_back_as_it_was_written(byteorder: ByteOrder) -> None:
    writer = BtfWriter(byteorder=byteorder)
    ids = [writer.add(kind) for kind in TYPES]
    btf = Btf.parse(writer.build())
    assert [btf[type_id] for type_id in ids] == TYPES
    assert [btf.name_of(type_id) for type_id in ids] == [kind.name for kind in TYPES]


@pytest.mark.parametrize(
    "kind",
    [
        Void(),
        Unknown("u", 30, 0),
        Pointer(TypeId(1 << 32)),
        Pointer(TypeId(-1)),
        Int("int", 4, 256),
        Array(ONE, ONE, -1),
        Struct("s", 8, (Member("bits", ONE, BitOffset(0), 3),)),
        Struct("s", 8, (Member("bits", ONE, BitOffset(1 << 24), 3),), True),
        Struct("s", 8, (Member("bits", ONE, BitOffset(0), 256),), True),
        Enum("e", 4, (Enumerator("A", -1),)),
        Enum("e", 4, (Enumerator("A", 1 << 31),), signed=True),
        Enum("e", 8, (Enumerator("A", 1 << 64),), wide=True),
        Enum("e", 8, (Enumerator("A", 1 << 63),), signed=True, wide=True),
        DeclTag("t", ONE, 1 << 31),
        Function("f", ONE, -1),
        Forward("with\0nul"),
    ],
    ids=repr,
)
def test_what_has_no_record_is_a_value_error(kind: BtfType) -> None:
    with pytest.raises(ValueError, match=r"fit|bits|no record|at most|NUL"):
        BtfWriter().add(kind)
