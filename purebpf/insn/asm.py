"""Programs from Python calls, with labels.

Rules: operators are spelled as the disassembler spells them ("+=", "s>="); a register is one of R0 ... R10 or, for
its lower half, W0 ... W10, and the width of an operation follows from it; a jump's target is a label or a
distance in slots. Labels are resolved by `assemble`, which may be called again for the other byte order.
Anything that cannot be encoded is a ValueError naming it, raised by the call that asked for it wherever it can be
known there.
"""

from collections.abc import Mapping
from typing import Final, Self, TypeVar

from purebpf.frozen import Frozen, replace
from purebpf.insn import opcodes as op
from purebpf.insn.disasm import ALU_SYMBOLS, ATOMIC_SYMBOLS, JUMP_SYMBOLS, WIDTHS
from purebpf.insn.insn import Insn, encode
from purebpf.insn.opcodes import AtomicOp, Class, Mode, Source
from purebpf.units import ByteOrder


class Register(Frozen):
    """A register, or with `half` its lower 32 bits."""

    number: int
    half: bool = False

    def __post_init__(self) -> None:
        if not 0 <= self.number <= 11:
            raise ValueError(f"there is no register {self}")

    def __str__(self) -> str:
        return f"{'w' if self.half else 'r'}{self.number}"


R0, R1, R2, R3, R4, R5, R6, R7, R8, R9, R10 = (Register(_number) for _number in range(11))
W0, W1, W2, W3, W4, W5, W6, W7, W8, W9, W10 = (Register(_number, half=True) for _number in range(11))

Operand = Register | int
Target = str | int
_T = TypeVar("_T")

_ALU: Final[Mapping[str, tuple[int, int]]] = {
    **{symbol: (alu, 0) for alu, symbol in ALU_SYMBOLS.items()},
    "s/=": (op.AluOp.DIV, 1),
    "s%=": (op.AluOp.MOD, 1),
}
_JUMPS: Final[Mapping[str, int]] = {symbol: jump for jump, symbol in JUMP_SYMBOLS.items()}
_ATOMICS: Final[Mapping[str, int]] = {symbol: atomic for atomic, symbol in ATOMIC_SYMBOLS.items()}
_SIZES: Final[Mapping[int, int]] = {width: size for size, width in WIDTHS.items()}
_SWAPS: Final[Mapping[str, int]] = {"le": op.TO_LE, "be": op.TO_BE, "bswap": op.BSWAP}


