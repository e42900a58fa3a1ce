"""References of types: none is forgotten, and replacing each by itself changes nothing."""

import pytest

from purebpf.btf import Btf
from purebpf.btf.references import references, with_references
from purebpf.btf.types import Array, DataSection, FunctionProto, Member, Parameter, SectionVariable, Struct
from purebpf.units import BitOffset, TypeId
from tests.repo.source import ROOT


@pytest.fixture(scope="module")
def every_kind() -> Btf:
    from purebpf.elf import read_elf

    section = read_elf(ROOT / "bpf" / "built" / "all_types.bpf.o").section(".BTF")
    assert section is not None
    return Btf.parse(section.data)


def test_the_same_references_give_the_same_type(every_kind: Btf) -> None:
    for type_id in every_kind.ids():
        kind = every_kind[type_id]
        assert with_references(kind, lambda old: old) == kind


def test_every_reference_is_told_and_replaced(every_kind: Btf) -> None:
    for type_id in every_kind.ids():
        kind = every_kind[type_id]
        moved = with_references(kind, lambda old: TypeId(old + 1000))
        assert list(references(moved)) == [TypeId(old + 1000) for old in references(kind)]


def test_the_references_of_compound_types_stand_in_the_order_of_the_record() -> None:
    one, two, three = TypeId(1), TypeId(2), TypeId(3)
    members = (Member("a", two, BitOffset(0)), Member("b", one, BitOffset(32)))
    assert list(references(Struct("s", 8, members))) == [2, 1]
    assert list(references(Array(three, one, 4))) == [3, 1]
    assert list(references(FunctionProto(TypeId(0), (Parameter("x", two), Parameter("y", three))))) == [0, 2, 3]
    assert list(references(DataSection(".bss", 4, (SectionVariable(three, 0, 4),)))) == [3]
