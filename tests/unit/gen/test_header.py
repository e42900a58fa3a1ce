"""Headers: what is printed, in which order, under which names; and what is refused."""

from __future__ import annotations

import tracemalloc
from array import array
from collections.abc import Iterable
from struct import pack

import pytest

from purebpf.btf import (
    Array,
    Btf,
    BtfError,
    BtfType,
    BtfWriter,
    Const,
    DeclTag,
    Enum,
    Enumerator,
    Float,
    Forward,
    Function,
    FunctionProto,
    Int,
    Member,
    Parameter,
    Pointer,
    Restrict,
    Struct,
    Typedef,
    TypeTag,
    Union,
    Volatile,
)
from purebpf.btf.slots import id_slots
from purebpf.gen.header import header, ids_named
from purebpf.units import BitOffset, TypeId

INT = Int("int", 4, 32, signed=True)
CHAR = Int("char", 1, 8, char=True)


def built(*kinds: BtfType, base: Btf | None = None) -> Btf:
    writer = BtfWriter(base=base)
    for kind in kinds:
        writer.add(kind)
    return Btf.parse(writer.build(), base=base, name="types.btf")


def t(number: int) -> TypeId:
    return TypeId(number)


def struct(
    name: str, size: int, *members: tuple[str, int, int] | tuple[str, int, int, int], flag: bool = False
) -> Struct:
    """A struct of (name, type, bit) or (name, type, bit, width)."""
    return Struct(name, size, tuple(Member(m[0], t(m[1]), BitOffset(m[2]), *m[3:]) for m in members), flag)


def printed(*kinds: BtfType, types: Iterable[int] | None = None, base: Btf | None = None) -> str:
    """The header's body."""
    text = header(built(*kinds, base=base), types, guard="G", preserve_access_index=False)
    return text.removeprefix("#ifndef G\n#define G\n\n").removesuffix("#endif /* G */\n")


def test_a_whole_header_has_a_guard_and_makes_accesses_relocatable() -> None:
    assert header(built(INT, struct("s", 4, ("a", 1, 0)))) == (
        "#ifndef __VMLINUX_H__\n#define __VMLINUX_H__\n\n"
        "#ifndef BPF_NO_PRESERVE_ACCESS_INDEX\n"
        "#pragma clang attribute push (__attribute__((preserve_access_index)), apply_to = record)\n#endif\n\n"
        "struct s {\n\tint a;\n};\n\n"
        "#ifndef BPF_NO_PRESERVE_ACCESS_INDEX\n#pragma clang attribute pop\n#endif\n\n"
        "#endif /* __VMLINUX_H__ */\n"
    )


def test_what_a_struct_holds_comes_before_it_and_what_it_points_to_is_declared() -> None:
    text = printed(
        struct("outer", 16, ("held", 2, 0), ("far", 3, 64)), struct("inner", 8), Pointer(t(4)), struct("far", 4)
    )
    assert text == (
        "struct inner {\n\tlong long: 64;\n};\n\nstruct far;\n\n"
        "struct outer {\n\tstruct inner held;\n\tstruct far *far;\n};\n\nstruct far {\n\tint: 32;\n};\n\n"
    )


def test_structs_that_point_at_each_other() -> None:
    text = printed(struct("a", 8, ("b", 3, 0)), struct("b", 8, ("a", 4, 0)), Pointer(t(2)), Pointer(t(1)))
    assert text == ("struct b;\n\nstruct a {\n\tstruct b *b;\n};\n\nstruct b {\n\tstruct a *a;\n};\n\n")


def test_a_typedef_comes_before_what_uses_it_even_behind_a_pointer() -> None:
    text = printed(struct("s", 8, ("p", 2, 0)), Pointer(t(3)), Typedef("s_t", t(1)))
    assert text == "struct s;\n\ntypedef struct s s_t;\n\nstruct s {\n\ts_t *p;\n};\n\n"


def test_a_typedef_needed_by_name_and_then_whole() -> None:
    text = printed(
        struct("user", 16, ("p", 2, 0), ("held", 3, 64)),
        Pointer(t(3)),
        Typedef("s_t", t(4)),
        struct("s", 8, ("x", 2, 0)),
    )
    assert text.index("typedef struct s s_t;") < text.index("struct s {") < text.index("struct user {")
    assert text.count("typedef") == 1


