"""Functions, entry programs and what their instructions refer to."""

import pytest

from purebpf.btf import BtfExtWriter, BtfWriter, CoreKind, Function, FunctionProto, Int, Linkage
from purebpf.elf import (
    SHF_ALLOC,
    SHF_EXECINSTR,
    SHN_COMMON,
    ElfWriter,
    SymbolBinding,
    SymbolType,
    SymbolVisibility,
)
from purebpf.errors import ObjectFileError, SpecError
from purebpf.plan.stages import open_object
from purebpf.spec import (
    CoreAccess,
    ExternCall,
    ExternValue,
    MapAddress,
    MapValue,
    ObjectSpec,
    Reference,
    SubprogramAddress,
    SubprogramCall,
    UnknownReference,
)
from purebpf.uapi import AttachType, ProgramType
from purebpf.units import ByteOrder, InsnIndex
from tests.writers import R_BPF_64_32, R_BPF_64_64, ObjectWriter

EXIT = b"\x95" + bytes(7)


def call(byteorder: ByteOrder, distance: int = -1) -> bytes:
    registers = 0x10 if byteorder == "little" else 0x01
    return bytes((0x85, registers, 0, 0)) + distance.to_bytes(4, byteorder, signed=True)


def load(byteorder: ByteOrder = "little", immediate: int = 0) -> bytes:
    registers = 0x01 if byteorder == "little" else 0x10
    return bytes((0x18, registers, 0, 0)) + immediate.to_bytes(4, byteorder, signed=True) + bytes(8)


def opened(file: ObjectWriter) -> ObjectSpec:
    return open_object(file.build(), name="test")


def references(file: ObjectWriter, function: str = "entry") -> tuple[Reference, ...]:
    return opened(file).functions[function].references


# ------------------------------------------------------------------ functions and programs


def test_several_programs_of_one_section_are_told_apart() -> None:
    file = ObjectWriter().function("a", EXIT, section="xdp").function("b", load() + EXIT, section="xdp")
    spec = opened(file.function("c", EXIT, section="socket"))
    assert list(spec.programs) == ["a", "b", "c"]
    assert [(f.section, f.section_insn, f.insn_count) for f in spec.functions.values()] == [
        ("xdp", 0, 1),
        ("xdp", 1, 3),
        ("socket", 0, 1),
    ]
    assert spec.functions["b"].code == load() + EXIT


def test_order_is_that_of_sections_then_of_code_whatever_the_symbols_order() -> None:
    file = ObjectWriter().function("z", EXIT, section="xdp").function("m", EXIT, section="socket")
    assert list(opened(file.function("a", EXIT, section="xdp")).programs) == ["z", "a", "m"]


def test_what_a_section_says_of_its_program() -> None:
    file = (
        ObjectWriter().function("a", EXIT, section="?uprobe.s/libc:malloc").function("b", EXIT, section="cgroup/bind4")
    )
    first, second = opened(file).programs.values()
    assert (first.type, first.attach_to, first.flags, first.autoload) == (ProgramType.KPROBE, "libc:malloc", 16, False)
    assert first.section == "?uprobe.s/libc:malloc"
    assert second.expected_attach_type is AttachType.CGROUP_INET4_BIND
    assert second.autoload


def test_an_unknown_section_is_no_error_until_its_program_is_loaded() -> None:
    (program,) = opened(ObjectWriter().function("a", EXIT, section="of_my_own")).programs.values()
    assert (program.type, program.definition) == (ProgramType.UNSPEC, None)


def test_functions_in_text_are_subprograms() -> None:
    file = ObjectWriter().function("entry", EXIT, section="xdp").function("sub", EXIT)
    spec = opened(file)
    assert list(spec.programs) == ["entry"]
    assert list(spec.functions) == ["entry", "sub"]


def test_a_function_in_text_is_no_program_even_if_it_is_the_only_one() -> None:
    spec = opened(ObjectWriter().function("alone", EXIT))
    assert (list(spec.functions), list(spec.programs)) == (["alone"], [])


def test_scope_and_visibility_are_the_symbols() -> None:
    file = ObjectWriter().function("entry", EXIT, section="xdp")
    file.function("static", EXIT, binding=SymbolBinding.LOCAL)
    file.function("weak", EXIT, binding=SymbolBinding.WEAK)
    file.function("hidden", EXIT, visibility=SymbolVisibility.HIDDEN)
    found = opened(file).functions
    assert {name: (f.is_global, f.weak, f.hidden) for name, f in found.items()} == {
        "entry": (True, False, False),
        "static": (False, False, False),
        "weak": (True, True, False),
        "hidden": (True, False, True),
    }


