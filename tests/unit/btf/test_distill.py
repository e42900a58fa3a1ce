"""A split BTF leaves its base with what it needs, and finds its types in another one."""

from __future__ import annotations

import pytest

from purebpf.btf import (
    Array,
    Btf,
    BtfError,
    BtfType,
    BtfWriter,
    Const,
    Enum,
    Enumerator,
    Forward,
    FunctionProto,
    Int,
    Member,
    Parameter,
    Pointer,
    Struct,
    Typedef,
    Union,
)
from purebpf.btf.distill import distill, read_distilled, relocate
from purebpf.units import BitOffset, TypeId

INT = Int("int", 4, 32, signed=True)
T = TypeId


def built(*kinds: BtfType, base: Btf | None = None, name: str = "") -> Btf:
    writer = BtfWriter(base=base)
    for kind in kinds:
        writer.add(kind)
    return Btf.parse(writer.build(), base=base, name=name)


def struct(name: str, size: int, *types: int) -> Struct:
    members = tuple(Member(f"m{at}", T(each), BitOffset(64 * at)) for at, each in enumerate(types))
    return Struct(name, size, members)


KERNEL = (
    INT,
    struct("held", 8, 1),
    struct("pointed_at", 24, 1, 1, 1),
    Pointer(T(3)),
    Typedef("held_t", T(2)),
    Enum("color", 4, (Enumerator("RED", 0),)),
    Struct("", 4, (Member("x", T(1), BitOffset(0)),)),
    struct("not_needed", 8, 1),
    Union("u", 4, (Member("a", T(1), BitOffset(0)),)),
    Pointer(T(9)),
    FunctionProto(T(1), (Parameter("p", T(2)),)),
)


def module(base: Btf) -> Btf:
    """A struct of a typedef, a pointer, an enum, an anonymous struct, an array and functions of the base."""
    return built(struct("mine", 64, 5, 4, 6, 7, 13, 10, 14), Array(T(1), T(1), 2), Pointer(T(11)), base=base)


def types_of(btf: Btf) -> list[BtfType]:
    return [btf[each] for each in btf.ids()]


def test_the_base_holds_numbers_in_full_and_else_names_and_sizes() -> None:
    result = distill(module(built(*KERNEL)))
    assert types_of(Btf.parse(result.base)) == [
        INT,
        Struct("held", 8, ()),
        Struct("pointed_at", 24, ()),
        Enum("color", 4, ()),
        Union("u", 4, ()),
    ]


def test_the_split_part_has_its_own_types_first_and_then_those_without_names() -> None:
    result = distill(module(built(*KERNEL)))
    split = Btf.parse(result.split, base=Btf.parse(result.base))
    assert types_of(split) == [
        struct("mine", 64, 10, 9, 4, 11, 7, 12, 8),
        Array(T(1), T(1), 2),
        Pointer(T(13)),
        Pointer(T(3)),
        Typedef("held_t", T(2)),
        Struct("", 4, (Member("x", T(1), BitOffset(0)),)),
        Pointer(T(5)),
        FunctionProto(T(1), (Parameter("p", T(2)),)),
    ]
    assert result.ids[12] == 6


def test_it_fits_another_kernel_in_which_the_ids_are_others() -> None:
    result = distill(module(built(*KERNEL)))
    split = Btf.parse(result.split, base=Btf.parse(result.base))
    other = built(Struct("new", 1, ()), *(_shifted(kind) for kind in KERNEL))
    moved = Btf.parse(relocate(split, other).data, base=other)
    mine = moved[other.end_id]
    assert isinstance(mine, Struct)
    held = moved[mine.members[0].type]
    assert held == Typedef("held_t", T(3))
    assert moved[3] == struct("held", 8, 2)
    pointer = moved[mine.members[1].type]
    assert isinstance(pointer, Pointer)
    assert moved[pointer.target].name == "pointed_at"


def _shifted(kind: BtfType) -> BtfType:
    from purebpf.btf.references import with_references

    return with_references(kind, lambda each: T(each + 1) if each else each)