def test_the_element_of_an_array_is_whole_even_behind_a_pointer() -> None:
    text = printed(struct("s", 8, ("p", 2, 0)), Pointer(t(3)), Array(t(4), t(5), 2), struct("e", 4, ("x", 5, 0)), INT)
    assert text == "struct e {\n\tint x;\n};\n\nstruct s {\n\tstruct e (*p)[2];\n};\n\n"


@pytest.mark.parametrize(
    ("kinds", "declared"),
    [
        ([Pointer(t(0))], "void *x"),
        ([Pointer(t(2)), Const(t(3)), CHAR], "const char *x"),
        ([Const(t(2)), Pointer(t(3)), CHAR], "char * const x"),
        ([Restrict(t(2)), Pointer(t(0))], "void * restrict x"),
        ([Restrict(t(2)), CHAR], "char x"),
        ([Array(t(2), t(3), 2), Array(t(3), t(3), 7), CHAR], "char x[2][7]"),
        ([Pointer(t(2)), Array(t(3), t(3), 7), CHAR], "char (*x)[7]"),
        ([Array(t(2), t(3), 7), Pointer(t(3)), CHAR], "char *x[7]"),
        ([Const(t(2)), Array(t(3), t(3), 7), CHAR], "const char x[7]"),
        ([Const(t(2)), Array(t(3), t(3), 7), Const(t(4)), CHAR], "const char x[7]"),
        ([Const(t(2)), Array(t(3), t(4), 7), Pointer(t(4)), CHAR], "char * const x[7]"),
        ([Volatile(t(2)), Const(t(3)), CHAR], "volatile const char x"),
        ([Pointer(t(2)), FunctionProto(t(0), ())], "void (*x)(void)"),
        ([Const(t(2)), Pointer(t(3)), FunctionProto(t(0), ())], "void (* const x)(void)"),
        ([Pointer(t(2)), FunctionProto(t(3), (Parameter("a", t(3)), Parameter("", t(0)))), CHAR],
         "char (*x)(char a, ...)"),
        ([Array(t(2), t(4), 3), Pointer(t(3)), FunctionProto(t(4), ()), CHAR], "char (*x[3])(void)"),
        (
            [Pointer(t(2)), FunctionProto(t(3), (Parameter("", t(3)),)), Pointer(t(4)), FunctionProto(t(0), ())],
            "void (*(*x)(void (*)(void)))(void)",
        ),
        ([Pointer(t(2)), TypeTag("user", t(3)), CHAR], 'char __attribute__((btf_type_tag("user"))) *x'),
        ([Pointer(t(2)), TypeTag("address_space(1)", t(3), kind_flag=True), CHAR],
         "char __attribute__((address_space(1))) *x"),
    ],
)  # fmt: skip
def test_declarators(kinds: list[BtfType], declared: str) -> None:
    user = Typedef("x", t(1))
    assert printed(*kinds, user, types=[len(kinds) + 1]) == f"typedef {declared};\n\n"


def test_anonymous_members_are_printed_in_place_and_indented() -> None:
    text = printed(
        struct("s", 8, ("", 2, 0), ("n", 3, 32)),
        Union("", 4, (Member("a", t(4), BitOffset(0)), Member("b", t(4), BitOffset(0)))),
        struct("", 4, ("c", 4, 0)),
        INT,
    )
    assert text == ("struct s {\n\tunion {\n\t\tint a;\n\t\tint b;\n\t};\n\tstruct {\n\t\tint c;\n\t} n;\n};\n\n")


def test_a_member_without_a_name_may_be_qualified_or_have_a_tag() -> None:
    text = printed(
        struct("s", 8, ("", 2, 0), ("", 4, 32)),
        Const(t(3)),
        struct("", 4, ("a", 5, 0)),
        struct("u", 4, ("b", 5, 0)),
        INT,
    )
    assert "const struct {\n\t\tint a;\n\t};\n\tstruct {\n\t\tint b;\n\t};\n" in text


def test_bitfields_and_the_gaps_between_them() -> None:
    text = printed(struct("s", 8, ("a", 2, 0, 3), ("b", 2, 8, 4), ("c", 2, 32, 32), flag=True), INT)
    assert text == "struct s {\n\tint a: 3;\n\tchar: 5;\n\tint b: 4;\n\tint c: 32;\n};\n\n"


