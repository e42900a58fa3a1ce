"""Data sections as maps, and the variables in them."""

from dataclasses import replace

import pytest

from purebpf.btf import Btf, BtfWriter, DataSection, Int, Kind, Linkage, SectionVariable, Variable
from purebpf.btf.edits import with_types
from purebpf.elf import ElfFile, SymbolBinding, SymbolVisibility, read_elf
from purebpf.errors import ObjectFileError, SpecError
from purebpf.plan.stages import open_object
from purebpf.spec import MapOrigin, ObjectSpec
from purebpf.spec.data import place_variables
from purebpf.uapi import MapType
from tests.unit.spec.types import Types
from tests.writers import ObjectWriter, TypedObjectWriter

EXIT = b"\x95" + bytes(7)
MMAPABLE, RDONLY_PROG = 1 << 10, 1 << 7


def opened(file: ObjectWriter) -> ObjectSpec:
    return open_object(file.function("entry", EXIT, section="xdp").build(), name="test")


def types_of(spec: ObjectSpec) -> Btf:
    assert spec.btf is not None
    return spec.btf


def datasec(spec: ObjectSpec, name: str) -> DataSection:
    btf = types_of(spec)
    type_id = btf.find_one(name)
    assert type_id is not None
    found = btf[type_id]
    assert isinstance(found, DataSection)
    return found


@pytest.mark.parametrize("name", [".data", ".data.cfg", ".rodata", ".rodata.str1.1", ".bss", ".bss.x"])
def test_a_data_section_is_an_array_of_one_value(name: str) -> None:
    found = opened(ObjectWriter().variable("v", b"12345", section=name)).maps[name]
    read_only = name.startswith(".rodata")
    assert (found.type, found.key_size, found.value_size, found.max_entries) == (MapType.ARRAY, 4, 5, 1)
    assert (found.flags, found.frozen) == (RDONLY_PROG if read_only else 0, read_only)
    assert found.contents == (None if name.startswith(".bss") else b"12345")
    assert (found.origin, found.section) == (MapOrigin.DATA, name)


@pytest.mark.parametrize("name", [".percpu", ".percpu.cfg"])
def test_per_cpu_data_is_a_per_cpu_array_of_one_value_that_no_process_can_map(name: str) -> None:
    types = Types()
    types.section(name, [("v", types.u32, 0, 4)])
    file = ObjectWriter().variable("v", b"1234", section=name).section(".BTF", types.writer.build())
    found = opened(file).maps[name]
    assert (found.type, found.key_size, found.value_size, found.max_entries) == (MapType.PERCPU_ARRAY, 4, 4, 1)
    assert (found.flags, found.frozen, found.contents) == (0, False, b"1234")


@pytest.mark.parametrize("name", [".dat", ".data2", ".rodatax", ".bssx", "data", ".comment", ".percpux"])
def test_other_sections_are_no_maps(name: str) -> None:
    assert not opened(ObjectWriter().section(name, b"1234")).maps


def test_an_empty_section_is_no_map() -> None:
    assert not opened(ObjectWriter().section(".data", b"")).maps


def test_clangs_sizes_and_offsets_are_taken_from_the_file() -> None:
    types = Types()
    types.section(".data", [("b", types.u32, 0, 4), ("a", types.u64, 0, 8)])
    file = ObjectWriter().variable("a", bytes(8), alignment=8).variable("b", bytes(4)).variable("rest", bytes(4))
    spec = opened(file.section(".BTF", types.writer.build()))
    found = datasec(spec, ".data")
    assert found.size == 16
    assert [(types_of(spec).name_of(v.type), v.offset, v.size) for v in found.variables] == [("a", 0, 8), ("b", 8, 4)]
    assert spec.maps[".data"].value_type == types_of(spec).find_one(".data")


def test_a_section_with_a_global_variable_can_be_mapped() -> None:
    types = Types()
    types.section(".data", [("v", types.u32, 0, 4)])
    file = ObjectWriter().variable("v", bytes(4)).section(".BTF", types.writer.build())
    assert opened(file).maps[".data"].flags == MMAPABLE


@pytest.mark.parametrize("how", ["static", "hidden"])
def test_a_section_of_static_or_hidden_variables_cannot(how: str) -> None:
    writer = BtfWriter()
    number = writer.add(Int("u32", 4, 32))
    variable = writer.add(Variable("v", number, Linkage.STATIC if how == "static" else Linkage.GLOBAL))
    writer.add(DataSection(".data", 0, (SectionVariable(variable, 0, 4),)))
    file = ObjectWriter().section(".BTF", writer.build())
    if how == "static":
        file.variable("v", bytes(4), binding=SymbolBinding.LOCAL)
    else:
        file.variable("v", bytes(4), visibility=SymbolVisibility.HIDDEN)
    spec = opened(file)
    assert spec.maps[".data"].flags == 0
    assert types_of(spec)[variable] == Variable("v", number, Linkage.STATIC)


