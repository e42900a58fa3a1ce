from collections.abc import Callable

import pytest

from purebpf.insn import Assembler, Insn, decode, disassemble
from purebpf.insn.asm import R0, R1, R2, R10, W0, W1, W2, Register


def lines(assembler: Assembler, **options: bool) -> list[str]:
    return disassemble(assembler.assemble(), exact=True, **options)


def test_arithmetic() -> None:
    program = (
        Assembler()
        .mov(R1, -5).mov(W1, W2).mov(R1, R2, sign_extend=32)
        .alu(R1, "+=", R2).alu(W1, "s>>=", 3).alu(R1, "s/=", R2).alu(W1, "s%=", 7).alu(W1, "^=", 0xFFFFFFFF)
        .neg(W1).neg(R1).swap(R1, "be", 16).swap(R2, "bswap", 64)
        .addr_space_cast(R1, R2, 0xFFFF, 1)
    )  # fmt: skip
    assert lines(program) == [
        "r1 = -0x5", "w1 = w2", "r1 = (s32)r2",
        "r1 += r2", "w1 s>>= 0x3", "r1 s/= r2", "w1 s%= 0x7", "w1 ^= -0x1",
        "w1 = -w1", "r1 = -r1", "r1 = be16 r1", "r2 = bswap64 r2",
        "r1 = addr_space_cast(r2, 0xffff, 0x1)",
    ]  # fmt: skip


def test_memory() -> None:
    program = (
        Assembler()
        .load(R1, R2, -8).load(R1, R2, 4, "s16").load(W1, R2, 0, "u8")
        .store(R10, -8, 0x7FFFFFFF, "u32").store(R10, -8, R1).store(R10, -2, W1, "u8")
        .load_packet(12, "u16").load_packet(R2)
        .atomic(R1, 0, "|=", R2).atomic(R1, 8, "+=", W2, "u32", fetch=True)
        .xchg(R1, 0, W2, "u32").cmpxchg(R1, -8, R2).load_acquire(W1, R2, 0, "u16").store_release(R1, 0, R2)
    )  # fmt: skip
    assert lines(program, alu32=True) == [
        "r1 = *(u64 *)(r2 - 0x8)", "r1 = *(s16 *)(r2 + 0x4)", "w1 = *(u8 *)(r2 + 0x0)",
        "*(u32 *)(r10 - 0x8) = 0x7fffffff", "*(u64 *)(r10 - 0x8) = r1", "*(u8 *)(r10 - 0x2) = w1",
        "r0 = *(u16 *)skb[0xc]", "r0 = *(u32 *)skb[r2]",
        "lock *(u64 *)(r1 + 0x0) |= r2", "w2 = atomic_fetch_add((u32 *)(r1 + 0x8), w2)",
        "w2 = xchg32_32(r1 + 0x0, w2)", "r0 = cmpxchg_64(r1 - 0x8, r0, r2)",
        "w1 = load_acquire((u16 *)(r2 + 0x0))", "store_release((u64 *)(r1 + 0x0), r2)",
    ]  # fmt: skip


def test_jumps_and_calls_reach_labels_in_both_directions() -> None:
    program = (
        Assembler()
        .label("start")
        .ldimm64(R1, 1 << 40)
        .jump_if(R1, "s>", -3, "end").jump_if(W1, "&", W2, "start")
        .jump("end").jump("start", long=True).may_goto("end").jump(+1)
        .call(6).call_function("start").call_kfunc(77, 1).call_register(R2).jump_register(R2)
        .function_address(R2, "start")
        .label("end")
        .exit()
    )  # fmt: skip
    assert lines(program) == [
        "r1 = 0x10000000000 ll",
        "if r1 s> -0x3 goto +0xc", "if w1 & w2 goto -0x4",
        "goto +0xa", "gotol -0x6", "may_goto +0x8", "goto +0x1",
        "call 0x6", "call pc-0xa", "call kfunc 0x4d fd 0x1", "callx r2", "gotox r2",
        "ld_pseudo\tr2, 0x4, 0xfffffff2",
        "exit",
    ]  # fmt: skip


def test_wide_loads_of_maps_carry_fd_and_offset() -> None:
    program = Assembler().map_fd(R1, 9).map_value(R2, 9, 16)
    assert [insn for _index, insn in decode(program.assemble())] == [
        Insn(0x18, 1, 1, 0, 9),
        Insn(0x18, 2, 2, 0, 16 << 32 | 9),
    ]


def test_one_program_can_be_assembled_for_both_byte_orders() -> None:
    program = Assembler().jump("out").label("out").mov(R1, 2)
    assert decode(program.assemble("big"), "big") == decode(program.assemble())


@pytest.mark.parametrize(
    ("write", "reason"),
    [
        (lambda a: a.jump("nowhere").assemble(), "'nowhere' stands nowhere"),
        (lambda a: a.label("twice").label("twice"), "'twice' stands twice"),
        (lambda a: a.jump(0x8000), "offset 0x8000"),
        (lambda a: a.load(R1, R2, 40000), "offset 0x9c40"),
        (lambda a: a.mov(R1, 1 << 31), "does not fit in 32 bits"),
        (lambda a: a.jump_if(R1, "==", 0xFFFFFFFF, 0), "does not fit in 32 bits"),
        (lambda a: a.ldimm64(R1, 1 << 64), "does not fit in 64 bits"),
        (lambda a: a.alu(R1, "+=", W2), "different width"),
        (lambda a: a.alu(R1, "+", R2), "no ALU operator"),
        (lambda a: a.jump_if(R1, "=", R2, 0), "no comparison"),
        (lambda a: a.mov(W1, W2, sign_extend=32), "sign-extended"),
        (lambda a: a.swap(R1, "be", 8), "cannot be swapped"),
        (lambda a: a.load(R1, R2, 0, "u128"), "no type of memory"),
        (lambda a: a.load(W1, R2, 0, "u64"), "whole register"),
        (lambda a: a.load(R1, W2), "half a register"),
        (lambda a: a.load_packet(0, "u64"), "packet loads"),
        (lambda a: a.atomic(R1, 0, "+=", R2, "u8"), "no atomic operation"),
        (lambda a: a.addr_space_cast(R1, R2, 1 << 16, 0), "16 bits each"),
        (lambda a: Register(12), "no register r12"),
        (lambda a: a.raw(b"\1").exit(), "nothing can follow"),
    ],
)
def test_what_cannot_be_encoded_is_refused(write: Callable[[Assembler], object], reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        write(Assembler())


def test_a_label_too_far_for_16_bits_needs_a_long_jump() -> None:
    far = Assembler().jump("end")
    near = Assembler().jump("end", long=True)
    for _ in range(0x8000):
        far.mov(R0, 0)
        near.mov(R0, 0)
    with pytest.raises(ValueError, match="32768 instructions away"):
        far.label("end").exit().assemble()
    assert near.label("end").exit().assemble()[4:8] == b"\0\x80\0\0"


def test_an_immediate_of_32_bits_is_taken_where_nothing_extends_it() -> None:
    assert lines(Assembler().mov(W0, 0xFFFFFFFF)) == ["w0 = -0x1"]
