"""The whole of linking: relocations, types, and what a loader sees of the result."""

import pytest

import purebpf
from purebpf.btf import CoreKind, DataSection, Function, Kind, SectionVariable, line_infos
from purebpf.elf import SymbolBinding, read_elf
from purebpf.errors import ElfError, ObjectFileError, SpecError
from purebpf.linker import link_objects
from purebpf.spec.model import ExternKind, MapAddress, MapValue, SubprogramAddress, SubprogramCall
from tests.unit.linker.objects import ADDRESS, CALL, declare_function, declare_variable, linked, returning
from tests.writers import TypedObjectWriter

LOCAL = SymbolBinding.LOCAL


def _spec(*files: TypedObjectWriter) -> purebpf.ObjectSpec:
    return purebpf.open(link_objects([file.build() for file in files]), name="linked")


def test_a_call_goes_to_the_function_of_another_file() -> None:
    user = TypedObjectWriter().function("entry", CALL, section="xdp")
    declare_function(user, "helper")
    user.call("entry", 0, "helper")
    spec = _spec(TypedObjectWriter().function("first", returning(0)), user,
                 TypedObjectWriter().function("helper", returning(7)))  # fmt: skip
    assert spec.functions["entry"].references == (SubprogramCall(0, "helper"),)
    assert spec.functions["helper"].code == returning(7)
    assert spec.externs == {}


def test_addresses_of_maps_and_variables_of_another_file_are_found() -> None:
    user = TypedObjectWriter().function("entry", ADDRESS, section="xdp").function("other", ADDRESS, section="xdp")
    declare_variable(user, "counter", user.integer(8))
    user.address("entry", 0, "counter").address("other", 0, "own")
    user.map("own", type=1, max_entries=1, key=user.integer(4), value=user.integer(4))
    definer = TypedObjectWriter().variable("pad", bytes(8), section=".data")
    definer.variable("counter", bytes(8), section=".data", alignment=8, type=definer.integer(8))
    definer.map("mine", type=2, max_entries=1, key=definer.integer(4), value=definer.integer(4))
    spec = _spec(definer, user)
    assert spec.functions["entry"].references == (MapValue(0, ".data", 8, "counter"),)
    assert spec.functions["other"].references == (MapAddress(0, "own"),)
    assert list(spec.maps) == ["mine", "own", ".data"]


def test_what_refers_to_a_whole_section_moves_with_its_part() -> None:
    def static_user(name: str, value: int) -> TypedObjectWriter:
        file = TypedObjectWriter().variable(f"v{value}", bytes([value] * 8), binding=LOCAL, alignment=8)
        file.function(f"s{value}", returning(value), binding=LOCAL)
        file.function(name, ADDRESS, section="xdp").address(name, 0, ".data")
        file.function(f"{name}_call", CALL[:4] + bytes(4) + CALL[8:], section="xdp").call(f"{name}_call", 0, ".text")
        file.function(f"{name}_take", ADDRESS, section="xdp").address(f"{name}_take", 0, ".text")
        return file

    # A call of a static function counts from the section's start and from behind itself: -1 is its first function.
    spec = _spec(static_user("one", 1), static_user("two", 2))
    assert spec.functions["two"].references == (MapValue(0, ".data", 8, ""),)
    assert spec.functions["two_take"].references == (SubprogramAddress(0, "s2"),)
    assert spec.functions["one_take"].references == (SubprogramAddress(0, "s1"),)


def test_a_static_call_into_another_section_moves_with_the_called_part() -> None:
    def caller(name: str, value: int) -> TypedObjectWriter:
        file = TypedObjectWriter().function(f"s{value}", returning(value), binding=LOCAL)
        return file.function(name, CALL, section="xdp").call(name, 0, ".text")

    spec = _spec(caller("one", 1), caller("two", 2))
    assert spec.functions["one"].references == (SubprogramCall(0, "s1"),)
    assert spec.functions["two"].references == (SubprogramCall(0, "s2"),)


def test_static_functions_of_one_name_are_told_apart_when_the_result_is_opened() -> None:
    def caller(name: str, value: int) -> TypedObjectWriter:
        file = TypedObjectWriter().function("same", returning(value), binding=LOCAL)
        return file.function(name, CALL, section="xdp").call(name, 0, ".text")

    spec = _spec(caller("one", 1), caller("two", 2))
    called = [spec.functions[name].references[0] for name in ("one", "two")]
    assert called == [SubprogramCall(0, "same"), SubprogramCall(0, "same.2")]
    assert spec.functions["same.2"].code == returning(2)


