"""Code as text in the syntax of llvm-objdump 19 (`-d --no-show-raw-insn`), for any bytes at all.

Rules: one line an instruction (ldimm64 is one line of two slots); what cannot be an instruction is `<unknown>`,
one line a slot. `FORMS` says for each opcode how it is written and which fields it has; the fields it has not
are ignored, as LLVM ignores them.

Where LLVM 19 says less than the code holds, this says more: 32-bit atomics (LLVM knows them only with
--mcpu=v3 and above), load_acquire, store_release and gotox (LLVM 20 and 21; the same syntax), and the upper half of
an ldimm64 with a pseudo source.
"""

import struct
from bisect import bisect_right
from collections.abc import Callable, Iterator, Mapping

from purebpf.insn import opcodes as op
from purebpf.insn.insn import SLOT_FORMAT
from purebpf.insn.opcodes import AluOp, AtomicOp, Class, JumpOp, Mode, Size, Source
from purebpf.units import ByteOrder

UNKNOWN = "<unknown>"

Render = Callable[[int, int, int, int], str]
"""(dst, src, offset, imm) -> text; UNKNOWN where a field has a value without meaning."""

ALU_SYMBOLS = {
    AluOp.ADD: "+=", AluOp.SUB: "-=", AluOp.MUL: "*=", AluOp.DIV: "/=", AluOp.OR: "|=", AluOp.AND: "&=",
    AluOp.LSH: "<<=", AluOp.RSH: ">>=", AluOp.MOD: "%=", AluOp.XOR: "^=", AluOp.ARSH: "s>>=",
}  # fmt: skip
JUMP_SYMBOLS = {
    JumpOp.JEQ: "==", JumpOp.JGT: ">", JumpOp.JGE: ">=", JumpOp.JSET: "&", JumpOp.JNE: "!=", JumpOp.JSGT: "s>",
    JumpOp.JSGE: "s>=", JumpOp.JLT: "<", JumpOp.JLE: "<=", JumpOp.JSLT: "s<", JumpOp.JSLE: "s<=",
}  # fmt: skip
ATOMIC_SYMBOLS = {AtomicOp.ADD: "+=", AtomicOp.OR: "|=", AtomicOp.AND: "&=", AtomicOp.XOR: "^="}
FETCH_NAMES = {AtomicOp.ADD: "add", AtomicOp.OR: "or", AtomicOp.AND: "and", AtomicOp.XOR: "xor"}
WIDTHS = {Size.W: 32, Size.H: 16, Size.B: 8, Size.DW: 64}


def hexed(value: int) -> str:
    """The value as LLVM writes a signed immediate: -0x8 rather than 0xfff...8."""
    return f"-{-value:#x}" if value < 0 else f"{value:#x}"


def plus(value: int) -> str:
    """A jump's distance: always with a sign."""
    return f"-{-value:#x}" if value < 0 else f"+{value:#x}"


def address(register: int, offset: int) -> str:
    """A memory operand without its parentheses: `r1 + 0x8`."""
    return f"r{register} - {-offset:#x}" if offset < 0 else f"r{register} + {offset:#x}"


def _binary(symbol: str, reg: str, from_register: bool, signed: bool) -> Render:
    def render(dst: int, src: int, offset: int, imm: int) -> str:
        if offset and not (signed and offset == 1):
            return UNKNOWN
        operand = f"{reg}{src}" if from_register else hexed(imm)
        return f"{reg}{dst} {'s' if offset else ''}{symbol} {operand}"

    return render


def _move_immediate(reg: str) -> Render:
    return lambda dst, src, offset, imm: UNKNOWN if offset else f"{reg}{dst} = {hexed(imm)}"


def _move_register(reg: str) -> Render:
    def render(dst: int, src: int, offset: int, imm: int) -> str:
        if offset == 0:
            return f"{reg}{dst} = {reg}{src}"
        if offset in (8, 16) or (offset == 32 and reg == "r"):
            return f"{reg}{dst} = (s{offset}){reg}{src}"
        if offset == 1 and reg == "r":
            return f"r{dst} = addr_space_cast(r{src}, {imm >> 16 & 0xFFFF:#x}, {imm & 0xFFFF:#x})"
        return UNKNOWN

    return render