def test_a_static_function_outside_text_is_refused() -> None:
    file = ObjectWriter().function("lost", EXIT, section="xdp", binding=SymbolBinding.LOCAL)
    with pytest.raises(
        SpecError, match=r"'lost' is static but not in \.text: make it global, or drop its SEC"
    ) as caught:
        opened(file)
    assert (caught.value.section, caught.value.offset) == ("xdp", 0)


@pytest.mark.parametrize("code", [b"", EXIT[:7], EXIT + b"\0"])
def test_a_function_of_no_whole_instructions_is_refused(code: bytes) -> None:
    with pytest.raises(SpecError, match="function 'entry'"):
        opened(ObjectWriter().function("entry", code, section="xdp"))


def test_two_functions_of_one_name_are_refused() -> None:
    file = ObjectWriter().function("entry", EXIT, section="xdp").function("entrx", EXIT, section="socket")
    data = file.build().replace(b"entrx\0", b"entry\0")
    with pytest.raises(SpecError, match="function 'entry' is defined twice"):
        open_object(data)


# ------------------------------------------------------------------ references to data


@pytest.mark.parametrize("byteorder", ["little", "big"])
def test_maps_are_referred_to_by_the_place_of_their_symbol(byteorder: ByteOrder) -> None:
    file = ObjectWriter(byteorder).function("entry", load(byteorder) + load(byteorder) + EXIT, section="xdp")
    file.legacy_map("a", type=1).legacy_map("b", type=1)
    file.address("entry", 0, "b").address("entry", 2, "a")
    assert references(file) == (MapAddress(InsnIndex(0), "b"), MapAddress(InsnIndex(2), "a"))


@pytest.mark.parametrize("byteorder", ["little", "big"])
def test_a_variable_is_its_symbols_offset_or_the_immediate(byteorder: ByteOrder) -> None:
    code = load(byteorder) + load(byteorder, 8) + EXIT
    file = ObjectWriter(byteorder).function("entry", code, section="xdp")
    file.variable("first", bytes(4)).variable("second", bytes(4), alignment=8)
    file.address("entry", 0, "second").address("entry", 2, ".data")
    assert references(file) == (
        MapValue(InsnIndex(0), ".data", 8, "second"),
        MapValue(InsnIndex(2), ".data", 8, ""),
    )


@pytest.mark.parametrize("section", [".data.cfg", ".rodata", ".rodata.str1.1", ".bss", ".bss.more"])
def test_every_data_section_is_a_map(section: str) -> None:
    file = ObjectWriter().function("entry", load() + EXIT, section="xdp").variable("v", b"1234", section=section)
    assert references(file.address("entry", 0, "v")) == (MapValue(InsnIndex(0), section, 0, "v"),)


def test_externs_are_values_or_calls() -> None:
    file = ObjectWriter().function("entry", load() + call("little") + EXIT, section="xdp")
    file.extern("CONFIG_HZ").extern("bpf_kfunc", weak=True)
    file.address("entry", 0, "CONFIG_HZ").call("entry", 2, "bpf_kfunc")
    assert references(file) == (ExternValue(InsnIndex(0), "CONFIG_HZ"), ExternCall(InsnIndex(2), "bpf_kfunc"))


# ------------------------------------------------------------------ references to functions


@pytest.mark.parametrize("byteorder", ["little", "big"])
def test_calls_by_symbol_and_by_section(byteorder: ByteOrder) -> None:
    # A call by the section's symbol counts from the section's start: 1 is instruction 2, where `second` begins.
    code = call(byteorder) + call(byteorder, 1) + EXIT
    file = ObjectWriter(byteorder).function("entry", code, section="xdp")
    file.function("first", EXIT + EXIT).function("second", EXIT, binding=SymbolBinding.LOCAL)
    file.call("entry", 0, "first").call("entry", 1, ".text")
    assert references(file) == (SubprogramCall(InsnIndex(0), "first"), SubprogramCall(InsnIndex(1), "second"))


