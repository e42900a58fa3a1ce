"""Map declarations, every key of `.maps` and every shape of the legacy section."""

import pytest

from purebpf.btf import Const, Enum, Enumerator, FunctionProto, Struct, Typedef
from purebpf.errors import SpecError
from purebpf.plan.stages import open_object
from purebpf.spec import MapOrigin, MapSpec, Pinning
from purebpf.spec.maps import map_type
from purebpf.uapi import MapType
from purebpf.units import ByteOrder, TypeId
from tests.unit.spec.types import MapsFile, Property
from tests.writers import R_BPF_64_64, ObjectWriter

EXIT = b"\xb7\0\0\0\0\0\0\0\x95" + bytes(7)
HASH, ARRAY_OF_MAPS, PROG_ARRAY = int(MapType.HASH), int(MapType.ARRAY_OF_MAPS), int(MapType.PROG_ARRAY)


def only(file: MapsFile, *members: Property) -> MapSpec:
    return file.add("m", *members).open().maps["m"]


def refused(file: MapsFile, *members: Property) -> str:
    with pytest.raises(SpecError) as caught:
        file.add("m", *members).open()
    assert caught.value.section == ".maps"
    return caught.value.reason


@pytest.mark.parametrize("byteorder", ["little", "big"])
def test_every_number_is_read(byteorder: ByteOrder) -> None:
    file = MapsFile(byteorder)
    uint = file.types.uint
    found = only(
        file,
        uint("type", HASH),
        uint("key_size", 4),
        uint("value_size", 8),
        uint("max_entries", 100),
        uint("map_flags", 1),
        uint("numa_node", 2),
        uint("map_extra", 3),
        uint("pinning", 1),
    )
    assert found == MapSpec("m", MapType.HASH, 4, 8, 100, flags=1, numa_node=2, map_extra=3, pinning=Pinning.BY_NAME)
    assert (found.origin, found.section) == (MapOrigin.BTF, ".maps")


def test_types_give_sizes_and_ids() -> None:
    file = MapsFile()
    types = file.types
    found = only(file, types.uint("type", 1), types.type("key", types.u32), types.type("value", types.u64))
    assert (found.key_size, found.value_size) == (4, 8)
    assert (found.key_type, found.value_type) == (types.u32, types.u64)


def test_a_type_and_its_size_may_both_be_given_if_they_agree() -> None:
    file = MapsFile()
    types = file.types
    members = types.uint("type", 1), types.uint("key_size", 4), types.type("key", types.u32)
    assert only(file, *members).key_type == types.u32


@pytest.mark.parametrize("first", ["size", "type"])
def test_a_type_that_contradicts_its_size_is_refused(first: str) -> None:
    file = MapsFile()
    types = file.types
    both = [types.uint("value_size", 4), types.type("value", types.u64)]
    reason = refused(file, types.uint("type", 1), *(both if first == "size" else reversed(both)))
    assert reason == f"map 'm' has conflicting value_size: {'4 and 8' if first == 'size' else '8 and 4'}"


def test_a_number_given_twice_must_be_the_same() -> None:
    file = MapsFile()
    uint = file.types.uint
    assert only(file, uint("type", 1), uint("max_entries", 4), uint("max_entries", 4)).max_entries == 4
    file = MapsFile()
    uint = file.types.uint
    assert "conflicting max_entries: 4 and 5" in refused(
        file, uint("type", 1), uint("max_entries", 4), uint("max_entries", 5)
    )


def test_ulong_is_64_bits_wide_and_may_have_its_highest_bit() -> None:
    file = MapsFile()
    assert only(file, file.types.uint("type", 1), file.types.ulong("map_extra", 2**63 + 1)).map_extra == 2**63 + 1


def test_a_number_beyond_32_bits_is_refused_where_the_kernel_has_32() -> None:
    file = MapsFile()
    reason = refused(file, file.types.uint("type", 1), file.types.ulong("max_entries", 2**32))
    assert reason == "map 'm' has a max_entries of 4294967296, which does not fit 32 bits"


@pytest.mark.parametrize("kind", ["int", "two values"])
def test_a_number_that_is_written_otherwise_is_refused(kind: str) -> None:
    file = MapsFile()
    two = file.types.writer.add(Enum("", 4, (Enumerator("a", 1), Enumerator("b", 2))))
    member = "max_entries", file.types.u32 if kind == "int" else two
    assert "not written with __uint() or __ulong()" in refused(file, file.types.uint("type", 1), member)


def test_typedefs_and_qualifiers_are_looked_through() -> None:
    file = MapsFile()
    types = file.types
    name, pointer = types.uint("type", 1)
    qualified = types.writer.add(Const(types.writer.add(Typedef("alias", pointer))))
    assert only(file, (name, qualified)).type is MapType.HASH


def test_an_unknown_key_is_refused() -> None:
    file = MapsFile()
    reason = refused(file, file.types.uint("type", 1), file.types.uint("max_entrys", 1))
    assert reason == "map 'm' has a property 'max_entrys' that is not known"


def test_a_map_without_a_type_is_refused() -> None:
    file = MapsFile()
    assert refused(file, file.types.uint("max_entries", 1)) == "map 'm' has no 'type'"