def test_bitfields_of_the_old_encoding() -> None:
    text = printed(struct("s", 4, ("a", 2, 0), ("b", 3, 0)), Int("int", 4, 3), Int("int", 4, 5, 3))
    assert text == "struct s {\n\tint a: 3;\n\tint b: 5;\n};\n\n"


def test_a_packed_struct_says_so() -> None:
    text = printed(struct("s", 5, ("c", 2, 0), ("i", 3, 8)), CHAR, INT)
    assert text == "struct s {\n\tchar c;\n\tint i;\n} __attribute__((packed));\n\n"


def test_a_gap_that_alignment_does_not_explain_is_filled() -> None:
    text = printed(struct("s", 16, ("a", 2, 0), ("b", 2, 64)), INT)
    assert text == "struct s {\n\tint a;\n\tint: 32;\n\tint b;\n\tint: 32;\n};\n\n"


def test_a_union_larger_than_its_members_is_aligned() -> None:
    assert "} __attribute__((aligned(16)));" in printed(Union("u", 16, (Member("a", t(2), BitOffset(0)),)), INT)


def test_names_that_clash_get_numbers_that_no_other_type_has() -> None:
    text = printed(struct("s", 4), struct("s", 8), struct("s___2", 1), Typedef("s", t(2)))
    assert [line for line in text.splitlines() if line.startswith(("struct", "typedef"))] == [
        "struct s {",
        "struct s___3 {",
        "struct s___2 {",
        "typedef struct s___3 s;",
    ]


def test_an_enumerator_and_a_typedef_share_a_name_space() -> None:
    text = printed(Enum("e", 4, (Enumerator("A", 0),)), Typedef("A", t(1)), Enum("", 4, (Enumerator("A", 1),)))
    assert text == "enum e {\n\tA = 0,\n};\n\ntypedef enum e A___2;\n\nenum {\n\tA___3 = 1,\n};\n\n"


def test_an_anonymous_enum_held_twice_is_printed_twice_with_other_names() -> None:
    text = printed(struct("s", 4, ("e", 3, 0)), struct("u", 4, ("e", 3, 0)), Enum("", 4, (Enumerator("A", 1),)))
    assert [line for line in text.splitlines() if "A" in line] == ["\t\tA = 1,", "\t\tA___2 = 1,"]


@pytest.mark.parametrize(
    ("enum", "text"),
    [
        (Enum("e", 4, (Enumerator("A", -1),), signed=True), "enum e {\n\tA = -1,\n};"),
        (Enum("e", 4, (Enumerator("A", 0xFFFFFFFF),)), "enum e {\n\tA = 4294967295,\n};"),
        (Enum("e", 1, (Enumerator("A", 1),)), "enum e {\n\tA = 1,\n} __attribute__((mode(byte)));"),
        (Enum("e", 8, (Enumerator("A", 1 << 63),), wide=True), f"enum e {{\n\tA = {1 << 63}ULL,\n}};"),
        (Enum("e", 8, (Enumerator("A", -5),), signed=True, wide=True), "enum e {\n\tA = -5LL,\n};"),
        (Enum("e", 4, ()), "enum e;"),
    ],
)  # fmt: skip
def test_enums(enum: Enum, text: str) -> None:
    assert printed(enum) == f"{text}\n\n"


def test_a_forward_declaration_uses_the_name_of_the_definition() -> None:
    text = printed(Forward("s"), Typedef("p", t(3)), Pointer(t(1)), struct("s", 4), Forward("u", is_union=True))
    assert text == "struct s;\n\ntypedef struct s *p;\n\nstruct s {\n\tint: 32;\n};\n\nunion u;\n\n"


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        (Int("usize", 8, 64), "typedef unsigned long long usize;\n\ntypedef usize x;\n\n"),
        (Int("i16", 2, 16, signed=True), "typedef signed short i16;\n\ntypedef i16 x;\n\n"),
        (Int("core::Weird<u8>", 1, 8), "typedef unsigned char core__Weird_u8_;\n\ntypedef core__Weird_u8_ x;\n\n"),
        (Int("long unsigned int", 4, 32), "typedef unsigned int x;\n\n"),
        (Float("double", 8), "typedef double x;\n\n"),
        (
            Float("long double", 16),
            "typedef struct { unsigned char bytes[16]; } __attribute__((aligned(16))) long_double;\n\n"
            "typedef long_double x;\n\n",
        ),
    ],
)
def test_numbers_that_c_does_not_have(kind: BtfType, text: str) -> None:
    assert printed(kind, Typedef("x", t(1))) == text


