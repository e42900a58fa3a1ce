"""Which instructions can be reached, as far as constants tell."""

import pytest

from purebpf.insn import Assembler
from purebpf.insn.asm import R0, R1, R2, R6, W1
from purebpf.insn.reach import Pointer, reachable
from purebpf.units import InsnIndex


def _dead(code: Assembler, byteorder: str = "little", **options: object) -> set[int]:
    """The slots that are not reached; second halves of ldimm64 never are."""
    data = code.assemble(byteorder)  # type: ignore[arg-type]
    return set(range(len(data) // 8)) - set(reachable(data, byteorder, **options))  # type: ignore[arg-type]


@pytest.mark.parametrize("byteorder", ["little", "big"])
def test_a_branch_on_a_constant_is_followed_one_way(byteorder: str) -> None:
    code = Assembler().mov(R1, 0).jump_if(R1, "==", 0, "absent").mov(R0, 1).label("absent").mov(R0, 2).exit()
    assert _dead(code, byteorder) == {2}


def test_a_branch_on_what_nobody_knows_is_followed_both_ways() -> None:
    code = Assembler().jump_if(R1, "==", 0, "end").mov(R0, 1).label("end").exit()
    assert _dead(code) == set()


@pytest.mark.parametrize(
    ("value", "symbol", "other", "taken"),
    [
        (5, "!=", 5, False), (5, ">", 4, True), (-1, ">", 4, True), (-1, "s>", 4, False), (-1, "s<", 0, True),
        (4, "&", 3, False), (4, "&", 12, True), (4, ">=", 4, True), (4, "<", 4, False), (4, "<=", 4, True),
        (4, "s>=", 5, False), (-5, "s<=", -5, True),
    ],
)  # fmt: skip
def test_every_comparison_is_decided_as_the_kernel_decides_it(value: int, symbol: str, other: int, taken: bool) -> None:
    code = Assembler().mov(R1, value).jump_if(R1, symbol, other, "end").mov(R0, 1).label("end").exit()
    assert (_dead(code) == {2}) is taken


def test_a_comparison_of_32_bits_sees_the_lower_half() -> None:
    code = Assembler().ldimm64(R1, 1 << 32).jump_if(W1, "==", 0, "end").mov(R0, 1).label("end").exit()
    assert 3 in _dead(code)


@pytest.mark.parametrize(
    ("operator", "operand", "result"),
    [("+=", 3, 10), ("-=", 3, 4), ("*=", 3, 21), ("|=", 8, 15), ("&=", 3, 3), ("<<=", 2, 28), (">>=", 1, 3),
     ("^=", 1, 6), ("s>>=", 1, 3)],
)  # fmt: skip
def test_constants_are_calculated_with(operator: str, operand: int, result: int) -> None:
    code = Assembler().mov(R1, 7).alu(R1, operator, operand).jump_if(R1, "==", result, "end").mov(R0, 1)
    assert _dead(code.label("end").exit()) == {3}


def test_ways_that_disagree_leave_nothing_known() -> None:
    code = (
        Assembler().mov(R1, 1).jump_if(R2, "==", 0, "join").mov(R1, 2)
        .label("join").jump_if(R1, "==", 1, "end").mov(R0, 1).label("end").exit()
    )  # fmt: skip
    assert _dead(code) == set()


def test_a_loop_ends() -> None:
    code = Assembler().mov(R1, 0).label("again").alu(R1, "+=", 1).jump_if(R1, "!=", 9, "again").exit()
    assert _dead(code) == set()


def test_a_call_forgets_the_registers_that_it_may_change_and_keeps_the_others() -> None:
    kept = Assembler().mov(R6, 0).call(5).jump_if(R6, "==", 0, "end").mov(R0, 1).label("end").exit()
    assert _dead(kept) == {3}
    lost = Assembler().mov(R1, 0).call(5).jump_if(R1, "==", 0, "end").mov(R0, 1).label("end").exit()
    assert _dead(lost) == set()


def test_functions_are_entered_where_a_reached_instruction_calls_them() -> None:
    code = (
        Assembler().mov(R1, 0).jump_if(R1, "==", 0, "end").call_function("dead").label("end")
        .call_function("alive").exit().label("dead").exit().label("alive").exit()
    )  # fmt: skip
    assert _dead(code) == {2, 5}


def test_a_callback_is_entered() -> None:
    code = Assembler().function_address(R1, "callback").exit().label("callback").exit()
    assert _dead(code) == {1}


def test_what_stands_in_constant_memory_is_known() -> None:
    memory = bytes(4) + (7).to_bytes(4, "little")
    code = Assembler().map_value(R1, 0, 4).load(R2, R1, 0, "u32").jump_if(R2, "==", 7, "end").mov(R0, 1)
    code = code.label("end").exit()
    assert _dead(code, pointers={InsnIndex(0): Pointer(memory, 4)}) == {1, 4}
    assert _dead(code, pointers={InsnIndex(0): Pointer(memory, 8)}) == {1}
    assert _dead(code) == {1}


def test_an_address_can_be_moved_inside_constant_memory() -> None:
    memory = bytes(8) + b"\1"
    code = Assembler().map_value(R1, 0).mov(R2, R1).alu(R2, "+=", 8).load(R2, R2, 0, "u8")
    code = code.jump_if(R2, "==", 1, "end").mov(R0, 1).label("end").exit()
    assert _dead(code, pointers={InsnIndex(0): Pointer(memory, 0)}) == {1, 6}


def test_code_that_leads_nowhere_ends_a_way() -> None:
    assert reachable(b"") == frozenset()
    assert reachable(Assembler().mov(R0, 0).assemble()) == {0}
    assert reachable(bytes.fromhex("0500ff7f00000000")) == {0}
    assert reachable(bytes.fromhex("bf000000")) == frozenset()


def test_registers_that_do_not_exist_are_the_verifiers_trouble() -> None:
    assert reachable(bytes.fromhex("bfff0000000000009500000000000000")) == {0, 1}
