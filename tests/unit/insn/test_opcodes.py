from purebpf.insn import opcodes as op


def test_there_are_as_many_known_opcodes_as_the_instruction_set_has() -> None:
    alu = 2 * (12 * 2 + 1) + 3  # 12 operations from two sources, negation; three byte swaps
    jumps = 2 * 11 * 2 + 7  # conditional ones; goto, gotol, gotox, may_goto, call, callx, exit
    memory = 3 * 4 + 3 + 4 + 6 + 1  # MEM, MEMSX, ATOMIC, packet loads, ldimm64
    assert len(op.KNOWN_OPCODES) == alu + jumps + memory


def test_opcodes_that_kernels_keep_for_themselves_are_not_known() -> None:
    tail_call, probe_load, loaded_double_word_packet, negation_of_register = 0xF5, 0x20 | 0x01, 0x38, 0x8C
    assert op.KNOWN_OPCODES.isdisjoint({tail_call, probe_load, loaded_double_word_packet, negation_of_register})


def test_named_opcodes_are_what_their_parts_add_up_to() -> None:
    assert op.LDIMM64 == op.Class.LD | op.Mode.IMM | op.Size.DW
    assert op.CALL == op.Class.JMP | op.JumpOp.CALL
    assert op.CALLX == op.CALL | op.Source.X
    assert op.GOTOL == op.Class.JMP32 | op.JumpOp.JA
    assert op.MAY_GOTO == op.Class.JMP | op.JumpOp.JCOND
    assert op.TO_BE == op.Class.ALU | op.AluOp.END | op.Source.X
    assert op.BSWAP == op.Class.ALU64 | op.AluOp.END


def test_short_jumps_are_the_ones_that_keep_their_distance_in_the_offset() -> None:
    assert op.GOTO in op.SHORT_JUMPS
    assert op.MAY_GOTO in op.SHORT_JUMPS
    assert op.SHORT_JUMPS.isdisjoint({op.GOTOL, op.GOTOX, op.CALL, op.EXIT})
    assert len(op.CONDITIONAL_JUMPS) == 44


def test_plain_constants_agree_with_the_enums() -> None:
    assert (op.BPF_PSEUDO_MAP_FD, op.BPF_PSEUDO_MAP_IDX_VALUE) == (
        op.PseudoSource.MAP_FD,
        op.PseudoSource.MAP_IDX_VALUE,
    )
    assert op.BPF_PSEUDO_FUNC == op.PseudoSource.FUNC
    assert op.BPF_PSEUDO_CALL == op.CallSource.PSEUDO_CALL
    assert op.BPF_PSEUDO_KFUNC_CALL == op.CallSource.PSEUDO_KFUNC_CALL
