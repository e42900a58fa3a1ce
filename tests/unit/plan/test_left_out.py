"""Maps that are not made, and the code that refers to them."""

import pytest

from purebpf.live.verifier import explain
from purebpf.plan.left_out import why_left_out, without_maps
from purebpf.relocate.model import LinkedProgram, MapSlot
from purebpf.units import ByteOrder, InsnIndex

LOAD = b"\x18\x01" + bytes(14)
EXIT = b"\x95" + bytes(7)
ORDER = {"a": None, "b": None, "c": None}


def linked(*slots: MapSlot) -> LinkedProgram:
    return LinkedProgram("entry", LOAD * 2 + EXIT, (), slots)


A, B = MapSlot(InsnIndex(0), "a"), MapSlot(InsnIndex(2), "b", 8)


def test_code_that_refers_to_maps_that_are_made_stays_as_it_is() -> None:
    program = linked(A, B)
    assert without_maps(program, {"a", "b"}, ORDER, "little") is program


@pytest.mark.parametrize("byteorder", ["little", "big"])
def test_both_halves_become_calls_that_no_kernel_has(byteorder: ByteOrder) -> None:
    found = without_maps(linked(A, B), {"a"}, ORDER, byteorder)
    assert found.slots == (A,)
    assert found.left_out == ((1, "b"),)
    call = bytes((0x85, 0, 0, 0)) + (2_001_000_001).to_bytes(4, byteorder)
    assert found.code == LOAD + call * 2 + EXIT


def test_the_verifiers_complaint_is_turned_back_into_the_map() -> None:
    code = without_maps(linked(A, B), {"a"}, ORDER, "little").code
    number = int.from_bytes(code[20:24], "little")
    verdict = explain(f"2: (85) call unknown#{number}\ninvalid func unknown#{number}\n", lambda _: None)
    assert "map number 1, which was not created" in verdict.complaint
    assert verdict.poison is not None
    failure = why_left_out(((1, "b"),), verdict.poison.index)
    assert failure is not None
    assert failure.reason == "it uses map 'b', which is left out of the load"
    assert why_left_out((), 1) is None


def test_a_jump_table_is_no_map_of_the_object() -> None:
    program = linked(A, MapSlot(InsnIndex(2), "entry.jumptables+0x0", 0))
    assert without_maps(program, {"a"}, ORDER, "little") is program
