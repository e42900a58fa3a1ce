"""Types as C; that a compiler agrees with the layout is the oracle tier's to show."""

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
    Enumerator,
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
    Variable,
    Volatile,
    declare,
    type_name,
)
from purebpf.units import BitOffset, TypeId

INT = Int("int", 4, 32, signed=True)
CHAR = Int("char", 1, 8)


def last(*kinds: BtfType) -> tuple[Btf, int]:
    """A BTF of int (1), char (2) and `kinds` (3...), and the last id."""
    writer = BtfWriter()
    for kind in (INT, CHAR, *kinds):
        writer.add(kind)
    btf = Btf.parse(writer.build())
    return btf, len(btf) - 1


def member(name: str, type_id: int, bit_offset: int, bitfield_size: int = 0) -> Member:
    return Member(name, TypeId(type_id), BitOffset(bit_offset), bitfield_size)


def pointer(target: int) -> Pointer:
    return Pointer(TypeId(target))


@pytest.mark.parametrize(
    ("kinds", "name"),
    [
        ([], "char"),
        ([Struct("task_struct", 8, ()), pointer(3)], "struct task_struct *"),
        ([Const(TypeId(2)), Array(TypeId(3), TypeId(1), 16)], "const char [16]"),
        ([Array(TypeId(1), TypeId(1), 3), Array(TypeId(3), TypeId(1), 2)], "int [2][3]"),
        ([pointer(0), Const(TypeId(3)), pointer(4)], "void * const *"),
        ([Const(TypeId(0)), pointer(3)], "const void *"),
        ([Array(TypeId(1), TypeId(1), 3), pointer(3)], "int (*)[3]"),
        ([FunctionProto(TypeId(1), ()), pointer(3)], "int (*)(void)"),
        ([FunctionProto(TypeId(0), (Parameter("a", TypeId(1)), Parameter("", TypeId(0))))], "void (int a, ...)"),
        (
            [FunctionProto(TypeId(0), ()), pointer(3), FunctionProto(TypeId(4), ()), pointer(5)],
            "void (*(*)(void))(void)",
        ),
        ([TypeTag("user", TypeId(2)), pointer(3)], '__attribute__((btf_type_tag("user"))) char *'),
        ([TypeTag("address_space(1)", TypeId(2), True), pointer(3)], "__attribute__((address_space(1))) char *"),
        ([Volatile(TypeId(1)), Const(TypeId(3))], "const volatile int"),
        ([pointer(1), Restrict(TypeId(3))], "int * restrict"),
        ([Union("", 4, ()), pointer(3)], "union {...} *"),
        ([Enum("level", 4, ())], "enum level"),
        ([Forward("unseen"), pointer(3)], "struct unseen *"),
        ([Typedef("u32", TypeId(1))], "u32"),
        ([Variable("count", TypeId(1))], "int count"),
        ([FunctionProto(TypeId(1), ()), Function("f", TypeId(3))], "int f(void)"),
        ([DeclTag("kfunc", TypeId(1))], 'int __attribute__((btf_decl_tag("kfunc")))'),
        ([DataSection(".data", 0, ())], "section .data"),
    ],
)
def test_a_type_has_its_c_name_in_one_line(kinds: list[BtfType], name: str) -> None:
    assert type_name(*last(*kinds)) == name


