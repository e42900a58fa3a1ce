"""Which instructions of a program can be reached, as far as constants tell.

A CO-RE program asks "is the field there?" and has the answer, once relocated, as a constant in its code; the verifier
follows only the branch that the constant leaves. This does the same, without the rest of what the verifier does.

Rules: registers are constants, addresses inside constant memory, or unknown; memory is unknown but for what
`pointers` gives. Ways that meet agree or the register is unknown. So an instruction that is not reached here is not
reached at all, and one that is reached here may yet be out of the verifier's way. Each instruction is looked at once
for every register that becomes unknown, twelve times at the most, whatever the loops.
"""

from collections.abc import Callable, Mapping
from struct import Struct
from typing import Final, NamedTuple

from purebpf.insn.opcodes import (
    BPF_PSEUDO_CALL,
    BPF_PSEUDO_FUNC,
    CALL,
    CONDITIONAL_JUMPS,
    EXIT,
    GOTO,
    GOTOL,
    GOTOX,
    LDIMM64,
    MAY_GOTO,
    SLOT,
    Class,
    JumpOp,
    Mode,
    Size,
)
from purebpf.units import ByteOrder, InsnIndex

_SLOT: Final = {"little": Struct("<BBhi"), "big": Struct(">BBhi")}
_U64: Final = 0xFFFF_FFFF_FFFF_FFFF
_U32: Final = 0xFFFF_FFFF
_REGISTERS: Final = 11
_SIZES: Final = {Size.B.value: 1, Size.H.value: 2, Size.W.value: 4, Size.DW.value: 8}
_ALU, _ALU64, _JMP32, _LDX = Class.ALU.value, Class.ALU64.value, Class.JMP32.value, Class.LDX.value
_MEM: Final = Mode.MEM.value
_LOADS: Final = (Class.LD.value, _LDX)
_CONDITIONS: Final[dict[int, Callable[[int, int, int, int], bool]]] = {
    JumpOp.JEQ.value: lambda a, b, sa, sb: a == b,
    JumpOp.JNE.value: lambda a, b, sa, sb: a != b,
    JumpOp.JGT.value: lambda a, b, sa, sb: a > b,
    JumpOp.JGE.value: lambda a, b, sa, sb: a >= b,
    JumpOp.JLT.value: lambda a, b, sa, sb: a < b,
    JumpOp.JLE.value: lambda a, b, sa, sb: a <= b,
    JumpOp.JSET.value: lambda a, b, sa, sb: bool(a & b),
    JumpOp.JSGT.value: lambda a, b, sa, sb: sa > sb,
    JumpOp.JSGE.value: lambda a, b, sa, sb: sa >= sb,
    JumpOp.JSLT.value: lambda a, b, sa, sb: sa < sb,
    JumpOp.JSLE.value: lambda a, b, sa, sb: sa <= sb,
}
_OPERATIONS: Final[dict[int, Callable[[int, int, int], int]]] = {
    0x00: lambda a, b, bits: a + b,
    0x10: lambda a, b, bits: a - b,
    0x20: lambda a, b, bits: a * b,
    0x40: lambda a, b, bits: a | b,
    0x50: lambda a, b, bits: a & b,
    0x60: lambda a, b, bits: a << (b & bits - 1),
    0x70: lambda a, b, bits: a >> (b & bits - 1),
    0xA0: lambda a, b, bits: a ^ b,
    0xB0: lambda a, b, bits: b,
    0xC0: lambda a, b, bits: _signed(a, bits) >> (b & bits - 1),
}


class Pointer(NamedTuple):
    """An address inside memory that no program can change, such as a frozen map's."""

    memory: bytes
    offset: int


Value = int | Pointer | None
State = tuple[Value, ...]
_UNKNOWN: Final[State] = (None,) * _REGISTERS


def reachable(
    code: bytes, byteorder: ByteOrder = "little", *, pointers: Mapping[InsnIndex, Pointer] | None = None
) -> frozenset[InsnIndex]:
    """The instructions that can be reached from the first; `pointers` tells what an ldimm64 points to.

    Functions that are called, or whose address is taken, by a reached instruction are entered. A jump out of the code
    ends a way: what is wrong with it is the verifier's to say.
    """
    walk = _Walk(code, byteorder, pointers or {})
    walk.run()
    return frozenset(InsnIndex(index) for index in walk.states)