def test_variables_are_listed_where_they_lie() -> None:
    one = TypedObjectWriter().variable("a", bytes(4), alignment=4).variable("b", bytes(8), alignment=8)
    two = TypedObjectWriter().variable("c", b"1234", alignment=4).variable("d", bytes(8), binding=LOCAL, alignment=8)
    spec = _spec(one, two)
    places = {name: (variable.map, variable.offset, variable.size) for name, variable in spec.variables.items()}
    assert places == {"a": (".data", 0, 4), "b": (".data", 8, 8), "c": (".data", 16, 4), "d": (".data", 24, 8)}
    assert spec.value("c") == b"1234".decode()


def test_records_of_lines_and_accesses_move_with_their_code() -> None:
    def described(name: str, line: int) -> TypedObjectWriter:
        file = TypedObjectWriter()
        file.function(name, returning(line), section="xdp")
        file.records.line("xdp", 0, f"{name}.c", "return 0;", line, 5)
        file.records.core("xdp", 0, file.integer(4), "0", CoreKind.TYPE_SIZE)
        return file

    elf = linked(described("one", 11), described("two", 22))
    btf, ext = purebpf.btf.Btf.parse(elf.section(".BTF").data), None
    ext = purebpf.btf.BtfExt.parse(elf.section(".BTF.ext").data, btf)
    lines = [(each.insn_offset, each.file, each.line) for each in line_infos(ext.line_info["xdp"], btf)]
    assert lines == [(0, "one.c", 11), (16, "two.c", 22)]
    assert [record.insn_offset for record in ext.core["xdp"]] == [0, 16]
    assert len(ext.func_info["xdp"]) == 2


def test_a_function_declared_here_and_defined_there_has_one_type() -> None:
    user = TypedObjectWriter().function("entry", CALL, section="xdp")
    declare_function(user, "helper")
    user.call("entry", 0, "helper")
    elf = linked(user, TypedObjectWriter().function("helper", returning(7)))
    btf = purebpf.btf.Btf.parse(elf.section(".BTF").data)
    functions = [btf[i] for i in btf.ids_of(Kind.FUNC) if btf.name_of(i) == "helper"]
    assert [function.linkage for function in functions if isinstance(function, Function)] == [1]


def test_kernel_symbols_that_several_files_use_are_listed_once() -> None:
    def user(name: str) -> TypedObjectWriter:
        file = TypedObjectWriter().function(name, ADDRESS, section="xdp")
        variable = declare_variable(file, "CONFIG_HZ", file.integer(4))
        file.types.add(DataSection(".kconfig", 0, (SectionVariable(variable, 0, 4),)))
        return file.address(name, 0, "CONFIG_HZ")

    spec = _spec(user("one"), user("two"))
    assert [(name, extern.kind) for name, extern in spec.externs.items()] == [("CONFIG_HZ", ExternKind.KCONFIG)]
    assert spec.btf is not None
    (section,) = [spec.btf[i] for i in spec.btf.find(".kconfig")]
    assert isinstance(section, DataSection)
    assert len(section.variables) == 1


def test_the_same_files_give_the_same_bytes_and_a_result_can_be_linked_again() -> None:
    def files() -> list[bytes]:
        one = TypedObjectWriter().function("one", returning(1), section="xdp").variable("a", bytes(4))
        two = TypedObjectWriter().function("two", returning(2), section="xdp").variable("b", bytes(4))
        return [one.build(), two.build()]

    once = link_objects(files())
    assert once == link_objects(files())
    again = link_objects([once])
    assert [s.data for s in read_elf(again).sections] == [s.data for s in read_elf(once).sections]


def test_files_of_both_byte_orders_are_not_linked() -> None:
    one = TypedObjectWriter("little").function("one", returning(1), section="xdp")
    two = TypedObjectWriter("big").variable("b", bytes(4))
    with pytest.raises(
        SpecError, match="little-endian and big-endian code, in '<bytes>' and in '<bytes>': compile both"
    ):
        linked(one, two)


def test_nothing_to_link_is_the_callers_mistake() -> None:
    with pytest.raises(ValueError, match="nothing to link"):
        link_objects([])


def test_a_file_that_is_no_object_is_named() -> None:
    with pytest.raises(ElfError):
        link_objects([b"no object"])


def test_a_file_without_types_cannot_be_linked() -> None:
    from tests.writers import ObjectWriter

    file = ObjectWriter().function("f", returning(0), section="xdp").build()
    with pytest.raises(ObjectFileError, match="it has no type information, which linking needs: compile with -g"):
        link_objects([file])


def test_relocations_with_addends_are_refused() -> None:
    file = TypedObjectWriter().function("f", ADDRESS, section="xdp").variable("v", bytes(4))
    file.relocation("xdp", 0, 1, "v", 4)
    with pytest.raises(SpecError, match="section 'xdp', offset 0x0: relocations with addends"):
        linked(file)
