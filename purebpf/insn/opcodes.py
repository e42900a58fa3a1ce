"""The numbers of the BPF instruction set (RFC 9669, plus what kernels have added since).

Rules: names are those of the kernel's headers without `BPF_`; every table here is computed from the enums, so
that a new instruction is added in one place. An opcode byte is known when some kernel gives it a meaning in
a program it accepts from user space; the kernel's own rewritten forms (probe loads, tail calls) are not.
"""

from __future__ import annotations

from enum import IntEnum

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Final

SLOT: Final = 8
"""Bytes of one instruction slot; ldimm64 takes two."""


class Class(IntEnum):
    """Low three bits of the opcode."""

    LD = 0
    LDX = 1
    ST = 2
    STX = 3
    ALU = 4
    JMP = 5
    JMP32 = 6
    ALU64 = 7


class Size(IntEnum):
    """Width of a load or store, bits 3 and 4."""

    W = 0x00
    H = 0x08
    B = 0x10
    DW = 0x18


class Mode(IntEnum):
    """Addressing mode of a load or store, the top three bits."""

    IMM = 0x00
    ABS = 0x20
    IND = 0x40
    MEM = 0x60
    MEMSX = 0x80
    ATOMIC = 0xC0


class Source(IntEnum):
    """Second operand of ALU and jump instructions, bit 3."""

    K = 0x00
    X = 0x08


class AluOp(IntEnum):
    """ALU and ALU64 operation, the top four bits."""

    ADD = 0x00
    SUB = 0x10
    MUL = 0x20
    DIV = 0x30
    OR = 0x40
    AND = 0x50
    LSH = 0x60
    RSH = 0x70
    NEG = 0x80
    MOD = 0x90
    XOR = 0xA0
    MOV = 0xB0
    ARSH = 0xC0
    END = 0xD0


class JumpOp(IntEnum):
    """JMP and JMP32 operation, the top four bits."""

    JA = 0x00
    JEQ = 0x10
    JGT = 0x20
    JGE = 0x30
    JSET = 0x40
    JNE = 0x50
    JSGT = 0x60
    JSGE = 0x70
    CALL = 0x80
    EXIT = 0x90
    JLT = 0xA0
    JLE = 0xB0
    JSLT = 0xC0
    JSLE = 0xD0
    JCOND = 0xE0


class AtomicOp(IntEnum):
    """The imm of an atomic store; FETCH may be added to the arithmetic ones."""

    ADD = 0x00
    FETCH = 0x01
    OR = 0x40
    AND = 0x50
    XOR = 0xA0
    XCHG = 0xE1
    CMPXCHG = 0xF1
    LOAD_ACQUIRE = 0x100
    STORE_RELEASE = 0x110


class PseudoSource(IntEnum):
    """src of ldimm64: what the kernel puts in the place of the immediate."""

    VALUE = 0
    MAP_FD = 1
    MAP_VALUE = 2
    BTF_ID = 3
    FUNC = 4
    MAP_IDX = 5
    MAP_IDX_VALUE = 6


class CallSource(IntEnum):
    """src of a call: what its imm counts."""

    HELPER = 0
    PSEUDO_CALL = 1
    PSEUDO_KFUNC_CALL = 2


# The plain integers that code working on bytes compares with: an IntEnum member costs a lookup and, under
# Python 3.11, a slower comparison than an int.
BPF_PSEUDO_MAP_FD: Final = 1
BPF_PSEUDO_MAP_VALUE: Final = 2
BPF_PSEUDO_BTF_ID: Final = 3
BPF_PSEUDO_FUNC: Final = 4
BPF_PSEUDO_MAP_IDX: Final = 5
BPF_PSEUDO_MAP_IDX_VALUE: Final = 6
BPF_PSEUDO_CALL: Final = 1
BPF_PSEUDO_KFUNC_CALL: Final = 2

LDIMM64: Final = 0x18
CALL: Final = 0x85
CALLX: Final = 0x8D
EXIT: Final = 0x95
GOTO: Final = 0x05
GOTOX: Final = 0x0D
GOTOL: Final = 0x06
MAY_GOTO: Final = 0xE5
NEG32: Final = 0x84
NEG64: Final = 0x87
TO_LE: Final = 0xD4
TO_BE: Final = 0xDC
BSWAP: Final = 0xD7
MOV64_X: Final = 0xBF

BINARY_ALU_OPS: Final = tuple(op for op in AluOp if op not in (AluOp.NEG, AluOp.MOV, AluOp.END))
CONDITIONAL_JUMP_OPS: Final = tuple(
    op for op in JumpOp if op not in (JumpOp.JA, JumpOp.CALL, JumpOp.EXIT, JumpOp.JCOND)
)

CONDITIONAL_JUMPS: Final = frozenset(
    cls | op | source for cls in (Class.JMP, Class.JMP32) for op in CONDITIONAL_JUMP_OPS for source in Source
)
SHORT_JUMPS: Final = CONDITIONAL_JUMPS | {GOTO, MAY_GOTO}
"""Jumps whose distance stands in `offset`; gotol alone has it in `imm`."""

KNOWN_OPCODES: Final = frozenset(
    {LDIMM64, CALL, CALLX, EXIT, GOTO, GOTOX, GOTOL, MAY_GOTO, NEG32, NEG64, TO_LE, TO_BE, BSWAP}
    | CONDITIONAL_JUMPS
    | {
        cls | op | source
        for cls in (Class.ALU, Class.ALU64)
        for op in (*BINARY_ALU_OPS, AluOp.MOV)
        for source in Source
    }
    | {Class.LD | mode | size for mode in (Mode.ABS, Mode.IND) for size in (Size.W, Size.H, Size.B)}
    | {cls | Mode.MEM | size for cls in (Class.LDX, Class.ST, Class.STX) for size in Size}
    | {Class.LDX | Mode.MEMSX | size for size in (Size.W, Size.H, Size.B)}
    | {Class.STX | Mode.ATOMIC | size for size in Size}
)