@pytest.mark.parametrize("byteorder", ["little", "big"])
def test_calls_inside_a_section_have_no_relocation(byteorder: ByteOrder) -> None:
    file = ObjectWriter(byteorder).function("entry", EXIT, section="xdp")
    file.function("first", EXIT).function("second", EXIT + call(byteorder, -3) + EXIT)
    file.function("third", call(byteorder, -5) + EXIT)
    spec = opened(file)
    assert spec.functions["second"].references == (SubprogramCall(InsnIndex(1), "first"),)
    assert spec.functions["third"].references == (SubprogramCall(InsnIndex(0), "first"),)


@pytest.mark.parametrize("byteorder", ["little", "big"])
def test_calls_of_helpers_and_kfuncs_are_no_calls_of_subprograms(byteorder: ByteOrder) -> None:
    helper = b"\x85\0\0\0" + (6).to_bytes(4, byteorder)
    assert references(ObjectWriter(byteorder).function("entry", helper + EXIT, section="xdp")) == ()


def test_the_address_of_a_function_is_a_callback() -> None:
    file = ObjectWriter().function("entry", load() + load(immediate=8) + EXIT, section="xdp")
    file.function("first", EXIT).function("second", EXIT, binding=SymbolBinding.LOCAL)
    file.address("entry", 0, "first").address("entry", 2, ".text")
    assert references(file) == (SubprogramAddress(InsnIndex(0), "first"), SubprogramAddress(InsnIndex(2), "second"))


@pytest.mark.parametrize(("slot", "distance"), [(0, 1000), (0, -1000)])
def test_a_call_that_leads_nowhere_is_carried_along(slot: int, distance: int) -> None:
    file = ObjectWriter().function("entry", call("little", distance) + EXIT, section="xdp")
    (found,) = references(file)
    assert isinstance(found, UnknownReference)
    assert found.reason.startswith("no function begins at instruction")


def test_a_call_or_an_address_inside_a_function_is_carried_along() -> None:
    file = ObjectWriter().function("entry", call("little", 0) + load(immediate=8) + EXIT, section="xdp")
    file.function("sub", EXIT + EXIT, binding=SymbolBinding.LOCAL)
    first, second = references(file.call("entry", 0, ".text").address("entry", 1, ".text"))
    assert isinstance(first, UnknownReference)
    assert first.reason == "no function begins at instruction 1 of the section it calls into"
    assert isinstance(second, UnknownReference)


def test_the_address_of_a_variable_that_no_linker_placed_is_carried_along_with_advice() -> None:
    file = ElfWriter()
    code = file.add_section("xdp", load() + EXIT, flags=SHF_ALLOC | SHF_EXECINSTR)
    file.add_symbol("entry", section=code, size=24, type=SymbolType.FUNC)
    file.add_relocation(code, 0, file.add_symbol("common", section=SHN_COMMON, size=4), R_BPF_64_64)
    (found,) = open_object(file.build(), name="any").functions["entry"].references
    assert isinstance(found, UnknownReference)
    assert (found.symbol, "compile with -fno-common" in found.reason) == ("common", True)


def test_an_entry_program_cannot_be_called() -> None:
    file = ObjectWriter().function("entry", call("little") + EXIT, section="xdp").function("other", EXIT, section="xdp")
    (found,) = references(file.call("entry", 0, "other"))
    assert found == UnknownReference(
        InsnIndex(0), "other", "only functions in .text can be called (drop the SEC() of the called one)"
    )


# ------------------------------------------------------------------ relocations that mean nothing


def test_a_relocation_in_no_function_is_ignored() -> None:
    file = ObjectWriter().function("entry", EXIT, section="xdp").section("xdp", load() + EXIT)
    file.legacy_map("m", type=1).relocation("xdp", 8, R_BPF_64_64, "m")
    assert references(file) == ()


@pytest.mark.parametrize("offset", [4, 9, 12])
def test_a_relocation_between_instructions_is_refused(offset: int) -> None:
    file = ObjectWriter().function("entry", load()[:8] + EXIT, section="xdp").legacy_map("m", type=1)
    with pytest.raises(ObjectFileError, match="relocation"):
        opened(file.relocation("xdp", offset, R_BPF_64_64, "m"))


def test_a_relocation_at_another_instruction_is_carried_along() -> None:
    file = ObjectWriter().function("entry", EXIT, section="xdp").legacy_map("m", type=1).address("entry", 0, "m")
    (found,) = references(file)
    assert found == UnknownReference(InsnIndex(0), "m", "relocation at an instruction 0x95 that holds no address")


