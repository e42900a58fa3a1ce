"""What was found for externs, put into a program's code."""

from struct import unpack_from

import pytest

from purebpf.errors import UnresolvedExtern
from purebpf.relocate.extern_code import fill, word_for
from purebpf.relocate.model import Address, BtfSlot, Failure, Found, KernelType, LinkedProgram, MapSlot
from purebpf.spec import ExternCall, ExternKind, ExternSpec, ExternValue, ObjectSpec
from purebpf.units import VOID, InsnIndex, TypeId

LOAD = b"\x18\x01" + bytes(14)
CALL = b"\x85\x10\0\0\xff\xff\xff\xff"
MODULES = ("", "one", "two")


def extern(kind: ExternKind, *, section: str = ".ksyms", offset: int = 0) -> ExternSpec:
    return ExternSpec(name="x", kind=kind, type=VOID, weak=True, section=section, offset=offset, size=4)


def filled(declared: ExternSpec, found: Found, *, called: bool = False) -> LinkedProgram:
    """The program that uses `declared` in its first instruction."""
    reference = ExternCall(InsnIndex(0), "x") if called else ExternValue(InsnIndex(0), "x")
    program = LinkedProgram("entry", CALL if called else LOAD, (), (), externs=(reference,))
    spec = ObjectSpec(
        name="o",
        file="o.bpf.o",
        byteorder="little",
        license="GPL",
        kernel_version=0,
        btf=None,
        programs={},
        functions={},
        maps={},
        externs={"absent": declared, "x": declared},
    )
    return fill(spec, program, {"x": found}, MODULES, lambda _: Failure("it is not there", (), ""))


def insn(program: LinkedProgram, index: int) -> tuple[int, int, int, int]:
    """Opcode, registers, offset and immediate."""
    opcode, registers, offset, immediate = unpack_from("<BBhi", program.code, index * 8)
    return opcode, registers, offset, immediate


def test_a_kconfig_value_is_an_address_in_its_map() -> None:
    done = filled(extern(ExternKind.KCONFIG, section=".kconfig", offset=12), None)
    assert (insn(done, 0)[1], insn(done, 1)[3]) == (0x21, 12)
    assert done.slots == (MapSlot(InsnIndex(0), ".kconfig", 12),)


def test_an_address_lies_in_both_halves_of_the_load() -> None:
    done = filled(extern(ExternKind.KSYM), Address(0x1234_5678_0000_0009))
    assert (insn(done, 0)[3], insn(done, 1)[3]) == (9, 0x1234_5678)


def test_a_variable_of_a_module_is_its_type_and_a_slot_for_the_modules_fd() -> None:
    done = filled(extern(ExternKind.KSYM), KernelType(TypeId(7), "two"))
    assert insn(done, 0) == (0x18, 0x31, 0, 7)
    assert done.btf_slots == (BtfSlot(InsnIndex(0), "two"),)
    assert done.fd_array == ()


def test_a_call_of_a_modules_function_says_which_of_the_fds_it_is() -> None:
    done = filled(extern(ExternKind.KFUNC), KernelType(TypeId(7), "two"), called=True)
    assert insn(done, 0) == (0x85, 0x20, 2, 7)
    assert done.fd_array == MODULES


def test_a_call_of_the_kernels_own_function_needs_no_fds() -> None:
    done = filled(extern(ExternKind.KFUNC), KernelType(TypeId(7)), called=True)
    assert (insn(done, 0), done.fd_array) == ((0x85, 0x20, 0, 7), ())


def test_a_call_of_what_is_not_there_is_poisoned_with_the_externs_number_and_its_reason() -> None:
    done = filled(extern(ExternKind.KFUNC), None, called=True)
    assert insn(done, 0) == (0x85, 0, 0, 2002000001)
    (poisoned,) = done.poisoned
    assert (poisoned.insn, poisoned.failure().reason) == (0, "it is not there")


def test_a_call_of_a_variable_is_refused() -> None:
    with pytest.raises(UnresolvedExtern, match="kernel symbol 'x' is called, but is no function"):
        filled(extern(ExternKind.KSYM), Address(1), called=True)


def test_an_extern_of_no_section_is_not_called_the_kernels() -> None:
    assert word_for(extern(ExternKind.KFUNC, section="")) == "symbol"
