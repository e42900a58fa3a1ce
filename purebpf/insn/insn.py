"""One instruction as a value, and code as a list of them.

Rules: code that only passes through stays `bytes` (see `patch.py`); an `Insn` is made to be looked at or
written. A slot is opcode, registers, 16-bit offset, 32-bit immediate; in big-endian objects not only the two
numbers but also the two register nibbles are the other way round (the fields are C bitfields). ldimm64 is one
`Insn` of two slots, so an instruction's index is not its place in the list.
"""

import struct
from collections.abc import Iterable

from purebpf.errors import SpecError
from purebpf.frozen import Frozen
from purebpf.insn.opcodes import KNOWN_OPCODES, LDIMM64, SLOT
from purebpf.units import ByteOrder, InsnIndex

SLOT_FORMAT: dict[ByteOrder, struct.Struct] = {"little": struct.Struct("<BBhi"), "big": struct.Struct(">BBhi")}


class Insn(Frozen):
    """One instruction. `imm` is a signed 32-bit number, for ldimm64 an unsigned 64-bit one."""

    opcode: int
    dst: int = 0
    src: int = 0
    offset: int = 0
    imm: int = 0

    @property
    def wide(self) -> bool:
        """Whether it takes two slots (ldimm64 alone does)."""
        return self.opcode == LDIMM64

    @property
    def slots(self) -> int:
        """Slots it takes, which is what jump distances and instruction indices count."""
        return 2 if self.opcode == LDIMM64 else 1


def decode(
    code: bytes | bytearray | memoryview, byteorder: ByteOrder = "little", *, strict: bool = True
) -> list[tuple[InsnIndex, Insn]]:
    """The instructions of `code` with their slot indices.

    Strict refuses with a `SpecError` what no kernel takes whatever the registers hold: an unknown opcode, a
    ldimm64 cut short or with something in the second half's unused fields, a length that is no multiple of 8.
    `strict=False` never raises: unknown opcodes come out as they are, a missing half counts as zero, odd bytes
    at the end are left out.
    """
    whole = len(code) - len(code) % SLOT
    if strict and whole != len(code):
        raise SpecError(f"code of {len(code)} bytes is no multiple of {SLOT}", offset=whole)
    slots = list(SLOT_FORMAT[byteorder].iter_unpack(memoryview(code)[:whole]))
    dst_shift, src_shift = (0, 4) if byteorder == "little" else (4, 0)
    found: list[tuple[InsnIndex, Insn]] = []
    index = 0
    while index < len(slots):
        opcode, registers, offset, imm = slots[index]
        if strict and opcode not in KNOWN_OPCODES:
            raise SpecError(f"unknown opcode {opcode:#04x} at instruction {index}", offset=index * SLOT)
        start = index
        if opcode == LDIMM64:
            imm = (imm & 0xFFFFFFFF) | _upper_half(slots, index, strict) << 32
            index += 1
        insn = Insn(opcode, registers >> dst_shift & 15, registers >> src_shift & 15, offset, imm)
        found.append((InsnIndex(start), insn))
        index += 1
    return found


def _upper_half(slots: list[tuple[int, ...]], index: int, strict: bool) -> int:
    if index + 1 == len(slots):
        if strict:
            raise SpecError(f"ldimm64 at instruction {index} lacks its second half", offset=index * SLOT)
        return 0
    opcode, registers, offset, imm = slots[index + 1]
    if strict and (opcode or registers or offset):
        reason = f"second half of ldimm64 at instruction {index} has more than an immediate"
        raise SpecError(reason, offset=(index + 1) * SLOT)
    return imm & 0xFFFFFFFF


def encode(insns: Iterable[Insn], byteorder: ByteOrder = "little") -> bytes:
    """The bytes of `insns`; a field that does not fit is a ValueError naming it.

    The immediate of ldimm64 may be given signed or unsigned; the opcode is not judged.
    """
    pack = SLOT_FORMAT[byteorder].pack
    big = byteorder == "big"
    pieces: list[bytes] = []
    for insn in insns:
        _check_fields(insn, len(pieces))
        registers = insn.dst << 4 | insn.src if big else insn.src << 4 | insn.dst
        if insn.opcode != LDIMM64:
            pieces.append(pack(insn.opcode, registers, insn.offset, insn.imm))
            continue
        low, high = _signed32(insn.imm), _signed32(insn.imm >> 32)
        pieces.append(pack(LDIMM64, registers, insn.offset, low))
        pieces.append(pack(0, 0, 0, high))
    return b"".join(pieces)


def _signed32(value: int) -> int:
    return ((value & 0xFFFFFFFF) ^ 0x80000000) - 0x80000000


def _check_fields(insn: Insn, index: int) -> None:
    lowest, highest = (-(1 << 63), (1 << 64) - 1) if insn.wide else (-(1 << 31), (1 << 31) - 1)
    for field, value, low, high in (
        ("opcode", insn.opcode, 0, 255),
        ("dst", insn.dst, 0, 15),
        ("src", insn.src, 0, 15),
        ("offset", insn.offset, -0x8000, 0x7FFF),
        ("imm", insn.imm, lowest, highest),
    ):
        if not low <= value <= high:
            raise ValueError(f"{field} {value:#x} of instruction {index} is outside {low:#x} .. {high:#x}")