class Assembler:
    """Collects instructions; every method but `assemble` returns the assembler, so that calls can be chained."""

    def __init__(self) -> None:
        self._items: list[Insn | bytes] = []
        self._places: list[int] = []
        self._references: dict[int, tuple[str, str]] = {}
        self._labels: dict[str, int] = {}
        self._slots = 0
        self._ragged = False

    def label(self, name: str) -> Self:
        """Name the next instruction."""
        if name in self._labels:
            raise ValueError(f"label '{name}' stands twice")
        self._labels[name] = self._slots
        return self

    def insn(self, insn: Insn) -> Self:
        """Any instruction, as it is."""
        self._append(insn, insn.slots)
        return self

    def raw(self, data: bytes) -> Self:
        """Bytes as they are, in either byte order; after a piece that fills no whole slot nothing can follow."""
        self._append(data, len(data) // op.SLOT)
        self._ragged = len(data) % op.SLOT != 0
        return self

    def mov(self, dst: Register, value: Operand, *, sign_extend: int = 0) -> Self:
        """`dst = value`; `sign_extend` is the 8, 16 or 32 bits of a register that count (`r1 = (s8)r2`)."""
        widths = (0, 8, 16) if dst.half else (0, 8, 16, 32)
        if sign_extend not in widths or (sign_extend and isinstance(value, int)):
            raise ValueError(f"{dst} cannot be set to {value} sign-extended from {sign_extend} bits")
        return self._operation(op.AluOp.MOV, dst, value, sign_extend)

    def alu(self, dst: Register, symbol: str, operand: Operand) -> Self:
        """`dst += operand` and its like."""
        operation, offset = _known(_ALU, symbol, "ALU operator")
        return self._operation(operation, dst, operand, offset)

    def neg(self, dst: Register) -> Self:
        """`dst = -dst`."""
        return self.insn(Insn(op.NEG32 if dst.half else op.NEG64, dst.number))

    def swap(self, dst: Register, kind: str, bits: int) -> Self:
        """Byte order: kind "le", "be" (to that order from the machine's) or "bswap", of 16, 32 or 64 bits."""
        if bits not in (16, 32, 64):
            raise ValueError(f"{bits} bits cannot be swapped, only 16, 32 or 64")
        return self.insn(Insn(_known(_SWAPS, kind, "byte swap"), _full(dst), imm=bits))

    def addr_space_cast(self, dst: Register, src: Register, to: int, source: int) -> Self:
        """Turn an arena pointer into address space `to` from `source`."""
        if not (0 <= to <= 0xFFFF and 0 <= source <= 0xFFFF):
            raise ValueError(f"address spaces {to:#x} and {source:#x} do not fit in 16 bits each")
        bits = to << 16 | source
        return self.insn(Insn(op.MOV64_X, _full(dst), _full(src), 1, bits - (bits >> 31 << 32)))

    def load(self, dst: Register, base: Register, offset: int = 0, kind: str = "u64") -> Self:
        """`dst = *(kind *)(base + offset)`; kinds u8 ... u64 and, sign-extending, s8 ... s32."""
        size = _size(kind.replace("s", "u", 1))
        if dst.half and kind in ("u64", "s8", "s16", "s32"):
            raise ValueError(f"a {kind} is loaded into a whole register, not {dst}")
        if kind == "s64":
            raise ValueError("an s64 needs no sign extension: load a u64")
        mode = Mode.MEMSX if kind.startswith("s") else Mode.MEM
        return self.insn(Insn(Class.LDX | mode | size, dst.number, _full(base), _offset(offset)))

    def store(self, base: Register, offset: int, value: Operand, kind: str = "u64") -> Self:
        """`*(kind *)(base + offset) = value`."""
        size = _size(kind)
        if isinstance(value, int):
            return self.insn(Insn(Class.ST | Mode.MEM | size, _full(base), 0, _offset(offset), _imm32(value)))
        if value.half and kind == "u64":
            raise ValueError(f"a u64 is stored from a whole register, not {value}")
        return self.insn(Insn(Class.STX | Mode.MEM | size, _full(base), value.number, _offset(offset)))

    def load_packet(self, index: Operand, kind: str = "u32") -> Self:
        """`r0 = *(kind *)skb[index]`, the packet access inherited from classic BPF."""
        size = _size(kind)
        if size == op.Size.DW:
            raise ValueError("packet loads are of u8, u16 or u32")
        if isinstance(index, int):
            return self.insn(Insn(Class.LD | Mode.ABS | size, imm=_imm32(index)))
        return self.insn(Insn(Class.LD | Mode.IND | size, 0, _full(index)))

    def atomic(
        self, base: Register, offset: int, symbol: str, src: Register, kind: str = "u64", *, fetch: bool = False
    ) -> Self:
        """`lock *(kind *)(base + offset) += src`; with `fetch` src receives the old value."""
        operation = _known(_ATOMICS, symbol, "atomic operator")
        return self._atomic(kind, operation | (AtomicOp.FETCH if fetch else 0), base, offset, src)

    def xchg(self, base: Register, offset: int, src: Register, kind: str = "u64") -> Self:
        """Exchange memory with src."""
        return self._atomic(kind, AtomicOp.XCHG, base, offset, src)

    def cmpxchg(self, base: Register, offset: int, src: Register, kind: str = "u64") -> Self:
        """Store src if memory equals r0; r0 receives the old value."""
        return self._atomic(kind, AtomicOp.CMPXCHG, base, offset, src)

    def load_acquire(self, dst: Register, base: Register, offset: int = 0, kind: str = "u64") -> Self:
        """Load with acquire ordering (Linux 6.15)."""
        opcode = Class.STX | Mode.ATOMIC | _size(kind)
        return self.insn(Insn(opcode, dst.number, _full(base), _offset(offset), AtomicOp.LOAD_ACQUIRE))

    def store_release(self, base: Register, offset: int, src: Register, kind: str = "u64") -> Self:
        """Store with release ordering (Linux 6.15)."""
        opcode = Class.STX | Mode.ATOMIC | _size(kind)
        return self.insn(Insn(opcode, _full(base), src.number, _offset(offset), AtomicOp.STORE_RELEASE))

    def jump(self, target: Target, *, long: bool = False) -> Self:
        """`goto`; `long` reaches further than 16 bits (gotol, v4)."""
        return self._to(Insn(op.GOTOL if long else op.GOTO), "imm" if long else "offset", target)

    def may_goto(self, target: Target) -> Self:
        """Jump once the kernel finds that the loop has run long enough."""
        return self._to(Insn(op.MAY_GOTO), "offset", target)

    def jump_if(self, left: Register, symbol: str, right: Operand, target: Target) -> Self:
        """`if left == right goto target`."""
        cls = Class.JMP32 if left.half else Class.JMP
        opcode = cls | _known(_JUMPS, symbol, "comparison")
        if isinstance(right, int):
            return self._to(Insn(opcode, left.number, imm=_imm32(right, left)), "offset", target)
        insn = Insn(opcode | Source.X, left.number, _like(left, right))
        return self._to(insn, "offset", target)

    def jump_register(self, register: Register) -> Self:
        """`gotox`: to where a jump table's entry says."""
        return self.insn(Insn(op.GOTOX, _full(register)))

    def call(self, helper: int) -> Self:
        """A helper by number."""
        return self.insn(Insn(op.CALL, imm=_imm32(helper)))

    def call_function(self, target: Target) -> Self:
        """A subprogram by its label."""
        return self._to(Insn(op.CALL, 0, op.BPF_PSEUDO_CALL), "imm", target)

    def call_kfunc(self, btf_id: int, module_slot: int = 0) -> Self:
        """A kernel function by BTF id; `module_slot` is the place of its module's BTF in fd_array."""
        return self.insn(Insn(op.CALL, 0, op.BPF_PSEUDO_KFUNC_CALL, _offset(module_slot), _imm32(btf_id)))

    def call_register(self, register: Register) -> Self:
        """`callx`: what clang emits for a call by pointer and no kernel accepts."""
        return self.insn(Insn(op.CALLX, _full(register)))

    def ldimm64(self, dst: Register, value: int, source: int = 0) -> Self:
        """A 64-bit constant; with a source, what `PseudoSource` says."""
        if not -(1 << 63) <= value < 1 << 64:
            raise ValueError(f"{value:#x} does not fit in 64 bits")
        return self.insn(Insn(op.LDIMM64, _full(dst), source, imm=value))

    def map_fd(self, dst: Register, fd: int) -> Self:
        """The map behind a file descriptor."""
        return self.ldimm64(dst, fd, op.BPF_PSEUDO_MAP_FD)

    def map_value(self, dst: Register, fd: int, offset: int = 0) -> Self:
        """The address `offset` bytes into the map's only value."""
        return self.ldimm64(dst, (fd & 0xFFFFFFFF) | offset << 32, op.BPF_PSEUDO_MAP_VALUE)

    def function_address(self, dst: Register, target: Target) -> Self:
        """A subprogram's address, for callbacks."""
        return self._to(Insn(op.LDIMM64, _full(dst), op.BPF_PSEUDO_FUNC), "imm", target)

    def exit(self) -> Self:
        """`exit`."""
        return self.insn(Insn(op.EXIT))

    def assemble(self, byteorder: ByteOrder = "little") -> bytes:
        """The bytes; a label that is missing or too far away is a ValueError."""
        pieces: list[bytes] = []
        for number, item in enumerate(self._items):
            if isinstance(item, bytes):
                pieces.append(item)
                continue
            if number in self._references:
                item = self._resolve(item, self._places[number], *self._references[number])
            pieces.append(encode([item], byteorder))
        return b"".join(pieces)

    def _append(self, item: Insn | bytes, slots: int) -> None:
        if self._ragged:
            raise ValueError("nothing can follow bytes that do not fill a slot of 8")
        self._items.append(item)
        self._places.append(self._slots)
        self._slots += slots

    def _to(self, insn: Insn, field: str, target: Target) -> Self:
        if isinstance(target, str):
            self._references[len(self._items)] = (field, target)
            return self.insn(insn)
        return self.insn(replace(insn, **{field: _offset(target) if field == "offset" else _imm32(target)}))

    def _resolve(self, insn: Insn, place: int, field: str, label: str) -> Insn:
        if label not in self._labels:
            raise ValueError(f"label '{label}' stands nowhere")
        distance = self._labels[label] - place - 1
        if field == "offset" and not -0x8000 <= distance <= 0x7FFF:
            raise ValueError(f"label '{label}' is {distance} instructions away, more than a 16-bit jump reaches")
        if insn.wide:
            distance &= 0xFFFFFFFF
        return replace(insn, **{field: distance})

    def _operation(self, operation: int, dst: Register, operand: Operand, offset: int) -> Self:
        opcode = (Class.ALU if dst.half else Class.ALU64) | operation
        if isinstance(operand, int):
            return self.insn(Insn(opcode, dst.number, 0, offset, _imm32(operand, dst)))
        return self.insn(Insn(opcode | Source.X, dst.number, _like(dst, operand), offset))

    def _atomic(self, kind: str, operation: int, base: Register, offset: int, src: Register) -> Self:
        if kind not in ("u32", "u64") or (src.half and kind == "u64"):
            raise ValueError(f"no atomic operation on {kind} with {src}")
        opcode = Class.STX | Mode.ATOMIC | _size(kind)
        return self.insn(Insn(opcode, _full(base), src.number, _offset(offset), operation))


def _known(table: Mapping[str, _T], key: str, what: str) -> _T:
    if key not in table:
        raise ValueError(f"'{key}' is no {what}; known: {', '.join(table)}")
    return table[key]


def _size(kind: str) -> int:
    width = int(kind[1:]) if kind[1:].isdecimal() and kind[0] == "u" else 0
    if width not in _SIZES:
        raise ValueError(f"'{kind}' is no type of memory; known: u8, u16, u32, u64")
    return _SIZES[width]


def _full(register: Register) -> int:
    if register.half:
        raise ValueError(f"{register} is half a register; r{register.number} is needed here")
    return register.number


def _like(dst: Register, src: Register) -> int:
    if dst.half != src.half:
        raise ValueError(f"{dst} and {src} are of different width")
    return src.number


def _offset(value: int) -> int:
    if not -0x8000 <= value <= 0x7FFF:
        raise ValueError(f"offset {value:#x} does not fit in 16 bits")
    return value


def _imm32(value: int, dst: Register | None = None) -> int:
    """The immediate; 32-bit operations alone take 0x80000000 ... 0xffffffff, as the others would sign-extend it."""
    highest = 0xFFFFFFFF if dst is not None and dst.half else 0x7FFFFFFF
    if not -0x80000000 <= value <= highest:
        raise ValueError(f"immediate {value:#x} does not fit in 32 bits; ldimm64 takes it into a register")
    return value - (1 << 32) if value > 0x7FFFFFFF else value
