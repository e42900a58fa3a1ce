"""Ids and strings are found in records of every kind: what `references` says of the built type."""

from __future__ import annotations

from array import array

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
    Float,
    Forward,
    Function,
    FunctionProto,
    Int,
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
)
from purebpf.btf.references import references
from purebpf.btf.slots import id_slots, name_slots, renumbered
from purebpf.units import BitOffset, TypeId

T = [TypeId(number) for number in range(8)]
KINDS: list[BtfType] = [
    Int("int", 4, 32),
    Pointer(T[3]),
    Array(T[3], T[1], 4),
    Struct("s", 8, (Member("a", T[1], BitOffset(0)), Member("b", T[2], BitOffset(32)))),
    Union("u", 8, (Member("c", T[4], BitOffset(0)), Member("d", T[5], BitOffset(0)))),
    Enum("e", 4, (Enumerator("E1", 1), Enumerator("E2", 2))),
    Enum("w", 8, (Enumerator("W1", 1), Enumerator("W2", 2)), wide=True),
    Forward("f"),
    Typedef("t", T[6]),
    Volatile(T[1]),
    Const(T[2]),
    Restrict(T[3]),
    Function("fn", T[7], 1),
    FunctionProto(T[1], (Parameter("p", T[2]), Parameter("q", T[3]))),
    Variable("v", T[4], 1),
    DataSection(".data", 8, (SectionVariable(T[5], 0, 4), SectionVariable(T[6], 4, 4))),
    Float("double", 8),
    DeclTag("tag", T[7], 0),
    TypeTag("user", T[1]),
]


def written() -> Btf:
    writer = BtfWriter()
    for kind in KINDS:
        writer.add(kind)
    return Btf.parse(writer.build())


def test_the_id_slots_of_every_kind_hold_what_it_refers_to() -> None:
    btf = written()
    words = btf.words
    for type_id, at in zip(btf.ids(), btf.places, strict=True):
        assert [words[slot] for slot in id_slots(words[at + 1], at)] == list(references(btf[type_id]))


@pytest.mark.parametrize(
    ("index", "names"),
    [(3, "ab"), (4, "cd"), (5, ["E1", "E2"]), (6, ["W1", "W2"]), (13, "pq"), (15, ""), (0, "")],
)
def test_the_name_slots_hold_the_names_of_members_enumerators_and_parameters(index: int, names: str) -> None:
    btf = written()
    words, at = btf.words, btf.places[index]
    assert [btf.string(words[slot]) for slot in name_slots(words[at + 1], at)] == list(names)


def test_renumbered_records_have_the_new_ids_and_strings_in_the_order_asked_for() -> None:
    btf = written()
    ids = [each + 100 for each in range(len(btf))]
    words = renumbered(btf, [2, 1], ids, lambda offset: offset + 1000)
    assert words[2] == 103
    assert words[3] == btf.words[0] + 1000
    assert len(words) == 3 + 4


def test_an_id_that_does_not_exist_is_a_btf_error() -> None:
    writer = BtfWriter()
    writer.add(Pointer(TypeId(9)))
    btf = Btf.parse(writer.build(), name="x")
    with pytest.raises(BtfError, match="type 1 refers to type 9, the last one is 1"):
        renumbered(btf, [1], [0] * 100, lambda offset: offset)


def test_the_words_of_the_other_byte_order_are_native() -> None:
    writer = BtfWriter(byteorder="big")
    writer.add(Pointer(TypeId(1)))
    btf = Btf.parse(writer.build())
    assert list(btf.words) == [0, 2 << 24, 1]
    assert btf.places == array("I", [0])