def _swap(name: str) -> Render:
    return lambda dst, src, offset, imm: f"r{dst} = {name}{imm} r{dst}" if imm in (16, 32, 64) else UNKNOWN


def _jump(symbol: str, reg: str, from_register: bool) -> Render:
    def render(dst: int, src: int, offset: int, imm: int) -> str:
        operand = f"{reg}{src}" if from_register else hexed(imm)
        return f"if {reg}{dst} {symbol} {operand} goto {plus(offset)}"

    return render


def _load(kind: str, reg: str) -> Render:
    return lambda dst, src, offset, imm: f"{reg}{dst} = *({kind} *)({address(src, offset)})"


def _store_register(kind: str, reg: str) -> Render:
    return lambda dst, src, offset, imm: f"*({kind} *)({address(dst, offset)}) = {reg}{src}"


def _store_immediate(kind: str) -> Render:
    return lambda dst, src, offset, imm: f"*({kind} *)({address(dst, offset)}) = {hexed(imm)}"


def _atomic(width: int, plain_add: str) -> Render:
    """Atomics of one width; `plain_add` is the register letter of the add that was once called xadd."""
    reg = "r" if width == 64 else "w"
    suffix = "_64" if width == 64 else "32_32"

    def render(dst: int, src: int, offset: int, imm: int) -> str:
        where = address(dst, offset)
        if imm == AtomicOp.LOAD_ACQUIRE:
            return f"{reg}{dst} = load_acquire((u{width} *)({address(src, offset)}))"
        if imm == AtomicOp.STORE_RELEASE:
            return f"store_release((u{width} *)({where}), {reg}{src})"
        if width < 32:
            return UNKNOWN
        if imm in ATOMIC_SYMBOLS:
            letter = reg if imm else plain_add
            return f"lock *(u{width} *)({where}) {ATOMIC_SYMBOLS[AtomicOp(imm)]} {letter}{src}"
        if imm & AtomicOp.FETCH and imm ^ AtomicOp.FETCH in FETCH_NAMES:
            name = FETCH_NAMES[AtomicOp(imm ^ AtomicOp.FETCH)]
            return f"{reg}{src} = atomic_fetch_{name}((u{width} *)({where}), {reg}{src})"
        if imm == AtomicOp.XCHG:
            return f"{reg}{src} = xchg{suffix}({where}, {reg}{src})"
        if imm == AtomicOp.CMPXCHG:
            return f"{reg}0 = cmpxchg{suffix}({where}, {reg}0, {reg}{src})"
        return UNKNOWN

    return render


# Which fields an opcode has, as letters: d(st) s(rc) o(ffset) i(mm).
FORMS: dict[int, tuple[Render, str]] = {}


def _add_alu() -> None:
    for cls, reg in ((Class.ALU, "w"), (Class.ALU64, "r")):
        for alu, symbol in ALU_SYMBOLS.items():
            signed = alu in (AluOp.DIV, AluOp.MOD)
            FORMS[cls | alu | Source.K] = _binary(symbol, reg, False, signed), "doi"
            FORMS[cls | alu | Source.X] = _binary(symbol, reg, True, signed), "dso"
        FORMS[cls | AluOp.MOV | Source.K] = _move_immediate(reg), "di"
        FORMS[cls | AluOp.MOV | Source.X] = _move_register(reg), "dso"
    FORMS[op.NEG32] = (lambda dst, src, offset, imm: f"w{dst} = -w{dst}"), "d"
    FORMS[op.NEG64] = (lambda dst, src, offset, imm: f"r{dst} = -r{dst}"), "d"
    FORMS[op.TO_LE] = _swap("le"), "di"
    FORMS[op.TO_BE] = _swap("be"), "di"
    FORMS[op.BSWAP] = _swap("bswap"), "di"