def test_a_type_without_a_size_is_refused() -> None:
    file = MapsFile()
    types = file.types
    reason = refused(file, types.uint("type", 1), types.type("value", types.function))
    assert reason.startswith("map 'm' has a value whose size cannot be told: ")
    assert refused(MapsFile(), ("key", TypeId(1))) == "map 'm' has 'key' that is not written with __type()"


def test_a_map_type_that_is_not_known_stays_a_number() -> None:
    file = MapsFile()
    assert only(file, file.types.uint("type", 1000)).type == 1000
    assert map_type(1) is MapType.HASH


def test_only_two_kinds_of_pinning_exist() -> None:
    file = MapsFile()
    reason = refused(file, file.types.uint("type", 1), file.types.uint("pinning", 2))
    assert reason == "map 'm' has pinning 2, which is neither 0 (none) nor 1 (by name)"


def test_a_variable_that_is_no_struct_is_refused() -> None:
    file = MapsFile()
    file.object.variable("m", bytes(4), section=".maps")
    file.types.section(".maps", [("m", file.types.u32, 0, 4)])
    file.object.section(".BTF", file.types.writer.build())
    with pytest.raises(SpecError, match="is no struct of map properties"):
        open_object(file.object.build())


def test_a_map_that_reaches_outside_its_section_is_refused() -> None:
    file = MapsFile()
    file.object.variable("m", bytes(8), section=".maps")
    struct = file.types.struct(file.types.uint("type", 1), file.types.uint("max_entries", 1))
    file.types.section(".maps", [("m", struct, 0, 8)])
    file.object.section(".BTF", file.types.writer.build())
    with pytest.raises(SpecError, match="reaches outside its section"):
        open_object(file.object.build())


def test_maps_without_types_say_how_to_compile() -> None:
    with pytest.raises(SpecError, match="compile with -g"):
        open_object(ObjectWriter().variable("m", bytes(32), section=".maps").build())


def test_a_name_declared_twice_is_refused() -> None:
    file = MapsFile()
    file.add("m", file.types.uint("type", 1))
    file.object.legacy_map("n", type=1)
    file._declared[0] = ("n", *file._declared[0][1:])
    with pytest.raises(SpecError, match="map 'n' is declared twice"):
        file.open()


# ------------------------------------------------------------------ values


def outer(file: MapsFile, *inner: Property, kind: int = ARRAY_OF_MAPS) -> tuple[Property, ...]:
    types = file.types
    return types.uint("type", kind), types.uint("max_entries", 4), types.values(types.struct(*inner))


def test_an_inner_map_is_described_by_values() -> None:
    file = MapsFile()
    uint = file.types.uint
    found = only(
        file, *outer(file, uint("type", 1), uint("key_size", 4), uint("value_size", 8), uint("max_entries", 5))
    )
    assert found.value_size == 4
    assert found.inner == MapSpec("m.inner", MapType.HASH, 4, 8, 5)


def test_slots_hold_the_maps_that_relocations_name() -> None:
    file = MapsFile()
    inner = file.types.uint("type", 1)
    file.add("a", inner).add("b", inner).add("m", *outer(file, inner), slots=3)
    # a and b take 8 bytes each, then the two properties of m; its slots begin at 32.
    file.object.relocation(".maps", 48, R_BPF_64_64, "a").relocation(".maps", 32, R_BPF_64_64, "b")
    assert file.open().maps["m"].slots == ((0, "b"), (2, "a"))


def prog_array(file: MapsFile) -> tuple[Property, ...]:
    types = file.types
    prototype = types.writer.add(FunctionProto(types.u32, ()))
    return types.uint("type", PROG_ARRAY), types.uint("key_size", 4), types.values(prototype)


def test_slots_of_a_prog_array_hold_programs() -> None:
    file = MapsFile()
    file.object.function("one", EXIT, section="xdp").function("two", EXIT, section="xdp")
    file.add("m", *prog_array(file), slots=2)
    file.object.relocation(".maps", 16, R_BPF_64_64, "two").relocation(".maps", 24, R_BPF_64_64, "one")
    found = file.open().maps["m"]
    assert (found.slots, found.value_size, found.inner) == (((0, "two"), (1, "one")), 4, None)


@pytest.mark.parametrize(
    ("offset", "symbol", "reason"),
    [
        (0, "one", "'one' is put into a map that has no 'values'"),
        (24, "sub", "'sub' in a slot of 'm' is not an entry program"),
        (24, "other", "'other' in a slot of 'm' is not an entry program"),
        (28, "one", "'one' does not stand at a slot of 'm'"),
    ],
)
def test_a_slot_that_holds_something_else_is_refused(offset: int, symbol: str, reason: str) -> None:
    file = MapsFile()
    file.object.function("one", EXIT, section="xdp").function("sub", EXIT)
    file.add("other", file.types.uint("type", 1))
    file.add("m", *prog_array(file), slots=2)
    file.object.relocation(".maps", offset, R_BPF_64_64, symbol)
    with pytest.raises(SpecError) as caught:
        file.open()
    assert (caught.value.reason, caught.value.offset) == (reason, offset)


