"""Equal types become one; what only looks equal does not."""

from __future__ import annotations

import random
from collections.abc import Sequence
from struct import pack

import pytest

from purebpf.btf import (
    Array,
    Btf,
    BtfError,
    BtfType,
    BtfWriter,
    Const,
    DataSection,
    Enum,
    Enumerator,
    Forward,
    Function,
    FunctionProto,
    Int,
    Kind,
    Member,
    Parameter,
    Pointer,
    SectionVariable,
    Struct,
    Typedef,
    Union,
    Variable,
)
from purebpf.btf.dedup import dedup, refine
from purebpf.units import BitOffset, TypeId

INT = Int("int", 4, 32, signed=True)


def built(*kinds: BtfType, base: Btf | None = None, byteorder: str = "little") -> Btf:
    writer = BtfWriter(byteorder="little" if byteorder == "little" else "big", base=base)
    for kind in kinds:
        writer.add(kind)
    return Btf.parse(writer.build(), base=base)


def merged(*parts: Btf) -> Btf:
    writer = BtfWriter()
    for part in parts:
        writer.add_btf(part)
    return Btf.parse(writer.build())


def holding(name: str, *types: int, size: int = 8) -> Struct:
    """A struct whose members m0, m1, ... are of these types, 64 bits apart."""
    members = [Member(f"m{index}", TypeId(each), BitOffset(64 * index)) for index, each in enumerate(types)]
    return Struct(name, size * len(types), tuple(members))


def pointer(target: int) -> Pointer:
    return Pointer(TypeId(target))


def deduped(btf: Btf, *, variables: bool = True) -> Btf:
    return Btf.parse(dedup(btf, variables=variables).data, base=btf.base)


def types_of(btf: Btf) -> list[BtfType]:
    return [btf[each] for each in btf.ids()]


def list_node(payload: BtfType = INT) -> Btf:
    """A list: `struct node { struct node *m0; payload m1; }`."""
    return built(holding("node", 2, 3), pointer(1), payload)


def test_copies_become_one_and_every_old_id_is_told_its_new_one() -> None:
    one = list_node()
    result = dedup(merged(one, one, one))
    assert types_of(Btf.parse(result.data)) == types_of(one)
    assert list(result.ids) == [0, 1, 2, 3, 1, 2, 3, 1, 2, 3]


def test_the_order_in_which_a_copy_was_written_does_not_matter() -> None:
    again = built(INT, pointer(3), holding("node", 2, 1))
    assert types_of(deduped(merged(list_node(), again))) == types_of(list_node())


def test_a_difference_far_down_a_cycle_keeps_everything_that_leads_to_it_apart() -> None:
    other = list_node(Int("int", 4, 32, signed=False))
    assert len(types_of(deduped(merged(list_node(), other)))) == 6


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (Int("int", 4, 32), Int("int", 4, 31)),
        (Struct("s", 4, ()), Struct("s", 8, ())),
        (Struct("s", 4, ()), Union("s", 4, ())),
        (Enum("e", 4, (Enumerator("A", 0),)), Enum("e", 4, (Enumerator("A", 1),))),
        (Forward("s"), Forward("s", is_union=True)),
        (Array(TypeId(0), TypeId(0), 1), Array(TypeId(0), TypeId(0), 2)),
        (Const(TypeId(0)), pointer(0)),
        (
            FunctionProto(TypeId(0), (Parameter("a", TypeId(0)),)),
            FunctionProto(TypeId(0), (Parameter("b", TypeId(0)),)),
        ),
    ],
    ids=lambda kind: type(kind).__name__,
)
def test_types_that_differ_in_anything_stay_apart(one: BtfType, other: BtfType) -> None:
    assert types_of(deduped(built(one, other))) == [one, other]
    assert types_of(deduped(built(one, one))) == [one]


def test_a_forward_declaration_becomes_its_only_definition() -> None:
    user = built(Forward("s"), pointer(1), Function("f", TypeId(4), 1), FunctionProto(TypeId(2), ()))
    result = deduped(merged(user, built(Struct("s", 4, ()))))
    assert {result.kind(each) for each in result.ids()} == {Kind.PTR, Kind.FUNC, Kind.FUNC_PROTO, Kind.STRUCT}
    assert result[1] == pointer(4)


