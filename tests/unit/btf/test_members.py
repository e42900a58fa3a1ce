"""One member of a struct without the others: the same as in the built struct, and errors where there is none."""

import pytest

from purebpf.btf import Btf, BtfWriter, Int, Member, Struct, Union
from purebpf.btf.members import member_at, member_count, member_names
from purebpf.errors import BtfError
from purebpf.units import BitOffset, ByteOrder, TypeId

MEMBERS = (
    Member("first", TypeId(1), BitOffset(0)),
    Member("bits", TypeId(1), BitOffset(32), 5),
    Member("", TypeId(1), BitOffset(64)),
)


def built(byteorder: ByteOrder, *, base: Btf | None = None) -> Btf:
    writer = BtfWriter(byteorder=byteorder, base=base)
    writer.add(Int("int", 4, 32))
    writer.add(Struct("s", 12, MEMBERS, True))
    writer.add(Union("u", 4, MEMBERS[:1]))
    return Btf.parse(writer.build(), base=base)


@pytest.mark.parametrize("byteorder", ["little", "big"])
def test_a_member_is_the_one_of_the_built_struct(byteorder: ByteOrder) -> None:
    btf = built(byteorder)
    for type_id in (2, 3):
        compound = btf[type_id]
        assert isinstance(compound, Struct | Union)
        assert member_count(btf, type_id) == len(compound.members)
        assert [member_at(btf, type_id, n) for n in range(len(compound.members))] == list(compound.members)
        assert member_names(btf, type_id) == [member.name for member in compound.members]
    assert member_names(btf, 1) == []


def test_members_of_a_base_are_found_through_what_continues_it() -> None:
    base = built("little")
    split = built("little", base=base)
    assert member_at(split, 2, 1) == MEMBERS[1]
    assert member_at(split, 5, 1) == MEMBERS[1]
    assert member_names(split, 2) == member_names(split, 5) == ["first", "bits", ""]


@pytest.mark.parametrize(("type_id", "index"), [(2, 3), (2, -1), (1, 0), (3, 1)])
def test_a_member_that_is_not_there_is_an_error(type_id: int, index: int) -> None:
    with pytest.raises(BtfError, match="has no member"):
        member_at(built("little"), type_id, index)


def test_a_member_of_a_type_that_is_not_there_is_an_error() -> None:
    writer = BtfWriter()
    writer.add(Struct("s", 4, (Member("lost", TypeId(99), BitOffset(0)),)))
    with pytest.raises(BtfError, match="refers to type 99"):
        member_at(Btf.parse(writer.build()), 1, 0)