def test_members_with_names_that_c_does_not_accept() -> None:
    text = printed(struct("my::Type", 8, ("default", 2, 0), ("0", 2, 32)), INT)
    assert text == "struct my__Type {\n\tint default_;\n\tint _0;\n};\n\n"


def test_functions_and_sections_are_not_printed() -> None:
    assert printed(INT, FunctionProto(t(1), ()), Function("f", t(2))) == ""


def test_a_function_that_is_asked_for_is_a_prototype_behind_what_it_needs() -> None:
    kinds = (Function("f", t(2)), FunctionProto(t(3), (Parameter("it", t(3)),)), Pointer(t(4)), Struct("s", 0, ()))
    text = printed(*kinds, types=[1, 1])
    assert text.startswith("struct s;\n\n#ifndef BPF_NO_KFUNC_PROTOTYPES\n#ifndef __ksym\n")
    assert text.endswith("#endif\nextern struct s *f(struct s *it) __weak __ksym;\n#endif\n\n")
    assert text.count("f(") == 1


def test_functions_that_are_marked_as_kfuncs_come_with_all_types() -> None:
    tags = [DeclTag("bpf_kfunc", t(1)), DeclTag("bpf_kfunc", t(3)), DeclTag("bpf_fastcall", t(3)), DeclTag("x", t(4))]
    functions = [Function(name, t(2)) for name in ("f", "g", "h")]
    text = printed(functions[0], FunctionProto(t(0), ()), *functions[1:], *tags)
    assert "extern void f(void) __weak __ksym;\nextern __bpf_fastcall void g(void) __weak __ksym;\n#endif\n" in text
    assert "#define __bpf_fastcall\n" in text
    assert " h(" not in text


def test_a_function_whose_prototype_is_damaged_is_a_btf_error() -> None:
    with pytest.raises(BtfError, match="type 1 'f' refers to type 9, the last one is 1"):
        printed(Function("f", t(9)), types=[1])


def test_names_that_c23_made_keywords_are_names_all_the_same() -> None:
    boolean, flags = Int("_Bool", 1, 8, boolean=True), Enum("", 4, (Enumerator("false", 0), Enumerator("true", 1)))
    text = printed(boolean, Typedef("bool", t(1)), flags, struct("s", 1, ("nullptr", 2, 0)))
    opening = "#if __STDC_VERSION__ > 201710L && (!defined(__clang__) || __clang_major__ > 14)\n"
    words = ("bool", "false", "nullptr", "true")
    assert text.startswith(opening + "".join(f"#define {word} {word}_\n" for word in words) + "#endif\n\n")
    assert text.endswith(opening + "".join(f"#undef {word}\n" for word in words) + "#endif\n\n")
    assert "typedef _Bool bool;\n" in text
    assert "__STDC_VERSION__" not in printed(boolean, struct("s", 1, ("a", 1, 0)))


def test_some_types_bring_only_what_they_need() -> None:
    btf = built(struct("a", 4, ("x", 3, 0)), struct("b", 4, ("x", 3, 0)), Typedef("i", t(4)), INT)
    text = header(btf, ids_named(btf, ["b"]), guard="G", preserve_access_index=False)
    assert "struct b {\n\ti x;\n};" in text
    assert "typedef int i;" in text
    assert "struct a" not in text


def test_a_split_btf_prints_its_own_types_and_what_they_need_of_the_base() -> None:
    base = built(INT, struct("in_base", 4, ("x", 1, 0)), struct("unused", 4, ("x", 1, 0)))
    text = printed(struct("own", 4, ("held", 2, 0)), base=base)
    assert text == "struct in_base {\n\tint x;\n};\n\nstruct own {\n\tstruct in_base held;\n};\n\n"


def test_types_are_found_by_name_and_by_tag_and_name() -> None:
    btf = built(
        struct("x", 4), Typedef("x", t(1)), Int("unsigned int", 4, 32), Function("f", t(5)), FunctionProto(t(0), ())
    )
    assert ids_named(btf, ["x"]) == [1, 2]
    assert ids_named(btf, ["struct x", "typedef x"]) == [1, 2]
    assert ids_named(btf, ["unsigned int", "f"], everything=True) == [3, 4]


