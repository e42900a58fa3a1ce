"""What a decision does to its instruction, in both byte orders, and which instructions it leaves alone."""

from struct import pack

import pytest

from purebpf.errors import RelocationError
from purebpf.relocate.patch import POISON, Change, apply, immediate, is_poisoned, poison
from purebpf.units import ByteOrder

ORDERS: tuple[ByteOrder, ...] = ("little", "big")
LOAD_U32, LOAD_U64, STORE_U16, STORE_IMMEDIATE, MOV, MOV32, ADD_REGISTER, JUMP = (
    0x61,
    0x79,
    0x6B,
    0x62,
    0xB7,
    0xB4,
    0x0F,
    0x05,
)


def insn(opcode: int, offset: int = 0, value: int = 0, byteorder: ByteOrder = "little") -> bytes:
    return pack(f"{'<' if byteorder == 'little' else '>'}BBhi", opcode, 0x21, offset, value)


def wide(low: int, high: int, byteorder: ByteOrder = "little") -> bytes:
    order = "<" if byteorder == "little" else ">"
    register = 0x01 if byteorder == "little" else 0x10
    return pack(f"{order}BBhiBBhi", 0x18, register, 0, low, 0, 0, 0, high)


def changed(code: bytes, change: Change, byteorder: ByteOrder = "little") -> bytes:
    copy = bytearray(code)
    assert apply(copy, 0, change, byteorder)
    return bytes(copy)


@pytest.mark.parametrize("byteorder", ORDERS)
def test_arithmetic_takes_the_value_as_its_immediate(byteorder: ByteOrder) -> None:
    for opcode in (MOV, MOV32):
        before, after = insn(opcode, 0, 8, byteorder), insn(opcode, 0, 1024, byteorder)
        assert changed(before, Change(8, 1024), byteorder) == after


@pytest.mark.parametrize("byteorder", ORDERS)
@pytest.mark.parametrize("opcode", [LOAD_U32, STORE_U16, STORE_IMMEDIATE])
def test_loads_and_stores_take_it_as_their_offset(opcode: int, byteorder: ByteOrder) -> None:
    before, after = insn(opcode, 8, 7, byteorder), insn(opcode, 1024, 7, byteorder)
    assert changed(before, Change(8, 1024), byteorder) == after


@pytest.mark.parametrize("byteorder", ORDERS)
def test_both_halves_of_a_wide_immediate_are_set(byteorder: ByteOrder) -> None:
    new = 0xFFFFFFFE_00000005
    assert changed(wide(-1, -1, byteorder), Change(2**64 - 1, new), byteorder) == wide(5, -2, byteorder)
    assert immediate(bytearray(wide(5, -2, byteorder)), 0, byteorder) == new


@pytest.mark.parametrize(("size", "opcode"), [(1, 0x71), (2, 0x69), (4, 0x61), (8, 0x79)])
def test_a_load_moves_as_many_bytes_as_the_field_has(size: int, opcode: int) -> None:
    assert changed(insn(LOAD_U32, 8), Change(8, 16, 4, size)) == insn(opcode, 16)


def test_a_size_that_would_come_out_wrong_changes_nothing() -> None:
    code = bytearray(insn(LOAD_U32, 8))
    assert not apply(code, 0, Change(8, 16, 4, 8, resizable=False), "little")
    assert code == insn(LOAD_U32, 8)


@pytest.mark.parametrize(
    ("code", "change", "reason"),
    [
        (insn(LOAD_U32, 4), Change(8, 16), "the instruction holds 4, the object's own types say 8"),
        (insn(MOV, 0, -1), Change(8, 16), "the object's own types say 8"),
        (insn(LOAD_U32, 8), Change(8, 0x8000), "too large for a load or store"),
        (insn(LOAD_U64, 8), Change(8, 8, 4, 8), "the instruction moves 8 bytes of a field of 4"),
        (insn(LOAD_U32, 8), Change(8, 8, 4, 12), "no load or store moves the 12 bytes"),
        (insn(ADD_REGISTER), Change(0, 8), "no instruction that CO-RE could adapt"),
        (insn(JUMP), Change(0, 8), "no instruction that CO-RE could adapt"),
        (wide(8, 0)[:8], Change(8, 16), "no instruction that CO-RE could adapt"),
        (b"\x18\x11" + wide(8, 0)[2:], Change(8, 16), "no instruction that CO-RE could adapt"),
        (wide(8, 0)[:8] + insn(MOV), Change(8, 16), "no instruction that CO-RE could adapt"),
    ],
)
def test_what_does_not_fit_is_refused_and_left_as_it_was(code: bytes, change: Change, reason: str) -> None:
    copy = bytearray(code)
    with pytest.raises(RelocationError, match=reason):
        apply(copy, 0, change, "little")
    assert copy == code


def test_an_unchecked_value_replaces_whatever_was_there() -> None:
    assert changed(insn(MOV, 0, 99), Change(None, 7)) == insn(MOV, 0, 7)


@pytest.mark.parametrize("byteorder", ORDERS)
def test_poison_is_a_call_that_no_kernel_knows_in_both_halves(byteorder: ByteOrder) -> None:
    call = pack(f"{'<' if byteorder == 'little' else '>'}BBhi", 0x85, 0, 0, POISON)
    code = bytearray(wide(8, 0, byteorder) + insn(MOV, 0, 1, byteorder))
    poison(code, 0, byteorder)
    assert code == call + call + insn(MOV, 0, 1, byteorder)
    assert is_poisoned(code, 1, byteorder)
    assert not is_poisoned(code, 2, byteorder)
    poison(code, 2, byteorder)
    assert code == call * 3


def test_poison_at_the_end_stays_inside_the_function() -> None:
    code = bytearray(wide(8, 0)[:8])
    poison(code, 0, "little")
    assert len(code) == 8