def test_a_relocation_in_the_properties_of_a_map_with_values_is_refused() -> None:
    file = MapsFile()
    file.object.function("one", EXIT, section="xdp")
    file.add("m", *prog_array(file), slots=1)
    file.object.relocation(".maps", 0, R_BPF_64_64, "one")
    with pytest.raises(SpecError, match="does not stand at a slot of 'm'"):
        file.open()


def test_values_must_come_last() -> None:
    file = MapsFile()
    members = (*outer(file, file.types.uint("type", 1)), file.types.uint("map_flags", 0))
    assert refused(file, *members) == "map 'm' has 'map_flags' behind 'values', which must come last"


def test_values_need_the_type_before_them() -> None:
    file = MapsFile()
    values = file.types.values(file.types.struct(file.types.uint("type", 1)))
    assert "neither a map of maps nor a prog_array" in refused(file, file.types.uint("max_entries", 1), values)
    file = MapsFile()
    members = outer(file, file.types.uint("type", 1), kind=HASH)
    assert "neither a map of maps nor a prog_array" in refused(file, *members)


def test_maps_nest_only_once() -> None:
    file = MapsFile()
    assert refused(file, *outer(file, *outer(file, file.types.uint("type", 1)))).endswith("maps nest only once")


def test_an_inner_map_cannot_be_pinned() -> None:
    file = MapsFile()
    members = outer(file, file.types.uint("type", 1), file.types.uint("pinning", 1))
    assert refused(file, *members) == "map 'm.inner' is an inner map and cannot be pinned"


def test_values_of_another_form_are_refused() -> None:
    for build, reason in (
        (lambda types: ("values", types.u32), "not written with __array()"),
        (lambda types: types.values(types.u32, count=3), "not written with __array()"),
        (lambda types: types.values(types.u32), "inner map that is no struct"),
        (lambda types: types.values(types.function), "inner map that is no struct"),
    ):
        file = MapsFile()
        assert reason in refused(file, file.types.uint("type", ARRAY_OF_MAPS), build(file.types))
    file = MapsFile()
    struct = file.types.writer.add(Struct("", 0, ()))
    members = file.types.uint("type", PROG_ARRAY), file.types.values(struct)
    assert "prog_array whose 'values' are no functions" in refused(file, *members)


def test_many_slots_of_many_maps_are_found_in_time() -> None:
    file = MapsFile()
    file.object.function("one", EXIT, section="xdp")
    uint, values = file.types.uint("type", PROG_ARRAY), file.types.values(file.types.function)
    count = 5000
    for number in range(count):
        file.add(f"m{number}", uint, values, slots=1)
        file.object.relocation(".maps", 16 * number + 8, R_BPF_64_64, "one")
    maps = file.open().maps
    assert all(maps[f"m{number}"].slots == ((0, "one"),) for number in range(count))


# ------------------------------------------------------------------ the legacy section


@pytest.mark.parametrize("byteorder", ["little", "big"])
@pytest.mark.parametrize("extra", [0, 4, 24])
def test_definitions_of_any_size_are_read(byteorder: ByteOrder, extra: int) -> None:
    file = ObjectWriter(byteorder)
    file.legacy_map("b", type=2, key_size=4, value_size=16, max_entries=3, flags=1 << 10, extra=bytes(extra))
    file.legacy_map("a", type=1, key_size=2, value_size=1, max_entries=9, extra=bytes(extra))
    maps = open_object(file.build()).maps
    assert list(maps) == ["b", "a"]
    assert maps["b"] == MapSpec("b", MapType.ARRAY, 4, 16, 3, flags=1 << 10, origin=MapOrigin.LEGACY, section="maps")
    assert maps["a"].type is MapType.HASH


def test_fields_beyond_the_known_five_must_be_zero() -> None:
    file = ObjectWriter().legacy_map("a", type=1, extra=b"\0\0\0\1")
    with pytest.raises(SpecError, match="map 'a' sets fields of bpf_map_def that are not known here"):
        open_object(file.build())


def test_definitions_of_different_sizes_are_refused() -> None:
    file = ObjectWriter().legacy_map("a", type=0, key_size=0, value_size=0, max_entries=0)
    with pytest.raises(SpecError, match="map 'b' does not stand at a definition's place"):
        open_object(file.legacy_map("b", type=0, extra=bytes(8)).build())
    with pytest.raises(SpecError, match="41 bytes cannot hold 2 map definitions of one size"):
        open_object(ObjectWriter().legacy_map("a", type=0).legacy_map("b", type=0, extra=bytes(1)).build())


def test_definitions_shorter_than_five_fields_are_refused() -> None:
    file = ObjectWriter().variable("a", bytes(16), section="maps")
    with pytest.raises(SpecError, match="map definitions of 16 bytes are too short"):
        open_object(file.build())


def test_a_maps_section_without_symbols_is_refused() -> None:
    with pytest.raises(SpecError, match="20 bytes cannot hold 0 map definitions"):
        open_object(ObjectWriter().section("maps", bytes(20)).build())