@pytest.mark.parametrize("behind", [b"", EXIT])
def test_an_ldimm64_without_its_second_half_is_carried_along(behind: bytes) -> None:
    file = ObjectWriter().function("entry", load()[:8], section="xdp").section("xdp", behind)
    file.variable("v", bytes(16)).address("entry", 0, "v")
    (found,) = references(file)
    assert found == UnknownReference(InsnIndex(0), "v", "the instruction is cut off by the end of its function")


def test_a_symbol_in_another_section_is_carried_along() -> None:
    file = (
        ObjectWriter().function("entry", load() + load() + EXIT, section="xdp").variable("v", b"x", section="strange")
    )
    file.legacy_map("m", type=1).relocation("xdp", 16, R_BPF_64_64, "maps")
    file.address("entry", 0, "v")
    first, second = references(file)
    assert isinstance(first, UnknownReference)
    assert first.reason == "section 'strange' holds neither maps, data nor subprograms"
    assert second == MapAddress(InsnIndex(2), "m")


def test_the_elf_type_of_a_relocation_is_not_asked() -> None:
    file = ObjectWriter().function("entry", load() + EXIT, section="xdp").legacy_map("m", type=1)
    assert references(file.relocation("xdp", 0, R_BPF_64_32, "m")) == (MapAddress(InsnIndex(0), "m"),)


# ------------------------------------------------------------------ records of .BTF.ext


@pytest.mark.parametrize("byteorder", ["little", "big"])
def test_records_go_to_the_function_they_stand_in(byteorder: ByteOrder) -> None:
    file = ObjectWriter(byteorder).function("a", EXIT + EXIT, section="xdp").function("b", EXIT + EXIT, section="xdp")
    btf = BtfWriter(byteorder=byteorder)
    integer = btf.add(Int("int", 4, 32))
    function = btf.add(Function("a", btf.add(FunctionProto(integer, ())), Linkage.GLOBAL))
    ext = BtfExtWriter(btf, record_sizes=(12, 20, 16))
    for at in (0, 16):
        ext.func("xdp", at, function)
    for at in (0, 8, 16):
        ext.line("xdp", at, "x.c", f"line {at}", 1 + at, 2)
    ext.core("xdp", 24, integer, "0:1", CoreKind.FIELD_BYTE_OFFSET)
    ext.core("xdp", 4096, integer, "0", CoreKind.TYPE_SIZE)
    file.section(".BTF.ext", ext.build()).section(".BTF", btf.build())
    spec = opened(file)
    assert (spec.func_info_record_size, spec.line_info_record_size) == (12, 20)
    a, b = spec.functions.values()
    assert [len(a.func_info), len(a.line_info)] == [12, 40]
    assert [len(b.func_info), len(b.line_info)] == [12, 20]
    assert int.from_bytes(b.func_info[:4], byteorder) == 16
    assert a.references == ()
    (access,) = b.references
    assert isinstance(access, CoreAccess)
    assert (access.insn, access.record.access) == (1, "0:1")


def test_references_are_in_the_order_of_the_instructions() -> None:
    file = ObjectWriter().function("entry", load() + call("little") + load() + EXIT, section="xdp")
    file.function("sub", EXIT).legacy_map("m", type=1)
    file.address("entry", 3, "m").call("entry", 2, "sub").address("entry", 0, "m")
    assert [reference.insn for reference in references(file)] == [0, 2, 3]


def test_records_out_of_order_are_put_in_order() -> None:
    file = ObjectWriter().function("a", EXIT, section="xdp").function("b", EXIT + EXIT, section="xdp")
    btf = BtfWriter()
    ext = BtfExtWriter(btf)
    for at in (8, 16, 8, 0):
        ext.line("xdp", at, "x.c", f"line {at}", 1 + at, 2)
    file.section(".BTF.ext", ext.build()).section(".BTF", btf.build())
    a, b = opened(file).functions.values()
    assert [int.from_bytes(a.line_info[at : at + 4], "little") for at in range(0, len(a.line_info), 16)] == [0]
    assert [int.from_bytes(b.line_info[at : at + 4], "little") for at in range(0, len(b.line_info), 16)] == [8, 8, 16]
