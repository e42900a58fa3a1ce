"""words: the plain integers are what the enums of opcodes compute."""

from purebpf.insn import words
from purebpf.insn.opcodes import AluOp, CallSource, Class, JumpOp, Mode, PseudoSource, Size, Source


def test_opcodes_are_made_of_class_operation_and_source() -> None:
    assert words.LDIMM64 == Class.LD | Mode.IMM | Size.DW
    assert (words.CALL, words.CALLX) == (Class.JMP | JumpOp.CALL, Class.JMP | JumpOp.CALL | Source.X)
    assert (words.EXIT, words.GOTO, words.GOTOX) == (
        Class.JMP | JumpOp.EXIT,
        Class.JMP | JumpOp.JA,
        Class.JMP | JumpOp.JA | Source.X,
    )
    assert (words.GOTOL, words.MAY_GOTO) == (Class.JMP32 | JumpOp.JA, Class.JMP | JumpOp.JCOND)
    assert (words.NEG32, words.NEG64) == (Class.ALU | AluOp.NEG, Class.ALU64 | AluOp.NEG)
    assert (words.TO_LE, words.TO_BE) == (Class.ALU | AluOp.END, Class.ALU | AluOp.END | Source.X)
    assert (words.BSWAP, words.MOV64_X) == (Class.ALU64 | AluOp.END, Class.ALU64 | AluOp.MOV | Source.X)


def test_sources_are_those_of_the_enums() -> None:
    for enum in (PseudoSource, CallSource):
        for member in enum:
            name = f"BPF_{member.name}" if enum is CallSource else f"BPF_PSEUDO_{member.name}"
            if member:
                assert getattr(words, name) == member