@pytest.mark.parametrize(
    ("kinds", "text"),
    [
        ([Struct("empty", 0, ())], "struct empty {};"),
        ([Struct("s", 8, (member("a", 1, 0), member("b", 2, 32)))], "struct s {\n\tint a;\n\tchar b;\n};"),
        (
            [Struct("bits", 4, (member("low", 1, 0, 3), member("high", 1, 5, 27)), True)],
            "struct bits {\n\tint low: 3;\n\tchar: 2;\n\tint high: 27;\n};",
        ),
        (
            [Struct("p", 5, (member("a", 2, 0), member("b", 1, 8)))],
            "struct p {\n\tchar a;\n\tint b;\n} __attribute__((packed));",
        ),
        (
            [Struct("gap", 16, (member("a", 1, 0), member("b", 1, 96)))],
            "struct gap {\n\tint a;\n\tint: 32;\n\tint: 32;\n\tint b;\n};",
        ),
        (
            [Struct("", 4, (member("x", 1, 0),)), Union("u", 4, (member("", 3, 0), member("y", 1, 0)))],
            "union u {\n\tstruct {\n\t\tint x;\n\t};\n\tint y;\n};",
        ),
        ([Union("u", 8, (member("a", 1, 0),))], "union u {\n\tint a;\n} __attribute__((aligned(8)));"),
        (
            [Enum("e", 4, (Enumerator("A", 0), Enumerator("B", -1)), signed=True)],
            "enum e {\n\tA = 0,\n\tB = -1,\n};",
        ),
        ([Enum("e", 1, (Enumerator("A", 0),))], "enum e {\n\tA = 0,\n} __attribute__((mode(byte)));"),
        ([Enum("e", 8, (Enumerator("A", 1 << 63),), wide=True)], "enum e {\n\tA = 9223372036854775808ULL,\n};"),
        ([Struct("", 4, (member("x", 1, 0),)), Typedef("t", TypeId(3))], "typedef struct {\n\tint x;\n} t;"),
        ([Array(TypeId(2), TypeId(1), 4), Typedef("four", TypeId(3))], "typedef char four[4];"),
        ([Forward("u", is_union=True)], "union u;"),
        ([FunctionProto(TypeId(1), ()), Function("f", TypeId(3), Linkage.EXTERN)], "extern int f(void);"),
        ([FunctionProto(TypeId(1), ()), Function("f", TypeId(3), Linkage.STATIC)], "static int f(void);"),
        ([Variable("v", TypeId(1), Linkage.GLOBAL)], "int v;"),
        ([pointer(1)], "int *;"),
        ([], "/* char: 1 bytes */"),
        (
            [Variable("v", TypeId(1), 1), DataSection(".bss", 4, (SectionVariable(TypeId(3), 0, 4),))],
            "/* section .bss, 4 bytes */\nint v;",
        ),
    ],
)
def test_a_type_is_declared_in_full(kinds: list[BtfType], text: str) -> None:
    assert declare(*last(*kinds)) == text


def test_a_large_gap_is_an_array_of_bytes_at_its_end() -> None:
    text = declare(*last(Struct("s", 4096, (member("a", 1, 0),))))
    assert text.count("\n") < 25
    assert "char __padding_" in text


def test_a_bitfield_of_the_old_encoding_is_declared_as_one() -> None:
    text = declare(*last(Int("unsigned int", 4, 3), Struct("s", 4, (member("old", 3, 0), member("next", 1, 3)))))
    assert "unsigned int old: 3;" in text


@pytest.mark.parametrize(
    "kinds",
    [
        [Typedef("t", TypeId(3))],
        [pointer(3)],
        [Array(TypeId(3), TypeId(1), 2)],
        [Struct("", 8, (member("a", 3, 0),))],
        [FunctionProto(TypeId(0), (Parameter("a", TypeId(3)),))],
        [FunctionProto(TypeId(0), (Parameter("a", TypeId(4)), Parameter("b", TypeId(4)))), pointer(3)],
        [Function("f", TypeId(3))],
        [DeclTag("d", TypeId(3))],
        [DataSection("d", 0, (SectionVariable(TypeId(3), 0, 0),))],
        [Variable("v", TypeId(4)), DataSection("d", 0, (SectionVariable(TypeId(3), 0, 0),) * 2)],
    ],
)
def test_a_type_made_of_itself_ends_in_text_or_a_btf_error(kinds: list[BtfType]) -> None:
    for print_type in (type_name, declare):
        try:
            text = print_type(*last(*kinds))
        except BtfError:
            continue
        assert len(text) < 1000