def _add_jumps() -> None:
    for cls, reg in ((Class.JMP, "r"), (Class.JMP32, "w")):
        for jump, symbol in JUMP_SYMBOLS.items():
            FORMS[cls | jump | Source.K] = _jump(symbol, reg, False), "doi"
            FORMS[cls | jump | Source.X] = _jump(symbol, reg, True), "dso"
    FORMS[op.GOTO] = (lambda dst, src, offset, imm: f"goto {plus(offset)}"), "o"
    FORMS[op.GOTOX] = (lambda dst, src, offset, imm: f"gotox r{dst}"), "d"
    FORMS[op.GOTOL] = (lambda dst, src, offset, imm: f"gotol {plus(imm)}"), "i"
    FORMS[op.MAY_GOTO] = (lambda dst, src, offset, imm: f"may_goto {plus(offset)}"), "o"
    FORMS[op.CALL] = (lambda dst, src, offset, imm: f"call {hexed(imm)}"), "i"
    FORMS[op.CALLX] = (lambda dst, src, offset, imm: f"callx r{dst}"), "d"
    FORMS[op.EXIT] = (lambda dst, src, offset, imm: UNKNOWN if imm else "exit"), ""


def _packet(width: int, indirect: bool) -> tuple[Render, str]:
    if indirect:
        return (lambda dst, src, offset, imm: f"r0 = *(u{width} *)skb[r{src}]"), "s"
    return (lambda dst, src, offset, imm: f"r0 = *(u{width} *)skb[{hexed(imm)}]"), "i"


def _add_memory() -> None:
    for size, width in WIDTHS.items():
        kind = f"u{width}"
        FORMS[Class.LDX | Mode.MEM | size] = _load(kind, "r"), "dso"
        FORMS[Class.STX | Mode.MEM | size] = _store_register(kind, "r"), "dso"
        FORMS[Class.ST | Mode.MEM | size] = _store_immediate(kind), "doi"
        FORMS[Class.STX | Mode.ATOMIC | size] = _atomic(width, "r"), "dsoi"
        if size != Size.DW:
            FORMS[Class.LDX | Mode.MEMSX | size] = _load(f"s{width}", "r"), "dso"
            FORMS[Class.LD | Mode.ABS | size] = _packet(width, indirect=False)
            FORMS[Class.LD | Mode.IND | size] = _packet(width, indirect=True)


_add_alu()
_add_jumps()
_add_memory()

# What changes when 32-bit sub-registers are written w0 ... w10 in memory accesses too (--mcpu=v3 and above).
ALU32_FORMS: dict[int, tuple[Render, str]] = {
    Class.STX | Mode.ATOMIC | Size.W: (_atomic(32, "w"), "dsoi"),
}
for _size, _width in WIDTHS.items():
    if _size != Size.DW:
        ALU32_FORMS[Class.LDX | Mode.MEM | _size] = _load(f"u{_width}", "w"), "dso"
        ALU32_FORMS[Class.STX | Mode.MEM | _size] = _store_register(f"u{_width}", "w"), "dso"


def disassemble(
    code: bytes | bytearray | memoryview,
    byteorder: ByteOrder = "little",
    *,
    start: int = 0,
    symbols: Mapping[int, str] | None = None,
    alu32: bool = False,
    exact: bool = False,
) -> list[str]:
    """The instructions as text, one line each.

    `symbols` (instruction index -> name) adds jump targets as objdump does: `goto +0x3 <main+0x20>`; `start` is the
    index of the first instruction, for code cut from a section. `alu32` is llvm-objdump's --mcpu=v3 and above:
    `w1 = *(u32 *)(r2 + 0x4)`. `exact` makes the text complete, so that `assemble_text` gives the same bytes
    back whatever they are: a call shows its source (`call pc+0x5`, `call kfunc 0x7`) and what has something in
    fields that its form does not show is written `.byte`.
    """
    lines = iter_lines(code, byteorder, alu32=alu32, exact=exact)
    if symbols is None:
        return [text for _index, text, _target in lines]
    places = sorted(symbols)
    named: list[str] = []
    for _index, text, target in lines:
        suffix = "" if target is None else _place(start + target, places, symbols)
        named.append(text + suffix)
    return named


