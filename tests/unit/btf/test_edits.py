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
    Parameter,
    SectionVariable,
    Variable,
    with_added,
    with_types,
)
from purebpf.units import VOID, ByteOrder, TypeId

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
def test_a_data_section_gets_its_size_and_its_variables_in_order(byteorder: ByteOrder) -> None:
    btf = object_btf(byteorder)
    a, b, c = (each.type for each in section(btf, ".data").variables)
    placed = DataSection(".data", 12, (SectionVariable(b, 0, 4), SectionVariable(c, 4, 4), SectionVariable(a, 8, 4)))
    done = with_types(btf, {8: placed, 9: DataSection(".bss", 64, ())})
    assert section(done, ".data") == placed == section(Btf.parse(done.raw), ".data")
    assert section(Btf.parse(done.raw), ".bss").size == 64
    assert section(btf, ".data").size == 0


def test_without_changes_nothing_is_copied() -> None:
    btf = object_btf("little")
    assert with_types(btf, {}) is btf


@BOTH_ORDERS
def test_functions_and_variables_become_static(byteorder: ByteOrder) -> None:
    btf = object_btf(byteorder)
    hidden, variable = Function("hidden", TypeId(5), Linkage.STATIC), Variable("a", TypeId(1), Linkage.STATIC)
    done = Btf.parse(with_types(btf, {7: hidden, 2: variable}).raw)
    assert (done[7], done[2]) == (hidden, variable)
    assert done[6] == Function("seen", TypeId(5), Linkage.GLOBAL)


@pytest.mark.parametrize("value", [-1, 1 << 32])
def test_a_number_that_does_not_fit_is_a_value_error(value: int) -> None:
    with pytest.raises(ValueError, match="32 bits"):
        with_types(object_btf("little"), {9: DataSection(".bss", value, ())})


def test_a_data_section_cannot_gain_variables() -> None:
    more = tuple(SectionVariable(TypeId(2), at, 4) for at in range(0, 400, 4))
    with pytest.raises(ValueError, match="how many variables"):
        with_types(object_btf("little"), {8: DataSection(".data", 400, more)})


def test_a_type_cannot_take_the_place_of_another_kind() -> None:
    with pytest.raises(ValueError, match="type 1 is no DATASEC"):
        with_types(object_btf("little"), {1: DataSection(".bss", 4, ())})


@BOTH_ORDERS
def test_a_variable_gets_another_type_and_parameters_names_that_are_strings_already(byteorder: ByteOrder) -> None:
    writer = BtfWriter(byteorder=byteorder)
    integer = writer.add(Int("int", 4, 32))
    variable = writer.add(Variable("dummy", VOID, Linkage.EXTERN))
    parameters = (Parameter("", integer), Parameter("kept", integer))
    proto = writer.add(FunctionProto(integer, parameters))
    btf = Btf.parse(writer.build())
    named = FunctionProto(integer, (Parameter("dummy", integer), parameters[1]))
    changed = with_types(btf, {variable: Variable("dummy", integer, Linkage.GLOBAL), proto: named})
    again = Btf.parse(changed.raw)
    assert again[variable] == Variable("dummy", integer, Linkage.GLOBAL)
    assert again[proto] == changed[proto] == named
    with pytest.raises(ValueError, match="'new' is no string of the BTF yet"):
        with_types(btf, {proto: FunctionProto(integer, (Parameter("new", integer), parameters[1]))})


@BOTH_ORDERS
def test_types_are_added_behind_the_others(byteorder: ByteOrder) -> None:
    btf = object_btf(byteorder)
    added = with_added(btf, [Variable("a", TypeId(1), Linkage.GLOBAL), Int("long", 8, 64)])
    assert [added[type_id] for type_id in btf.ids()] == [btf[type_id] for type_id in btf.ids()]
    assert [added[len(btf)], added[len(btf) + 1]] == [Variable("a", TypeId(1), Linkage.GLOBAL), Int("long", 8, 64)]
    # A string that is there already is used again.
    assert len(added.strings) == len(btf.strings) + len("long") + 1