@pytest.mark.parametrize(
    ("new_base", "complaint"),
    [
        ([INT], "no struct 'held' of 8 bytes: the types are for another kernel"),
        ([INT, struct("held", 16, 1, 1)], r"no struct 'held' of 8 bytes \(but of 16\): "),
        ([INT, struct("held", 8, 1), Struct("held", 8, ())], "more than one struct 'held' of 8 bytes, and nothing"),
        ([Int("int", 4, 32)], "no signed int 'int' of 4 bytes"),
        ([Int("int", 8, 64, signed=True)], r"no signed int 'int' of 4 bytes \(but of 8\)"),
        ([INT, Union("held", 8, ())], "no struct 'held' of 8 bytes: "),
    ],
)
def test_a_base_that_lacks_a_type_is_refused(new_base: list[BtfType], complaint: str) -> None:
    base = built(INT, struct("held", 8, 1))
    result = distill(built(struct("mine", 8, 2, 1), base=base))
    split = Btf.parse(result.split, base=Btf.parse(result.base, name="mine.ko"))
    with pytest.raises(BtfError, match=f"'mine.ko', section '.BTF.base': the base that .*, vmlinux, has {complaint}"):
        relocate(split, built(*new_base, name="vmlinux"))


def test_what_is_only_pointed_at_may_have_grown() -> None:
    base = built(INT, struct("grows", 8, 1), Pointer(T(2)), Typedef("grows_t", T(2)))
    for holder, fits in ((struct("mine", 8, 3), True), (struct("mine", 8, 2), False), (struct("mine", 8, 4), False)):
        result = distill(built(holder, base=base))
        split = Btf.parse(result.split, base=Btf.parse(result.base))
        grown = built(INT, struct("grows", 16, 1, 1))
        if fits:
            assert relocate(split, grown).ids[1] == 2
        else:
            with pytest.raises(BtfError, match=r"no struct 'grows' of 8 bytes \(but of 16\)"):
                relocate(split, grown)


def test_of_several_types_of_a_name_that_of_the_size_is_meant_even_if_it_is_only_pointed_at() -> None:
    base = built(INT, struct("twice", 16, 1, 1), Pointer(T(2)))
    result = distill(built(struct("mine", 8, 3), base=base))
    split = Btf.parse(result.split, base=Btf.parse(result.base))
    assert relocate(split, built(struct("twice", 8), INT, struct("twice", 16))).ids[1] == 3
    with pytest.raises(BtfError, match=r"no struct 'twice' of 16 bytes \(but of 8 and 24\)"):
        relocate(split, built(struct("twice", 8), INT, struct("twice", 24)))


def test_what_is_only_declared_is_found_whatever_its_size() -> None:
    small = built(Forward("task"))
    split = built(Pointer(T(1)), base=small)
    base = built(Forward("task"), Struct("task", 8, ()), Struct("task", 16, ()))
    assert relocate(split, base).ids[1] == 2
    assert relocate(split, built(Forward("task"))).ids[1] == 1


@pytest.mark.parametrize("kind", [Struct("", 4, ()), Pointer(T(0)), Typedef("t", T(0))])
def test_a_base_that_was_not_distilled_is_refused(kind: BtfType) -> None:
    split = built(INT, base=built(kind, name="mine.ko"))
    with pytest.raises(BtfError, match=r"'mine.ko', section '.BTF.base': type 1 .* has no place in a distilled base"):
        relocate(split, built(INT))


def test_the_two_sections_of_a_module_give_types_that_continue_the_kernels() -> None:
    base = built(*KERNEL)
    result = distill(module(base))
    read = read_distilled(result.split, result.base, base=base, name="mine.ko")
    assert (read.base, read.name, read.find_one("mine")) == (base, "mine.ko", base.end_id)
    alone = read_distilled(result.split, result.base, base=None)
    assert alone.base is not None
    assert alone.find_one("mine") == alone.base.end_id == 6


def test_a_cycle_through_the_base_ends() -> None:
    base = built(Const(T(2)), Pointer(T(1)))
    result = distill(built(Pointer(T(1)), base=base))
    assert len(Btf.parse(result.base)) == 1
    assert types_of(Btf.parse(result.split, base=Btf.parse(result.base))) == [Pointer(T(2)), Const(T(3)), Pointer(T(2))]


@pytest.mark.parametrize("verb", [distill, lambda btf: relocate(btf, btf)])
def test_only_a_split_btf_has_a_base_to_leave(verb: object) -> None:
    with pytest.raises(ValueError, match="has no base"):
        verb(built(INT))  # type: ignore[operator]


def test_a_base_that_is_split_itself_is_refused() -> None:
    base = built(INT)
    middle = built(Pointer(T(1)), base=base)
    with pytest.raises(ValueError, match="split itself"):
        distill(built(Pointer(T(2)), base=middle))
