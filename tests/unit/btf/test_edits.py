"""Data sections and hidden functions are corrected in place."""

import pytest

from purebpf.btf import (
    Btf,
    BtfWriter,
    DataSection,
    Function,
    FunctionProto,
    Int,
    Kind,
    Linkage,
    SectionVariable,
    Variable,
    with_data_sections,
    with_static_functions,
)
from purebpf.units import ByteOrder, TypeId

BOTH_ORDERS = pytest.mark.parametrize("byteorder", ["little", "big"])


def object_btf(byteorder: ByteOrder) -> Btf:
    writer = BtfWriter(byteorder=byteorder)
    integer = writer.add(Int("int", 4, 32))
    variables = [writer.add(Variable(name, integer, Linkage.GLOBAL)) for name in ("a", "b", "c")]
    proto = writer.add(FunctionProto(integer, ()))
    for name in ("seen", "hidden"):
        writer.add(Function(name, proto, Linkage.GLOBAL))
    writer.add(DataSection(".data", 0, tuple(SectionVariable(each, 0, 4) for each in variables)))
    writer.add(DataSection(".bss", 0, ()))
    return Btf.parse(writer.build())


def section(btf: Btf, name: str) -> DataSection:
    type_id = btf.find_one(name, Kind.DATASEC)
    assert type_id is not None
    found = btf[type_id]
    assert isinstance(found, DataSection)
    return found


@BOTH_ORDERS
def test_sizes_and_offsets_are_filled_in_and_variables_sorted(byteorder: ByteOrder) -> None:
    btf = object_btf(byteorder)
    done = with_data_sections(btf, {".data": (12, {"a": 8, "b": 0, "c": 4}), ".bss": (64, {})})
    places = [(done.name_of(each.type), each.offset, each.size) for each in section(done, ".data").variables]
    assert (section(done, ".data").size, places) == (12, [("b", 0, 4), ("c", 4, 4), ("a", 8, 4)])
    assert section(done, ".bss").size == 64
    assert section(btf, ".data").size == 0
    assert Btf.parse(done.raw)[8] == done[8]


def test_sections_and_variables_that_are_not_named_keep_what_they_have() -> None:
    btf = object_btf("little")
    done = with_data_sections(btf, {".data": (8, {"a": 4}), ".missing": (4, {})})
    assert sorted(each.offset for each in section(done, ".data").variables) == [0, 0, 4]
    assert section(done, ".bss").size == 0


def test_what_already_holds_costs_no_copy() -> None:
    btf = with_data_sections(object_btf("little"), {".data": (12, {"a": 8, "b": 0, "c": 4})})
    assert with_data_sections(btf, {".data": (12, {"a": 8, "b": 0, "c": 4})}) is btf
    assert with_static_functions(btf, ["missing"]) is btf


@BOTH_ORDERS
def test_named_functions_become_static(byteorder: ByteOrder) -> None:
    btf = object_btf(byteorder)
    done = with_static_functions(btf, ["hidden"])
    assert done[7] == Function("hidden", TypeId(5), Linkage.STATIC)
    assert done[6] == Function("seen", TypeId(5), Linkage.GLOBAL)
    assert with_static_functions(done, ["hidden"]) is done


@pytest.mark.parametrize("value", [-1, 1 << 32])
def test_a_number_that_does_not_fit_is_a_value_error(value: int) -> None:
    for edit in ((value, {}), (4, {"a": value})):
        with pytest.raises(ValueError, match="32 bits"):
            with_data_sections(object_btf("little"), {".data": edit})
