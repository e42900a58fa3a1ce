"""Which instructions need a newer kernel."""

import pytest

from purebpf.insn import Assembler
from purebpf.insn.asm import R0, R1, R2, W1, W2
from purebpf.preflight.isa import extensions


def _since(code: Assembler, byteorder: str = "little") -> list[tuple[str, int]]:
    data = code.exit().assemble(byteorder)  # type: ignore[arg-type]
    return [(used.extension.since, used.insn) for used in extensions(data, byteorder)]  # type: ignore[arg-type]


@pytest.mark.parametrize("byteorder", ["little", "big"])
def test_the_first_instructions_need_nothing(byteorder: str) -> None:
    code = Assembler().mov(R0, R1).alu(R0, "+=", 1).load(R1, R2).store(R2, 0, R1).call(1).alu(R0, "/=", 3)
    code = code.jump_if(R1, "==", 0, "end").ldimm64(R1, -1).label("end")
    assert _since(code, byteorder) == []


@pytest.mark.parametrize(
    ("code", "since"),
    [
        (Assembler().jump_if(W1, "==", 0, "end").label("end"), "5.1"),
        (Assembler().call_function("end").label("end"), "4.16"),
        (Assembler().function_address(R1, "end").label("end"), "5.13"),
        (Assembler().call_kfunc(7), "5.13"),
        (Assembler().xchg(R1, 0, R2), "5.12"),
        (Assembler().mov(R1, R2, sign_extend=8), "6.6"),
        (Assembler().mov(W1, W2, sign_extend=16), "6.6"),
        (Assembler().load(R1, R2, 0, "s8"), "6.6"),
        (Assembler().alu(R1, "s/=", R2), "6.6"),
        (Assembler().swap(R1, "bswap", 64), "6.6"),
        (Assembler().jump("end", long=True).label("end"), "6.6"),
        (Assembler().may_goto("end").label("end"), "6.9"),
        (Assembler().addr_space_cast(R1, R2, 0, 1), "6.9"),
        (Assembler().load_acquire(R1, R2), "6.15"),
        (Assembler().store_release(R1, 0, R2), "6.15"),
        (Assembler().jump_register(R1), "6.19"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
@pytest.mark.parametrize("byteorder", ["little", "big"])
def test_each_extension_is_found_and_placed(code: Assembler, since: str, byteorder: str) -> None:
    assert _since(code, byteorder) == [(since, 0)]


def test_an_atomic_addition_is_as_old_as_bpf() -> None:
    assert _since(Assembler().atomic(R1, 0, "+=", R2)) == []


def test_an_extension_is_told_once_where_it_comes_first() -> None:
    code = Assembler().mov(R0, 0).alu(R1, "s/=", R2).alu(R1, "s/=", R2).xchg(R1, 0, R2)
    assert _since(code) == [("6.6", 1), ("5.12", 3)]


def test_the_second_half_of_an_ldimm64_is_no_instruction() -> None:
    code = Assembler().ldimm64(R1, 0).assemble("little")
    # Opcode 0x06 stands where a second half has its zeros.
    assert extensions(code[:8] + b"\x06" + code[9:]) == ()