@pytest.mark.parametrize("name", ["union list_head", "lst_head", "struct ", "", "unsigned list_head"])
def test_an_unknown_name_is_told_with_those_alike(name: str) -> None:
    with pytest.raises(ValueError, match=r"there is no type '.*' in types.btf") as raised:
        ids_named(built(struct("list_head", 4)), [name])
    assert ("list_head" in str(raised.value).replace(name, "")) == (name == "lst_head")


@pytest.mark.parametrize(
    "kinds",
    [
        [struct("s", 4, ("a", 1, 0))],
        [struct("", 4, ("a", 2, 0)), Const(t(1)), Typedef("x", t(1))],
        [Typedef("a", t(2)), Typedef("b", t(1))],
        [Typedef("a", t(2)), Const(t(2))],
        [Typedef("a", t(2)), Pointer(t(2))],
        [Typedef("a", t(2)), Array(t(2), t(2), 2)],
        [Typedef("a", t(2)), FunctionProto(t(0), (Parameter("p", t(2)),))],
        [struct("", 8, ("p", 2, 0)), Pointer(t(1)), Typedef("x", t(2))],
        [struct("s", 4, ("a", 9, 0))],
        [Typedef("a", t(9))],
        [Typedef("a", t(2)), FunctionProto(t(9), ())],
        [Typedef("a", t(2)), Function("f", t(1))],
        [struct("s", 4, ("a", 2, 32), ("b", 2, 0)), INT],
        [struct("s", 4, ("a", 2, 0), ("b", 2, 32)), INT],
        [Union("u", 4, (Member("a", t(2), BitOffset(8)),)), INT],
        [Typedef("a", t(2)), Array(t(3), t(3), 1 << 30), Array(t(4), t(4), 1 << 30), INT, struct("s", 4, ("a", 2, 0))],
    ],
)  # fmt: skip
def test_types_that_c_cannot_have_are_a_btf_error_that_names_one(kinds: list[BtfType]) -> None:
    with pytest.raises(BtfError, match=r"'types.btf', section '.BTF': type \d+ "):
        header(built(*kinds))


def chain(kind: BtfType, depth: int) -> Btf:
    """A typedef of `kind`, which refers to one like it, and so on, `depth` times; the last one is of an int."""
    one = built(kind)
    words, slots = array("I", one.words), id_slots(one.words[1], 0)
    strings = one.strings.rstrip(b"\0") + b"\0last\0" if len(one.strings) > 1 else b"\0last\0"
    records = array("I", (0, 1 << 24, 4, 32))
    for target in range(1, depth):
        for slot in slots:
            words[slot] = target
        records += words
    records.extend((strings.index(b"last"), 8 << 24, depth))
    head = pack("<HBBIIIII", 0xEB9F, 1, 0, 24, 0, 4 * len(records), 4 * len(records), len(strings))
    return Btf.parse(head + records.tobytes() + strings)


@pytest.mark.parametrize(
    "kind",
    [Pointer(t(1)), Const(t(1)), Typedef("x", t(1)), Array(t(1), t(1), 1), struct("", 4, ("a", 1, 0)),
     FunctionProto(t(1), ())],
    ids=lambda kind: type(kind).__name__,
)  # fmt: skip
def test_a_chain_of_20_000_types_is_printed_or_refused(kind: BtfType) -> None:
    btf = chain(kind, 20_000)
    try:
        text = header(btf)
    except BtfError as error:
        text = str(error)
    assert "nested too deeply" in text or text.count("typedef") == 20_000


def test_structs_5_000_deep_in_one_another_are_printed() -> None:
    writer = BtfWriter()
    writer.add(INT)
    for number in range(1, 5_000):
        writer.add(struct(f"s{number}", 4, ("a", number, 0)))
    text = header(Btf.parse(writer.build()))
    assert text.count("struct s4999 {\n\tstruct s4998 a;\n};") == 1


def test_a_few_types_that_print_as_gigabytes_are_refused() -> None:
    writer = BtfWriter()
    writer.add(INT)
    for target in range(1, 40):
        writer.add(Union("", 4, tuple(Member(f"u{number}", t(target), BitOffset(0)) for number in range(30))))
    writer.add(Typedef("big", t(40)))
    tracemalloc.start()
    with pytest.raises(BtfError, match="take more than 32 MB"):
        header(Btf.parse(writer.build()))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 200 << 20