def test_declared_in_one_and_defined_in_the_other_makes_the_holders_equal() -> None:
    whole = built(holding("holder", 2), pointer(3), holding("s", 2))
    declared = built(holding("holder", 2), pointer(3), Forward("s"))
    assert types_of(deduped(merged(declared, whole))) == types_of(deduped(merged(whole, declared)))
    assert len(types_of(deduped(merged(whole, declared)))) == 3


def test_each_completes_the_other() -> None:
    first = built(holding("a", 2), pointer(3), Forward("b"))
    second = built(holding("b", 2), pointer(3), Forward("a"))
    result = deduped(merged(first, second, first, second))
    assert sorted(result.name_of(each) for each in result.ids_of(Kind.STRUCT)) == ["a", "b"]
    assert not result.ids_of(Kind.FWD)
    assert len(types_of(result)) == 4


def test_a_declaration_with_two_definitions_stays_a_declaration() -> None:
    btf = built(Forward("s"), pointer(1), Struct("s", 4, ()), Struct("s", 8, ()))
    assert types_of(deduped(btf)) == types_of(btf)


def test_a_declaration_with_two_definitions_is_the_one_that_an_equal_holder_has() -> None:
    """Which of the two `s` the declaration stands for is told by the list that holds it."""
    first = built(holding("holder", 2), pointer(3), Struct("s", 4, ()))
    second = built(holding("other", 2), pointer(3), Struct("s", 8, ()))
    declared = built(holding("other", 2), pointer(3), Forward("s"), Typedef("t", TypeId(3)))
    result = deduped(merged(first, second, declared))
    assert not result.ids_of(Kind.FWD)
    assert result[result.ids_of(Kind.TYPEDEF)[0]] == Typedef("t", TypeId(6))
    assert len(types_of(result)) == 7


def test_a_declaration_that_two_holders_contradict_each_other_about_stays() -> None:
    first = built(holding("holder", 2, 2), pointer(3), Struct("s", 4, ()), Struct("s", 8, ()), pointer(4))
    declared = built(holding("holder", 2, 5), pointer(3), Struct("s", 4, ()), Struct("s", 8, ()), pointer(4))
    with_forward = built(holding("holder", 2, 2), pointer(3), Forward("s"), Struct("s", 8, ()))
    assert len(deduped(merged(first, declared)).ids_of(Kind.STRUCT)) == 4
    assert not deduped(merged(first, with_forward)).ids_of(Kind.FWD)


def test_a_union_is_no_definition_of_a_struct() -> None:
    btf = built(Forward("s"), Union("s", 4, ()))
    assert types_of(deduped(btf)) == types_of(btf)


def test_an_enum_without_values_becomes_the_one_with_values() -> None:
    full = Enum("e", 8, (Enumerator("A", 1 << 40),), wide=True)
    result = dedup(built(Enum("e", 4, ()), pointer(1), full))
    assert types_of(Btf.parse(result.data)) == [pointer(2), full]
    assert list(result.ids) == [0, 2, 1, 2]


def section(name: str, *variables: int) -> DataSection:
    return DataSection(name, 0, tuple(SectionVariable(TypeId(each), 0, 4) for each in variables))


def test_variables_are_one_only_in_equal_sections() -> None:
    one = built(INT, Variable("x", TypeId(1)), section(".data", 2))
    other = built(INT, Variable("x", TypeId(1)), Variable("y", TypeId(1)), section(".data", 2, 3))
    assert len(types_of(deduped(merged(one, one)))) == 3
    assert len(types_of(deduped(merged(one, other)))) == 1 + 2 + 3


def test_variables_and_sections_can_be_kept_apart_for_a_linker() -> None:
    one = built(INT, Variable("x", TypeId(1)), section(".data", 2))
    assert len(types_of(deduped(merged(one, one), variables=False))) == 1 + 2 + 2


def test_a_typedef_of_itself_is_no_trouble() -> None:
    loop = built(Typedef("a", TypeId(2)), Typedef("b", TypeId(1)))
    assert types_of(deduped(merged(loop, loop))) == types_of(loop)


