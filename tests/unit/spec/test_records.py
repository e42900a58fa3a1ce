"""Which type the records of a ring buffer have."""

import pytest

from purebpf.btf import Btf, BtfWriter, DataSection, Int, Linkage, SectionVariable, Struct, Union, Variable
from purebpf.plan.stages import open_object
from purebpf.spec import ObjectSpec
from purebpf.spec.records import named_type, record_type
from purebpf.units import TypeId
from tests.unit.spec.types import MapsFile, Property
from tests.writers import ObjectWriter


def ring(
    *structs: str, value: str = "", variable: str = "", name: str = "events"
) -> tuple[ObjectSpec, dict[str, TypeId]]:
    file = MapsFile()
    writer = file.types.writer
    ids = {struct: writer.add(Struct(struct, 8, ())) for struct in structs}
    members: list[Property] = [file.types.uint("type", 27)]
    if value:
        members.append(file.types.type("value", ids[value]))
    if variable:
        target = file.types.pointer(ids[variable]) if variable in ids else writer.add(Int("int", 4, 32))
        size = 8 if variable in ids else 4
        file.object.variable(f"{name}_record", bytes(size), section=".bss")
        entry = writer.add(Variable(f"{name}_record", target, Linkage.GLOBAL))
        writer.add(DataSection(".bss", 0, (SectionVariable(entry, 0, size),)))
    return file.add(name, *members).open(), ids


def test_a_variable_named_after_the_map_comes_first() -> None:
    spec, ids = ring("told", "event", "other", value="other", variable="told")
    assert record_type(spec, "events") == ids["told"]


def test_a_variable_that_is_no_pointer_does_not_count() -> None:
    spec, ids = ring("event", variable="none")
    assert record_type(spec, "events") == ids["event"]


def test_the_value_type_of_the_map_comes_second() -> None:
    spec, ids = ring("event", "other", value="other")
    assert record_type(spec, "events") == ids["other"]


@pytest.mark.parametrize(
    ("structs", "name", "expected"),
    [
        (("event", "events"), "events", "events"),
        (("event", "sample"), "samples", "sample"),
        (("event",), "rb", "event"),
    ],
)
def test_then_a_struct_named_like_the_map_its_singular_or_event(
    structs: tuple[str, ...], name: str, expected: str
) -> None:
    spec, ids = ring(*structs, name=name)
    assert record_type(spec, name) == ids[expected]


def test_a_union_is_as_good_and_two_of_one_name_are_none() -> None:
    file = MapsFile()
    union = file.types.writer.add(Union("rb", 8, ()))
    for _ in range(2):
        file.types.writer.add(Struct("event", 8, ()))
    file.add("rb", file.types.uint("type", 27)).add("other", file.types.uint("type", 27))
    spec = file.open()
    assert record_type(spec, "rb") == union
    assert record_type(spec, "other") is None


def test_without_types_nothing_is_known() -> None:
    assert record_type(open_object(ObjectWriter().legacy_map("rb", type=27).build()), "rb") is None


def test_a_caller_may_name_the_type_and_a_struct_comes_before_a_number() -> None:
    writer = BtfWriter()
    number, shared = writer.add(Int("number", 4, 32)), writer.add(Int("shared", 4, 32))
    struct = writer.add(Struct("shared", 8, ()))
    types = Btf.parse(writer.build())
    assert named_type(types, "number") == number
    assert named_type(types, "shared") == struct != shared


def test_a_name_that_is_no_type_is_refused() -> None:
    spec, _ids = ring("event")
    with pytest.raises(ValueError, match="the object's BTF has no type 'evnt'"):
        named_type(spec.btf, "evnt")
    with pytest.raises(ValueError, match="no type 'event': the object has no BTF"):
        named_type(None, "event")
