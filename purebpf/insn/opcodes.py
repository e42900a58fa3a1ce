"""The numbers of the BPF instruction set (RFC 9669, plus what kernels have added since).

Rules: names are those of the kernel's headers without `BPF_`; every table here is computed from the enums, so
that a new instruction is added in one place. An opcode byte is known when some kernel gives it a meaning in
a program it accepts from user space; the kernel's own rewritten forms (probe loads, tail calls) are not.
"""

from __future__ import annotations

from purebpf.enums import IntEnum
from purebpf.insn.words import (
    BPF_PSEUDO_BTF_ID as BPF_PSEUDO_BTF_ID,
)
from purebpf.insn.words import (
    BPF_PSEUDO_CALL as BPF_PSEUDO_CALL,
)
from purebpf.insn.words import (
    BPF_PSEUDO_FUNC as BPF_PSEUDO_FUNC,
)
from purebpf.insn.words import (
    BPF_PSEUDO_KFUNC_CALL as BPF_PSEUDO_KFUNC_CALL,
)
from purebpf.insn.words import (
    BPF_PSEUDO_MAP_FD as BPF_PSEUDO_MAP_FD,
)
from purebpf.insn.words import (
    BPF_PSEUDO_MAP_IDX as BPF_PSEUDO_MAP_IDX,
)
from purebpf.insn.words import (
    BPF_PSEUDO_MAP_IDX_VALUE as BPF_PSEUDO_MAP_IDX_VALUE,
)
from purebpf.insn.words import (
    BPF_PSEUDO_MAP_VALUE as BPF_PSEUDO_MAP_VALUE,
)
from purebpf.insn.words import (
    BSWAP as BSWAP,
)
from purebpf.insn.words import (
    CALL as CALL,
)
from purebpf.insn.words import (
    CALLX as CALLX,
)
from purebpf.insn.words import (
    EXIT as EXIT,
)
from purebpf.insn.words import (
    GOTO as GOTO,
)
from purebpf.insn.words import (
    GOTOL as GOTOL,
)
from purebpf.insn.words import (
    GOTOX as GOTOX,
)
from purebpf.insn.words import (
    LDIMM64 as LDIMM64,
)
from purebpf.insn.words import (
    MAY_GOTO as MAY_GOTO,
)
from purebpf.insn.words import (
    MOV64_X as MOV64_X,
)
from purebpf.insn.words import (
    NEG32 as NEG32,
)
from purebpf.insn.words import (
    NEG64 as NEG64,
)
from purebpf.insn.words import (
    SLOT as SLOT,
)
from purebpf.insn.words import (
    TO_BE as TO_BE,
)
from purebpf.insn.words import (
    TO_LE as TO_LE,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Final


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