def test_a_chain_of_20_000_pointers_is_no_trouble() -> None:
    writer = BtfWriter()
    writer.add(INT)
    for target in range(1, 20_000):
        writer.add(pointer(target))
    chain = Btf.parse(writer.build())
    assert len(deduped(merged(chain, chain))) == len(chain)


def test_split_types_that_the_base_has_are_the_bases() -> None:
    base = list_node()
    result = dedup(built(holding("node", 5, 6), pointer(4), INT, holding("own", 4), base=base))
    assert list(result.ids) == [0, 1, 2, 3, 1, 2, 3, 4]
    assert types_of(Btf.parse(result.data, base=base)) == [holding("own", 1)]


def test_a_split_declaration_is_the_bases_definition() -> None:
    base = built(Struct("s", 4, ()))
    result = Btf.parse(dedup(built(Forward("s"), pointer(2), base=base)).data, base=base)
    assert types_of(result) == [pointer(1)]


def test_strings_nobody_uses_any_more_go() -> None:
    result = dedup(built(Forward("gone_or_not"), Struct("gone_or_not", 4, ())))
    assert result.data.count(b"gone_or_not") == 1


def with_strings(strings: bytes, *names: int) -> Btf:
    """Structs of one member each, with these string offsets as their names and their members' names in turn."""
    writer = BtfWriter()
    for name in names:
        writer.add_record(pack("<III", name, 4 << 24 | 1, 4) + pack("<III", name, 0, 0))
    data = bytearray(writer.build())
    data[20:24] = pack("<I", len(strings))
    return Btf.parse(bytes(data[:-1]) + strings)


def test_a_name_that_stands_there_twice_is_one_name() -> None:
    assert len(deduped(with_strings(b"\0same\0same\0", 1, 6)).ids()) == 1
    assert len(deduped(with_strings(b"\0same\0else\0", 1, 6)).ids()) == 2


def test_a_name_that_is_the_tail_of_another_string_is_a_name_like_others() -> None:
    assert len(deduped(with_strings(b"\0not_same\0same\0", 5, 10)).ids()) == 1
    assert len(deduped(with_strings(b"\0not_same\0also_same\0", 5, 15)).ids()) == 1
    assert len(deduped(with_strings(b"\0not_same\0same\0", 1, 10)).ids()) == 2


def test_a_name_outside_the_strings_is_a_btf_error() -> None:
    with pytest.raises(BtfError, match="string offset 0x40 lies outside the string section"):
        dedup(with_strings(b"\0same\0", 1, 0x40))


def test_a_big_endian_btf_stays_one() -> None:
    btf = built(INT, INT, pointer(2), byteorder="big")
    result = Btf.parse(dedup(btf).data)
    assert result.byteorder == "big"
    assert types_of(result) == [INT, pointer(1)]


def test_a_reference_past_the_end_is_a_btf_error() -> None:
    with pytest.raises(BtfError, match="type 1 refers to type 7, the last one is 1"):
        dedup(built(pointer(7)))


def naive(signatures: Sequence[tuple[int, ...]], references: Sequence[Sequence[int]]) -> list[int]:
    """The classes, by asking every node again until nothing changes."""
    colors = [0] * len(signatures)
    while True:
        looks = [
            (signature, colors[node], tuple(colors[each] for each in references[node]))
            for node, signature in enumerate(signatures)
        ]
        numbers = {look: number for number, look in enumerate(dict.fromkeys(looks))}
        if len(numbers) == len(set(colors)):
            return colors
        colors = [numbers[look] for look in looks]


def partition(colors: Sequence[int]) -> list[int]:
    return [colors.index(color) for color in colors]


@pytest.mark.parametrize("seed", range(40))
def test_refinement_finds_the_classes_that_asking_until_nothing_changes_finds(seed: int) -> None:
    chance = random.Random(seed)
    count = chance.randint(1, 60)
    signatures = [(degree, chance.randint(0, 1)) for degree in chance.choices((0, 1, 2), k=count)]
    references = [[chance.randrange(count) for _ in range(degree)] for degree, _ in signatures]
    assert partition(refine(signatures, references)) == partition(naive(signatures, references))