class _Walk:
    def __init__(self, code: bytes, byteorder: ByteOrder, pointers: Mapping[InsnIndex, Pointer]) -> None:
        self.insns: list[tuple[int, int, int, int]] = list(_SLOT[byteorder].iter_unpack(code[: len(code) & -SLOT]))
        self.byteorder: ByteOrder = byteorder
        self.pointers = pointers
        self.states: dict[int, State] = {}
        self.waiting: list[int] = []

    def run(self) -> None:
        self._go(0, _UNKNOWN)
        while self.waiting:
            index = self.waiting.pop()
            self._step(index, self.states[index])

    def _go(self, index: int, state: State) -> None:
        """Let a way come to `index` with these registers."""
        if not 0 <= index < len(self.insns):
            return
        known = self.states.get(index)
        if known is not None:
            state = tuple([old if old == new else None for old, new in zip(known, state, strict=True)])
            if state == known:
                return
        self.states[index] = state
        self.waiting.append(index)

    def _step(self, index: int, state: State) -> None:
        opcode, registers, offset, imm = self.insns[index]
        dst, src = (registers & 15, registers >> 4) if self.byteorder == "little" else (registers >> 4, registers & 15)
        if opcode == EXIT:
            return
        if opcode in CONDITIONAL_JUMPS:
            self._branch(index, state, opcode, dst, src)
        elif opcode in (GOTO, GOTOL):
            self._go(index + 1 + (offset if opcode == GOTO else imm), state)
        elif opcode == MAY_GOTO:
            self._go(index + 1 + offset, state)
            self._go(index + 1, state)
        elif opcode == GOTOX:
            # Wherever it goes, it goes on with what is known of no register.
            for target in range(len(self.insns)):
                self._go(target, _UNKNOWN)
        elif opcode == CALL:
            if src == BPF_PSEUDO_CALL:
                self._go(index + 1 + imm, _UNKNOWN)
            self._go(index + 1, (None,) * 6 + state[6:])
        elif opcode == LDIMM64:
            self._load_immediate(index, state, dst, src, imm)
        else:
            self._go(index + 1, self._computed(state, opcode, dst, src, offset, imm))

    def _branch(self, index: int, state: State, opcode: int, dst: int, src: int) -> None:
        _, _, offset, imm = self.insns[index]
        left, right = _of(state, dst), _of(state, src) if opcode & 8 else imm & _U64
        taken = None
        if isinstance(left, int) and isinstance(right, int):
            bits = 32 if opcode & 7 == _JMP32 else 64
            left, right = left & (1 << bits) - 1, right & (1 << bits) - 1
            taken = _CONDITIONS[opcode & 0xF0](left, right, _signed(left, bits), _signed(right, bits))
        if taken is not False:
            self._go(index + 1 + offset, state)
        if taken is not True:
            self._go(index + 1, state)

    def _load_immediate(self, index: int, state: State, dst: int, src: int, imm: int) -> None:
        value: Value = None
        if src == BPF_PSEUDO_FUNC:
            self._go(index + 1 + imm, _UNKNOWN)
        elif src == 0 and index + 1 < len(self.insns):
            value = imm & _U32 | (self.insns[index + 1][3] & _U32) << 32
        else:
            value = self.pointers.get(InsnIndex(index))
        self._go(index + 2, _with(state, dst, value))

    def _computed(self, state: State, opcode: int, dst: int, src: int, offset: int, imm: int) -> State:
        kind = opcode & 7
        if kind in (_ALU, _ALU64):
            operand = _of(state, src) if opcode & 8 else imm & _U64
            return _with(state, dst, _calculated(opcode, _of(state, dst), operand, offset))
        if kind not in _LOADS:
            # Stores change no register but those of fetching atomics, which are r0 and the source.
            return _with(_with(state, 0, None), src, None) if opcode & 0xE0 == Mode.ATOMIC else state
        value: Value = None
        base = _of(state, src)
        if kind == _LDX and opcode & 0xE0 == _MEM and isinstance(base, Pointer):
            begin, size = base.offset + offset, _SIZES[opcode & 0x18]
            if 0 <= begin <= len(base.memory) - size:
                value = int.from_bytes(base.memory[begin : begin + size], self.byteorder)
        return _with(state, dst if kind == _LDX else 0, value)


def _calculated(opcode: int, left: Value, right: Value, offset: int) -> Value:
    operation, wide = opcode & 0xF0, opcode & 7 == _ALU64
    if operation == 0xB0:
        # A move that extends a sign says so in the offset.
        if offset or isinstance(right, Pointer):
            return right if not offset and wide else None
        return right if wide or right is None else right & _U32
    if wide and operation == 0x00 and isinstance(left, Pointer) and isinstance(right, int):
        return Pointer(left.memory, left.offset + _signed(right, 64))
    calculate = _OPERATIONS.get(operation)
    if calculate is None or not isinstance(left, int) or not isinstance(right, int):
        return None
    bits = 64 if wide else 32
    mask = (1 << bits) - 1
    return calculate(left & mask, right & mask, bits) & mask


def _of(state: State, register: int) -> Value:
    return state[register] if register < _REGISTERS else None


def _with(state: State, register: int, value: Value) -> State:
    if register >= _REGISTERS:
        return state
    return (*state[:register], value, *state[register + 1 :])


def _signed(value: int, bits: int) -> int:
    return value - (1 << bits) if value >> bits - 1 & 1 else value
