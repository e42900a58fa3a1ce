"""Whether two files mean the same by one name."""

from purebpf.btf import (
    Array,
    Btf,
    BtfType,
    BtfWriter,
    Const,
    Enum,
    Enumerator,
    Forward,
    Int,
    Member,
    Pointer,
    Struct,
    Typedef,
    Union,
    Variable,
)
from purebpf.linker.matching import declarations_match, map_definitions_match
from purebpf.units import BitOffset, TypeId

INT = Int("int", 4, 32, signed=True)


def _btf(*types: BtfType) -> tuple[Btf, TypeId]:
    """A BTF of the types, whose ids begin with 1, and the id of the last."""
    writer = BtfWriter()
    for each in types:
        last = writer.add(each)
    return Btf.parse(writer.build()), last


def _difference(one: tuple[BtfType, ...], other: tuple[BtfType, ...]) -> str:
    return declarations_match(*_btf(*one), *_btf(*other))


def _id(number: int) -> TypeId:
    return TypeId(number)


def _member(name: str, type_id: int, offset: int = 0) -> Member:
    return Member(name, _id(type_id), BitOffset(offset))


def test_qualifiers_and_typedefs_do_not_count() -> None:
    plain = INT, Variable("x", _id(1))
    dressed = INT, Typedef("number", _id(1)), Const(_id(2)), Variable("x", _id(3))
    assert _difference(plain, dressed) == ""


def test_integers_of_other_sizes_differ_and_the_types_are_told() -> None:
    assert _difference((INT,), (Int("long", 8, 64, signed=True),)) == "'int' and 'long'"


def test_the_length_of_an_array_does_not_count_in_a_declaration() -> None:
    assert _difference((INT, Array(_id(1), _id(1), 0)), (INT, Array(_id(1), _id(1), 16))) == ""
    assert _difference((INT, Array(_id(1), _id(1), 4)), (Int("c", 1, 8), Array(_id(1), _id(1), 4)))


def test_behind_a_pointer_a_struct_counts_by_its_name() -> None:
    declared = Forward("task"), Pointer(_id(1))
    defined = INT, Struct("task", 4, (_member("pid", 1),)), Pointer(_id(2))
    assert _difference(declared, defined) == ""
    assert _difference((Forward("other"), Pointer(_id(1))), defined)
    assert _difference((Forward("task", is_union=True), Pointer(_id(1))), defined)


def test_a_struct_itself_counts_with_its_members() -> None:
    one = INT, Struct("s", 8, (_member("a", 1), _member("b", 1, 32)))
    assert _difference(one, one) == ""
    assert _difference(one, (INT, Struct("s", 8, (_member("a", 1), _member("c", 1, 32)))))
    assert _difference(one, (INT, Struct("s", 8, (_member("a", 1),))))
    assert _difference(one, (INT, Union("s", 8, (_member("a", 1), _member("b", 1, 32)))))


def test_types_that_contain_themselves_are_compared_in_bounded_time() -> None:
    node = INT, Struct("node", 8, (_member("next", 3),)), Pointer(_id(2))
    assert _difference(node, node) == ""


def test_of_a_map_the_numbers_count_and_their_order_does_not() -> None:
    def definition(size: int, *, swapped: bool = False) -> tuple[Btf, TypeId]:
        names = ("max_entries", "type") if swapped else ("type", "max_entries")
        numbers = {"type": 1, "max_entries": size}
        arrays = [Array(_id(1), _id(1), numbers[name]) for name in names]
        members = tuple(_member(name, 4 + index, 64 * index) for index, name in enumerate(names))
        return _btf(INT, *arrays, Pointer(_id(2)), Pointer(_id(3)), Struct("", 16, members))

    assert map_definitions_match(*definition(16), *definition(16, swapped=True)) == ""
    assert map_definitions_match(*definition(16), *definition(17))


def test_of_a_map_the_type_behind_a_pointer_counts_whole() -> None:
    def definition(member: str) -> tuple[Btf, TypeId]:
        key = Struct("key", 4, (_member(member, 1),))
        return _btf(INT, key, Pointer(_id(2)), Struct("", 8, (_member("key", 3),)))

    assert map_definitions_match(*definition("a"), *definition("a")) == ""
    assert map_definitions_match(*definition("a"), *definition("b"))


def test_of_a_map_a_number_written_as_an_enum_counts_by_its_value() -> None:
    def definition(value: int) -> tuple[Btf, TypeId]:
        number = Enum("", 8, (Enumerator("__unique", value),), wide=True)
        return _btf(number, Pointer(_id(1)), Struct("", 8, (_member("map_extra", 2),)))

    assert map_definitions_match(*definition(1 << 40), *definition(1 << 40)) == ""
    assert map_definitions_match(*definition(1 << 40), *definition(1 << 41))