def test_sizes_and_offsets_that_a_linker_wrote_stay() -> None:
    types = Types()
    types.section(".data", [("a", types.u32, 4, 4), ("b", types.u32, 0, 4)], size=8)
    file = ObjectWriter().variable("b", bytes(4)).variable("a", bytes(4)).section(".BTF", types.writer.build())
    assert [variable.offset for variable in datasec(opened(file), ".data").variables] == [0, 4]


def test_types_of_a_section_that_is_not_there_are_refused_with_the_variable() -> None:
    types = Types()
    types.section(".data", [("v", types.u32, 0, 4)])
    with pytest.raises(SpecError, match=r"variable 'v' in section '\.data', which is missing or empty$"):
        opened(ObjectWriter().section(".BTF", types.writer.build()))
    with pytest.raises(SpecError, match=r"which is missing or empty: give it a size"):
        opened(ObjectWriter().section(".data", b"").section(".BTF", types.writer.build()))


def test_a_variable_that_the_file_only_declares_is_to_be_linked_first() -> None:
    types = Types()
    variable = types.writer.add(Variable("outer", types.u32, Linkage.EXTERN))
    types.writer.add(DataSection(".maps", 0, (SectionVariable(variable, 0, 4),)))
    with pytest.raises(SpecError, match=r"variable 'outer' in section '\.maps', .*: the file only declares it; link"):
        opened(ObjectWriter().section(".BTF", types.writer.build()))


def test_a_typed_variable_without_a_symbol_is_refused() -> None:
    types = Types()
    types.section(".data", [("v", types.u32, 0, 4)])
    with pytest.raises(SpecError, match="variable 'v' has a type but no symbol"):
        opened(ObjectWriter().variable("w", bytes(4)).section(".BTF", types.writer.build()))


def test_a_datasec_that_lists_something_else_is_refused() -> None:
    writer = BtfWriter()
    number = writer.add(Int("u32", 4, 32))
    writer.add(DataSection(".data", 0, (SectionVariable(number, 0, 4),)))
    with pytest.raises(ObjectFileError, match="variable"):
        opened(ObjectWriter().variable("v", bytes(4)).section(".BTF", writer.build()))


def test_variables_have_place_size_and_type() -> None:
    types = Types()
    types.section(".data", [("typed", types.u64, 0, 8)])
    file = ObjectWriter().variable("typed", bytes(8), alignment=8).variable("untyped", bytes(3))
    file.variable("zero", bytes(4), section=".bss").variable("own", b"x", section=".data.cfg")
    spec = opened(file.section(".BTF", types.writer.build()))
    found = {name: (v.map, v.offset, v.size, v.type) for name, v in spec.variables.items()}
    assert found == {
        "typed": (".data", 0, 8, types.u64),
        "untyped": (".data", 8, 3, 0),
        "zero": (".bss", 0, 4, 0),
        "own": (".data.cfg", 0, 1, 0),
    }


def test_a_global_variable_hides_a_static_one_of_its_name() -> None:
    file = ObjectWriter().variable("one", b"global").variable("two", b"static", section=".bss", binding=0)
    data = file.function("entry", EXIT, section="xdp").build().replace(b"two\0", b"one\0")
    (variable,) = open_object(data).variables.values()
    assert (variable.map, variable.is_static) == (".data", False)


def test_variables_of_the_license_and_of_maps_are_none_of_the_program() -> None:
    assert not opened(ObjectWriter(version=1).legacy_map("m", type=1)).variables


def test_a_linkers_forgotten_offset_is_taken_from_the_symbol() -> None:
    file = TypedObjectWriter().variable("first", bytes(4), alignment=4).variable("second", bytes(4), alignment=4)
    elf = read_elf(file.build())
    _, types = place_variables(elf, Btf.parse(_with_sizes(elf)))
    assert {(offset, name) for offset, name in types[".data"].variables} == {(0, "first"), (4, "second")}


def _with_sizes(elf: ElfFile) -> bytes:
    """The types as a linker leaves them that filled in the sizes of sections and forgot an offset."""
    section = elf.section(".BTF")
    assert section is not None
    btf = Btf.parse(section.data)
    sized = {
        type_id: replace(old, size=8)
        for type_id in btf.ids_of(Kind.DATASEC)
        if isinstance(old := btf[type_id], DataSection) and old.name == ".data"
    }
    return with_types(btf, sized).raw