def _place(target: int, places: list[int], symbols: Mapping[int, str]) -> str:
    at = bisect_right(places, target) - 1
    if at < 0:
        return ""
    distance = (target - places[at]) * op.SLOT
    return f" <{symbols[places[at]]}+{distance:#x}>" if distance else f" <{symbols[places[at]]}>"


def iter_lines(
    code: bytes | bytearray | memoryview, byteorder: ByteOrder = "little", *, alu32: bool = False, exact: bool = False
) -> Iterator[tuple[int, str, int | None]]:
    """(index, text, index of the jump's target or None) of each instruction."""
    view = memoryview(code)
    whole = len(view) - len(view) % op.SLOT
    slots = list(SLOT_FORMAT[byteorder].iter_unpack(view[:whole]))
    dst_shift, src_shift = (0, 4) if byteorder == "little" else (4, 0)
    forms = FORMS | ALU32_FORMS if alu32 else FORMS
    index = 0
    while index < len(slots):
        opcode, registers, offset, imm = slots[index]
        dst, src = registers >> dst_shift & 15, registers >> src_shift & 15
        width = 1
        if opcode == op.LDIMM64:
            text, width = _wide(dst, src, imm, slots[index + 1 : index + 2])
            if exact and (offset or (width == 2 and any(slots[index + 1][:3]))):
                text = UNKNOWN
        else:
            text = _narrow(forms, (opcode, dst, src, offset, imm), exact)
        if exact and text is UNKNOWN:
            text, width = _as_bytes(view[index * op.SLOT : (index + 1) * op.SLOT]), 1
        yield index, text, None if text is UNKNOWN else _target(index, opcode, offset, imm)
        index += width
    if whole != len(view):
        yield index, _as_bytes(view[whole:]) if exact else UNKNOWN, None


def _narrow(forms: Mapping[int, tuple[Render, str]], insn: tuple[int, int, int, int, int], exact: bool) -> str:
    opcode, dst, src, offset, imm = insn
    form = forms.get(opcode)
    if form is None:
        return UNKNOWN
    render, fields = form
    if (dst > 11 and "d" in fields) or (src > 11 and "s" in fields):
        return UNKNOWN
    if not exact:
        return render(dst, src, offset, imm)
    if opcode == op.CALL and src and not dst:
        return _sourced_call(src, offset, imm)
    text = render(dst, src, offset, imm)
    if "addr_space_cast" in text:
        fields = "dsoi"
    unused = (("d", dst), ("s", src), ("o", offset), ("i", imm))
    return UNKNOWN if any(value and field not in fields for field, value in unused) else text


def _sourced_call(src: int, offset: int, imm: int) -> str:
    if src == op.BPF_PSEUDO_CALL and not offset:
        return f"call pc{plus(imm)}"
    if src == op.BPF_PSEUDO_KFUNC_CALL:
        return f"call kfunc {hexed(imm)}" + (f" fd {hexed(offset)}" if offset else "")
    return UNKNOWN


def _wide(dst: int, src: int, low: int, second: list[tuple[int, ...]]) -> tuple[str, int]:
    """Text and slots of an ldimm64; one that is cut short or names no register is unknown in each of its slots."""
    if not second or dst > 11:
        return UNKNOWN, 1
    bits = (low & 0xFFFFFFFF) | (second[0][3] & 0xFFFFFFFF) << 32
    if src:
        return f"ld_pseudo\tr{dst}, {src:#x}, {bits:#x}", 2
    return f"r{dst} = {hexed(struct.unpack('<q', struct.pack('<Q', bits))[0])} ll", 2


def _target(index: int, opcode: int, offset: int, imm: int) -> int | None:
    if opcode in op.SHORT_JUMPS:
        return index + 1 + offset
    return index + 1 + imm if opcode == op.GOTOL else None


def _as_bytes(piece: memoryview) -> str:
    return ".byte " + ", ".join(f"{byte:#04x}" for byte in piece)
