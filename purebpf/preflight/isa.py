"""Which instructions need a newer kernel than the first one with BPF.

Rules: every instruction counts, reached or not: a kernel refuses code with an opcode that it does not know before it
looks at what is reached. A second half of an ldimm64 is none.
"""

from collections.abc import Callable, Iterator
from struct import Struct
from typing import Final, NamedTuple

from purebpf.insn.words import BPF_PSEUDO_CALL, BPF_PSEUDO_FUNC, BPF_PSEUDO_KFUNC_CALL, CALL, LDIMM64
from purebpf.units import ByteOrder, InsnIndex

_SLOT: Final = {"little": Struct("<BBhi"), "big": Struct(">BBhi")}
_DIVISIONS: Final = (0x34, 0x3C, 0x37, 0x3F, 0x94, 0x9C, 0x97, 0x9F)
_MOVES: Final = (0xB4, 0xBC, 0xB7, 0xBF)
_ATOMICS: Final = (0xC3, 0xDB, 0xCB, 0xD3)
_ORDERED: Final = (0x100, 0x110)


class Extension(NamedTuple):
    """Instructions that came together: what they are, and the first kernel with them."""

    text: str
    since: str


class Used(NamedTuple):
    """An extension that a program uses, and where first."""

    extension: Extension
    insn: InsnIndex


_JMP32: Final = Extension("32-bit jumps (instruction set v3)", "5.1")
_CALLS: Final = Extension("calls of subprograms", "4.16")
_FUNCTIONS: Final = Extension("addresses of functions (callbacks)", "5.13")
_KFUNCS: Final = Extension("calls of kernel functions", "5.13")
_FETCHING: Final = Extension("atomic operations beyond addition", "5.12")
_V4: Final = Extension("instruction set v4 (sign extension, signed division, byte swaps, long jumps)", "6.6")
_MAY_GOTO: Final = Extension("may_goto", "6.9")
_ADDRESS_SPACES: Final = Extension("casts between address spaces", "6.9")
_ACQUIRE: Final = Extension("load-acquire and store-release", "6.15")
_INDIRECT: Final = Extension("indirect jumps", "6.19")

Test = Callable[[int, int, int, int], Extension | None]


def extensions(code: bytes, byteorder: ByteOrder = "little") -> tuple[Used, ...]:
    """Each extension that the code uses, in the order of first use."""
    found: dict[Extension, InsnIndex] = {}
    for index, extension in _all(code, byteorder):
        found.setdefault(extension, index)
    return tuple(Used(extension, index) for extension, index in found.items())


def _all(code: bytes, byteorder: ByteOrder) -> Iterator[tuple[InsnIndex, Extension]]:
    opcodes = frozenset(code[::8])
    special = frozenset(opcode for opcode in opcodes if opcode in _TESTS)
    if not special:
        return
    second_half = False
    for index, (opcode, registers, offset, imm) in enumerate(_SLOT[byteorder].iter_unpack(code[: len(code) & -8])):
        if second_half:
            second_half = False
            continue
        second_half = opcode == LDIMM64
        if opcode in special:
            source = registers >> 4 if byteorder == "little" else registers & 15
            extension = _TESTS[opcode](opcode, source, offset, imm)
            if extension is not None:
                yield InsnIndex(index), extension


def _call(_: int, source: int, offset: int, imm: int) -> Extension | None:
    return {BPF_PSEUDO_CALL: _CALLS, BPF_PSEUDO_KFUNC_CALL: _KFUNCS}.get(source)


def _address(_: int, source: int, offset: int, imm: int) -> Extension | None:
    return _FUNCTIONS if source == BPF_PSEUDO_FUNC else None


def _atomic(_: int, source: int, offset: int, imm: int) -> Extension | None:
    if imm in _ORDERED:
        return _ACQUIRE
    return _FETCHING if imm else None


def _division(_: int, source: int, offset: int, imm: int) -> Extension | None:
    return _V4 if offset else None


def _move(opcode: int, source: int, offset: int, imm: int) -> Extension | None:
    if opcode == 0xBF and offset == 1:
        return _ADDRESS_SPACES
    return _V4 if offset else None


def _always(extension: Extension) -> Test:
    return lambda opcode, source, offset, imm: extension


_TESTS: Final[dict[int, Test]] = {
    **{opcode: _always(_JMP32) for opcode in range(256) if opcode & 7 == 6 and opcode != 0x06},
    **dict.fromkeys((0x81, 0x89, 0x91, 0x99, 0xD7, 0x06), _always(_V4)),
    **dict.fromkeys(_DIVISIONS, _division),
    **dict.fromkeys(_MOVES, _move),
    **dict.fromkeys(_ATOMICS, _atomic),
    0xE5: _always(_MAY_GOTO),
    0x0D: _always(_INDIRECT),
    CALL: _call,
    LDIMM64: _address,
}
